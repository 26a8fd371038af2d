"""Whether strokes stand in an image as letters do."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from myofed_anonymization.strokes import grey_values, has_one_ink, text_places

Words = NDArray[np.integer]


def thigh(dtype: str = "u2", *, side: int = 256, peak: int = 900) -> Words:
    """A disc in noise: what an image without text looks like."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:side, :side]
    disc = np.where(np.hypot(y - side / 2, x - side / 2) < 0.35 * side, 0.6 * peak, 0)
    return np.clip(disc + rng.normal(0.04 * peak, 0.01 * peak, (side, side)), 0, peak).astype(dtype)


def with_text(words: Words, *, ink: int, at: tuple[int, int] = (8, 8), size: int = 14, turned: bool = False) -> Words:
    """A made-up name drawn on the image."""
    canvas = Image.new("L", (words.shape[1], words.shape[0]))
    ImageDraw.Draw(canvas).text((at[1], at[0]), "FANTASIA OTTILIE", fill=255, font=ImageFont.load_default(size))
    stencil = np.rot90(np.asarray(canvas)) if turned else np.asarray(canvas)
    drawn = words.copy()
    drawn[stencil > 127] = ink
    return drawn


def suspicious(words: Words) -> bool:
    return next(text_places(words), None) is not None


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "i4"])
def test_name_in_air_is_suspected_in_every_kind_of_words(dtype: str) -> None:
    """Stored words of any size and sign are judged alike."""
    peak = 200 if dtype == "u1" else 900
    image = thigh(dtype, peak=peak)
    assert not suspicious(image)
    assert suspicious(with_text(image, ink=peak))


def test_place_covers_the_text() -> None:
    """What is read closely is where the text stands."""
    places = list(text_places(with_text(thigh(), ink=900, at=(100, 60), size=12)))
    assert any(p.rows.start <= 108 <= p.rows.stop and p.columns.start <= 100 <= p.columns.stop for p in places)


def test_turned_text_is_suspected_as_turned() -> None:
    """A text that runs along the rows' axis is found, and said to be turned."""
    assert any(place.turned for place in text_places(with_text(thigh(), ink=900, turned=True)))


def test_black_text_on_bright_tissue_is_suspected() -> None:
    """Ink may be darker than what it lies on."""
    assert suspicious(with_text(thigh(), ink=0, at=(120, 70)))


def test_large_text_is_suspected() -> None:
    """Letters too thick for full resolution are found at a coarser one."""
    assert suspicious(with_text(thigh(side=512), ink=900, at=(4, 20), size=50))


def test_faint_text_in_air_is_suspected() -> None:
    """Grey ink of sixty per cent of the maximum does not belong into air."""
    assert suspicious(with_text(thigh(), ink=540))


def test_text_on_a_bright_box_is_suspected() -> None:
    """Ink and box may both lie above nearly all values of the image."""
    image = thigh(side=512) // 8
    image[20:40, 20:150] = 550
    assert suspicious(with_text(image, ink=900, at=(24, 26), size=10))


def test_text_in_a_box_amid_noise_is_suspected() -> None:
    """Where noise looks like ink everywhere, a calm box with letters still stands out."""
    image = np.random.default_rng(5).integers(0, 1000, (256, 256)).astype("u2")
    assert not suspicious(image)
    image[100:124, 40:200] = 0
    assert suspicious(with_text(image, ink=1000, at=(104, 48), size=12))


@pytest.mark.parametrize("value", [0, 7])
def test_image_of_one_value_is_quiet(value: int) -> None:
    """No contrast, no text, no division by it."""
    assert not suspicious(np.full((64, 64), value, "u2"))


def test_image_smaller_than_a_word_is_quiet() -> None:
    """Sixteen pixels hold no name."""
    assert not suspicious(np.arange(16, dtype="u2").reshape(4, 4))


def test_rim_and_single_line_are_quiet() -> None:
    """A thin bright ring is ink, but no row of letters."""
    y, x = np.mgrid[:256, :256]
    image = thigh()
    image[np.abs(np.hypot(y - 128, x - 128) - 90) < 1.5] = 900
    image[20, 40:200] = 900
    assert not suspicious(image)


def test_grey_values_keep_order_and_clip() -> None:
    """Signed words map from the least value upwards, and what is above the upper value becomes it."""
    words = np.array([[-1000, -500, 0, 500, 3000]], dtype="i2")
    grey = grey_values(words, low=-1000, high=500)
    assert grey.tolist() == [[0, 62, 125, 187, 187]]
    assert grey_values(np.array([[0, 1, 3]], "u1"), low=0, high=3).tolist() == [[0, 64, 192]]


def test_a_drawn_grey_value_stands_out() -> None:
    """Ink has one value; noise, masked air and combs of a scaling scanner do not stand out; wide ranges are not judged."""
    rng = np.random.default_rng(1)
    image = rng.rayleigh(300, (256, 256)).astype(np.uint16)
    assert not has_one_ink(image)
    assert not has_one_ink((image // 3 * 3).astype(np.uint16))
    assert not has_one_ink(np.zeros((64, 64), dtype=np.uint16))
    smooth = np.add.outer(np.arange(256), np.arange(256)).astype(np.uint16) * 4
    assert not has_one_ink(smooth)
    for ink in (4095, 1900, 0):
        drawn = smooth.copy()
        drawn[120:127, 120:160:4] = ink
        assert has_one_ink(drawn)
    assert has_one_ink(image.astype(np.int32) * 100_000)
    assert not has_one_ink(smooth.astype(np.int32) * 100)
