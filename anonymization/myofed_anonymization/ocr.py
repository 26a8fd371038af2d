"""The one place that knows the text recogniser (rapidocr-onnxruntime 1.4, the extra `[ocr]`): is there text in this image?

The models lie in the wheel; nothing is fetched. One thread, so that the same image gives the same answer at any load, and several
worker processes do not fight for cores. A text counts when three of its characters are letters or digits of any script: a side marker
("L", "R") does not, "HEAD" does. On 674 images without text no such text reached a score above 0.5, on 400 with text the
misses began to grow above 0.6 (measured 2026-11-24, tests/proofs/burned_in.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib import import_module
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from myofed_anonymization.strokes import Place, Words

LEAST_SCORE = 0.6
FEWEST_CHARACTERS = 3
SHORT_SIDE, LONG_SIDE = 736, 1900
"""Pixels that an image is enlarged to: the detector was trained at the first, the recogniser shrinks above 2000."""
LETTER_HEIGHT = 40
"""Pixels that a suspicious place is enlarged to."""
MOST_PLACES = 16
"""Suspicious places of a frame that are read one by one, after the frame as a whole."""

Image = NDArray[np.uint8]


class _Reader(Protocol):
    """What this file uses of `RapidOCR`: ((box, text, score) ..., times), or (None, None) where it finds nothing."""

    def __call__(
        self, image: Image, /, *, text_score: float
    ) -> tuple[Sequence[tuple[object, str, float]] | None, object]: ...


def is_installed() -> bool:
    """Whether text can be read here; also False where a system library that the recogniser needs is missing."""
    try:
        _reader()
    except ImportError:
        return False
    return True


def reads_text(words: Words, *, places: Iterator[Place]) -> bool:
    """Whether text is recognised in the frame, upright or turned, or in one of these places looked at closely.

    Args:
        words: (i, j) stored pixel words.
        places: Where the rules suspect text; only the first are looked at.
    """
    grey = _eight_bits(words)
    if any(_shows_text(_enlarged(view, _whole_factor(view))) for view in (grey, np.rot90(grey))):
        return True
    return any(_shows_text(_close_up(grey, place)) for place in islice(_unlike(places), MOST_PLACES))


def _shows_text(image: Image) -> bool:
    found, _ = _reader()(image, text_score=LEAST_SCORE)
    return any(sum(map(str.isalnum, text)) >= FEWEST_CHARACTERS for _, text, _ in found or ())


@lru_cache(maxsize=1)
def _reader() -> _Reader:
    module = import_module("rapidocr_onnxruntime")
    reader: _Reader = module.RapidOCR(
        intra_op_num_threads=1, inter_op_num_threads=1, det_limit_type="max", det_limit_side_len=2000
    )
    return reader


def _eight_bits(words: Words) -> Image:
    low, high = float(words.min()), float(words.max())
    return np.asarray((words - low) * (255 / max(high - low, 1)), dtype=np.uint8)


def _whole_factor(image: Image) -> float:
    return float(min(max(1.0, SHORT_SIDE / min(image.shape)), LONG_SIDE / max(image.shape)))


def _enlarged(image: Image, factor: float) -> Image:
    from PIL import Image as Pillow  # a dependency of the recogniser

    size = (max(32, round(image.shape[1] * factor)), max(32, round(image.shape[0] * factor)))
    return np.asarray(Pillow.fromarray(np.ascontiguousarray(image)).resize(size, Pillow.Resampling.BICUBIC))


def _close_up(grey: Image, place: Place) -> Image:
    """The place with a margin of its height, its grey values stretched, its words running along the second axis."""
    lines = place.columns if place.turned else place.rows
    height = lines.stop - lines.start
    rows, columns = (slice(max(0, cut.start - height), cut.stop + height) for cut in (place.rows, place.columns))
    part = _eight_bits(grey[rows, columns])
    part = np.rot90(part) if place.turned else part
    return _enlarged(part, min(max(1.0, LETTER_HEIGHT / height), LONG_SIDE / max(part.shape)))


def _unlike(places: Iterator[Place]) -> Iterator[Place]:
    """Each place once; the same word is found in several resolutions and kinds of ink."""
    seen: set[tuple[int, int, bool]] = set()
    for place in places:
        middle = tuple((cut.start + cut.stop) // 16 for cut in (place.rows, place.columns))
        if (key := (middle[0], middle[1], place.turned)) not in seen:
            seen.add(key)
            yield place
