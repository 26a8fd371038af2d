"""QR codes as SVG inside a page: shapes and attributes alone, so that the strict content policy holds."""

from __future__ import annotations

import segno
from markupsafe import Markup

QUIET_ZONE = 4
"""White modules on each side (ISO/IEC 18004, 5.3.8): readable on a dark page too."""


def qr_svg(text: str) -> Markup:
    """The text as a QR code, black on white in light and in dark; its size is the style sheet's.

    Args:
        text: At most 2331 bytes; none of it is in the markup as it is.
    """
    code = segno.make(text, error="m", micro=False)
    drawn = code.svg_inline(omitsize=True, dark="#000", light="#fff", border=QUIET_ZONE, svgclass=None, lineclass=None)
    return Markup(drawn)  # noqa: S704  digits and names of elements, made here
