"""The QR code of a second factor: read back by another program, white around, and nothing that the content policy forbids."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.typing import NDArray

from myofed_coordinator.accounts.second_factor import provisioning_uri
from myofed_coordinator.web.qr import QUIET_ZONE, qr_svg

URI = provisioning_uri(bytes(range(20)), account="ann.lee", issuer="Example consortium")


def pixels(svg: str) -> NDArray[np.uint8]:
    """What a browser draws, one pixel a module: horizontal strokes of width 1, black on white."""
    side = int(re.findall(r'viewBox="0 0 (\d+) ', svg)[0])
    drawn = np.zeros((side, side), dtype=np.uint8)
    background, strokes = re.findall(r' d="([^"]+)"', svg)
    assert background == f"M0 0h{side}v{side}h-{side}z"
    drawn[:] = 255
    x = y = 0.0
    for command, first, second in re.findall(r"([Mmh])(-?[\d.]+)(?:\s?(-?[\d.]+))?", strokes):
        if command == "h":
            drawn[int(y), int(x) : int(x) + int(first)] = 0
            x += float(first)
        else:
            across, down = float(first), float(second)
            x, y = (across, down) if command == "M" else (x + across, y + down)
    return drawn


def test_markup_has_nothing_that_the_content_policy_forbids() -> None:
    """No style, script, link or data; and not the secret as text."""
    svg = str(qr_svg(URI))
    for forbidden in ("style", "script", "href", "data:", "url(", "otpauth", "secret"):
        assert forbidden not in svg
    side = len(pixels(svg))
    bare = re.sub(r' d="[\d\s.Mmhvz-]*"', "", svg)
    assert bare == f'<svg viewBox="0 0 {side} {side}"><path fill="#fff"/><path stroke="#000"/></svg>'


def test_quiet_zone_is_white() -> None:
    """Four modules on each side, so that a dark page around it does not matter."""
    drawn = pixels(str(qr_svg(URI)))
    inner = drawn[QUIET_ZONE:-QUIET_ZONE, QUIET_ZONE:-QUIET_ZONE]
    assert (drawn == 0).sum() == (inner == 0).sum() > 100


def test_code_says_the_address_of_the_second_factor() -> None:
    """As OpenCV's reader, which shares no code with the writer, reads it."""
    cv2 = pytest.importorskip("cv2", reason="the extra `ocr` brings OpenCV, which reads the code here")
    large = np.kron(pixels(str(qr_svg(URI))), np.ones((8, 8), dtype=np.uint8))
    text, *_ = cv2.QRCodeDetector().detectAndDecode(large)
    assert text == URI
