"""The adapter around the text recogniser."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from myofed_anonymization import ocr
from myofed_anonymization.strokes import Place

FRAME = np.arange(64 * 64, dtype="u2").reshape(64, 64)
PLACE = Place(slice(30, 40), slice(4, 60), turned=False)


class FakeReader:
    """Answers every image with the same texts and keeps the shapes it saw."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts
        self.shapes: list[tuple[int, ...]] = []

    def __call__(
        self, image: ocr.Image, /, *, text_score: float
    ) -> tuple[list[tuple[object, str, float]] | None, object]:
        self.shapes.append(image.shape)
        return [(None, text, text_score) for text in self.texts] or None, None


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> FakeReader:
    """A recogniser that finds nothing."""
    reader = FakeReader()
    monkeypatch.setattr(ocr, "_reader", lambda: reader)
    return reader


def test_missing_recogniser_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that fails, for want of the package or of a system library, is no crash."""
    monkeypatch.setitem(sys.modules, "rapidocr_onnxruntime", None)
    ocr._reader.cache_clear()
    assert not ocr.is_installed()
    monkeypatch.undo()
    ocr._reader.cache_clear()


@pytest.mark.parametrize(
    ("text", "hit"),
    [("L", False), ("R 1", False), ("--..--", False), ("M-1a", True), ("Fantasia", True), ("李小龙", True)],
)
def test_three_letters_or_digits_make_a_text(reading: FakeReader, text: str, hit: bool) -> None:
    """Side markers and specks are no text; three letters of any script are."""
    reading.texts = (text,)
    assert ocr.reads_text(FRAME, places=iter(())) is hit


def test_frame_is_read_upright_and_turned_and_places_closely(reading: FakeReader) -> None:
    """Without a hit, the frame is read twice, then each place once, enlarged."""
    turned = Place(slice(4, 60), slice(30, 40), turned=True)
    assert not ocr.reads_text(FRAME, places=iter([PLACE, PLACE, turned]))
    assert reading.shapes[:2] == [(736, 736), (736, 736)]
    assert len(reading.shapes) == 4
    assert reading.shapes[2] == reading.shapes[3] == (120, 256)


def test_only_the_first_places_are_read(reading: FakeReader) -> None:
    """An image full of strokes does not cost more than a bounded number of looks."""
    places = (Place(slice(16 * n, 16 * n + 8), slice(0, 40), turned=False) for n in range(200))
    frame = np.zeros((200 * 16, 64), "u2")
    assert not ocr.reads_text(frame, places=places)
    assert len(reading.shapes) == 2 + ocr.MOST_PLACES
    assert all(max(shape) <= ocr.LONG_SIDE for shape in reading.shapes)
