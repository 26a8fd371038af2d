"""The search of what left a site finds what it must find, in every encoding it claims."""

from __future__ import annotations

import base64
import gzip
import json

import numpy as np
import pytest

from myofed_demo.leak_search import Needles, identity_needles, planted_leak, search, voxel_needles

NAME = "Testperson^Wilhelmine"
PIXELS = (np.random.default_rng(1).normal(500, 90, (64, 48))).astype("<u2")


def test_search_for_nothing_is_refused() -> None:
    """0 of 0 checks passed is a failure."""
    with pytest.raises(ValueError, match="proves nothing"):
        search([("a", b"abc")], Needles(frozenset(), frozenset()))


@pytest.mark.parametrize(
    "body",
    [
        b"xx" + NAME.encode(),
        NAME.upper().encode("utf-16-le"),
        b"only the family name: TESTPERSON.",
        gzip.compress(NAME.encode()),
        b"\x00\x01" + gzip.compress(NAME.encode()),
        json.dumps({"x": base64.b64encode(b"a long enough text with " + NAME.encode() + b" in it").decode()}).encode(),
    ],
    ids=["plain", "utf16", "component", "gzip", "gzip-inside", "base64"],
)
def test_planted_identity_is_found(body: bytes) -> None:
    """A name is found plain, in UTF-16, in part, compressed and in base64."""
    hits = search([("body", body)], identity_needles([NAME]))
    assert {h.kind for h in hits} == {"identity"}


@pytest.mark.parametrize("shift", range(8))
@pytest.mark.parametrize("kind", ["<u2", "<f4", "<f8"])
def test_voxels_are_found_at_any_alignment_and_type(shift: int, kind: str) -> None:
    """An image slice is found whatever stands before it."""
    body = b"\x00" * shift + PIXELS.astype(kind).tobytes()
    assert search([("body", body)], voxel_needles([PIXELS]))


@pytest.mark.parametrize("turned", [PIXELS.T, PIXELS[::-1, ::-1], PIXELS.T[::-1]], ids=["transposed", "turned", "both"])
def test_voxels_are_found_in_another_orientation(turned: np.ndarray) -> None:
    """NIfTI keeps other axis orders than DICOM."""
    assert search([("body", np.ascontiguousarray(turned).tobytes())], voxel_needles([PIXELS]))


def test_nothing_is_found_where_nothing_is() -> None:
    """Random weights and JSON are no leak."""
    weights = np.random.default_rng(2).normal(size=200_000).astype("<f4").tobytes()
    needles = identity_needles([NAME]) | voxel_needles([PIXELS])
    assert search([("weights", weights), ("json", b'{"dice": 0.81, "site": "hospital-a"}')], needles) == ()


def test_flat_image_gives_no_needle() -> None:
    """Background would match any run of zeros."""
    assert voxel_needles([np.zeros((32, 32), np.uint16)]).voxels == frozenset()


def test_leak_planted_on_purpose_is_found() -> None:
    """The demonstration can tell a search that works from one that does not."""
    bodies = planted_leak(NAME, PIXELS)
    hits = search(bodies, identity_needles([NAME]) | voxel_needles([PIXELS]))
    assert {h.body for h in hits} == {"planted-identity", "planted-voxels"}
