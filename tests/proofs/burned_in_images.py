"""Seeded images with and without text, every one a function of its number: made-up anatomy, phantoms, noise, maps."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.integer]
Plane = NDArray[np.float64]

TEXTS = (
    "Fantasia^Ottilie", "FANTASIA OTTILIE", "Muster, Erika", "MRN-884422", "ID 4711-0815", "14.02.1961", "1961-02-14",
    "M 065Y 1.78m", "Klinikum Wolkenstein", "Acc 20217731", "O. Fantasia", "19610214", "Fantasia", "Dr. Zuweiser", "Otti K.",
)  # fmt: skip
SIZES = (7, 8, 9, 10, 12, 14, 18, 24, 32, 48)
"""Font sizes in pixels; capitals are about 0.7 of it."""
SHAPES = ((256, 256), (192, 256), (320, 320), (512, 512), (288, 384), (448, 448))
MAXIMUM = 4095
CONTRAST = {"max": 0.4, "min": 0.25, "grey": 0.4, "box": 0.4}
"""Of the text to what lies under it, in parts of the image's range: below that a reader sees nothing either."""
BOX_MARGIN = 3
"""Pixels between a text and the edge of the box behind it."""
TRIES = 10
"""Places and fonts tried on one image; then another image is made."""


@dataclass(frozen=True)
class TextImage:
    """One image with text, and how it was drawn (never the pixels: this is what a failure prints)."""

    pixels: Pixels
    drawn: dict[str, str | int | float | bool]


def anatomy(rng: np.random.Generator, shape: tuple[int, int]) -> Plane:
    """Two limbs with a bright rim, darker muscles, septa, a dark bone with bright marrow, a shaded coil; 0 to 1."""
    y, x = np.mgrid[: shape[0], : shape[1]] / max(shape)
    image = np.zeros(shape)
    for side in (0.28, 0.72):
        cx, cy = side * shape[1] / max(shape), 0.5 * shape[0] / max(shape)
        wobble = 1 + 0.05 * np.sin(3 * np.arctan2(y - cy, x - cx) + rng.uniform(0, 6))
        r = np.hypot((x - cx) / rng.uniform(0.17, 0.21), (y - cy) / rng.uniform(0.25, 0.33)) * wobble
        angle = np.arctan2(y - cy, x - cx) + rng.uniform(0, 6)
        image = np.where(r < 1, rng.uniform(0.7, 0.9), image)
        muscle = 0.3 + 0.05 * np.sin(4 * angle) + 0.25 * (np.abs(np.sin(2.5 * angle)) < 0.03)
        image = np.where(r < 0.8, muscle, image)
        for level, radius in ((0.05, 0.22), (0.75, 0.14)):
            image = np.where(np.hypot(x - cx - 0.02, y - cy) < radius * 0.2, level, image)
    for _ in range(6):
        vx, vy = rng.uniform(0.2, 0.8, 2)
        image = np.where((np.hypot(x - vx, y - vy) < 0.006) & (image > 0.1), 0.95, image)
    shade = 1 - 0.4 * np.hypot(x - rng.uniform(0, 1), y - rng.uniform(0, 1))
    return np.asarray(np.clip(_blurred(image) * shade, 0, 1))


def magnitude(rng: np.random.Generator, shape: tuple[int, int]) -> Pixels:
    """Anatomy with Rician noise."""
    sigma = rng.uniform(0.008, 0.05)
    noise = rng.normal(0, sigma, (2, *shape))
    return _words(np.hypot(anatomy(rng, shape) * 0.85 + noise[0], noise[1]))


def masked(rng: np.random.Generator, shape: tuple[int, int]) -> Pixels:
    """Magnitude on a background of exactly zero."""
    body = anatomy(np.random.default_rng(int(rng.integers(1 << 30))), shape)
    noise = rng.normal(0, 0.02, shape)
    return _words(np.where(body > 0.04, body * 0.85 + noise, 0))


def noise_only(rng: np.random.Generator, shape: tuple[int, int]) -> Pixels:
    """Rayleigh noise."""
    return _words(np.hypot(*rng.normal(0, 0.18, (2, *shape))))


def phase(rng: np.random.Generator, shape: tuple[int, int]) -> Pixels:
    """Phase with wraps in the body, uniform noise in air."""
    y, x = np.mgrid[: shape[0], : shape[1]] / max(shape)
    turns = rng.uniform(2, 6) * x + rng.uniform(2, 6) * y * y + rng.uniform(0, 1)
    signal = anatomy(rng, shape) * np.exp(2j * np.pi * turns)
    signal = signal + rng.normal(0, 0.03, shape) + 1j * rng.normal(0, 0.03, shape)
    return _words((np.angle(signal) + np.pi) / (2 * np.pi))


def fat_fraction(rng: np.random.Generator, shape: tuple[int, int]) -> Pixels:
    """Fat fraction in steps of 0.1 %, clipped at 0 and 100 %, noise in air."""
    body = anatomy(rng, shape)
    fat = np.where(body > 0.5, 0.95, 0.05) + rng.normal(0, 0.04, shape)
    fat = np.where(body > 0.04, fat, rng.normal(0.5, 0.6, shape))
    return np.round(np.clip(fat, 0, 1) * 1000).astype(np.uint16)


def phantom(rng: np.random.Generator, shape: tuple[int, int]) -> Pixels:
    """Discs with sharp edges, a grid, resolution bars and a ramp, with scanner noise."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.where(np.hypot(y - shape[0] / 2, x - shape[1] / 2) < min(shape) * 0.45, 0.55, 0.0)
    kind = rng.integers(4)
    inside = image > 0
    if kind == 0:
        for _ in range(20):
            cy, cx = rng.uniform(0.25, 0.75, 2) * shape
            image = np.where((np.hypot(y - cy, x - cx) < rng.uniform(2, 14)) & inside, rng.uniform(0.05, 1), image)
    elif kind == 1:
        step = int(rng.integers(12, 30))
        image = np.where(((y % step < 2) | (x % step < 2)) & inside, rng.choice([0.05, 0.95]), image)
    elif kind == 2:
        for row, width in enumerate((1, 2, 3, 4)):
            top, left = int(shape[0] * (0.25 + 0.12 * row)), int(shape[1] * 0.3)
            bars = (x - left) // width % 2 == 0
            here = (y >= top) & (y < top + 14) & (x >= left) & (x < left + 10 * width)
            image = np.where(here & bars & inside, 0.95, image)
    else:
        image = np.where(inside, 0.2 + 0.7 * x / shape[1], 0)
    noise = rng.normal(0, rng.uniform(0.005, 0.03), (2, *shape))
    return _words(np.hypot(image * 0.9 + noise[0], noise[1]))


KINDS: dict[str, Callable[[np.random.Generator, tuple[int, int]], Pixels]] = {
    "magnitude": magnitude,
    "masked": masked,
    "noise": noise_only,
    "phase": phase,
    "fat_fraction": fat_fraction,
    "phantom": phantom,
}


def clean_image(number: int) -> tuple[str, Pixels]:
    """The kind and pixels of the image with this number."""
    rng = np.random.default_rng([1, number])
    kind = tuple(KINDS)[number % len(KINDS)]
    return kind, KINDS[kind](rng, SHAPES[int(rng.integers(len(SHAPES)))])


def text_image(number: int, *, real: tuple[Pixels, ...] = ()) -> TextImage:
    """The image with text of this number: font, size, ink, place, softening and turn are its own.

    Args:
        number: Of the variant.
        real: Images of scanners; half of the variants are drawn on them when there are any.
    """
    rng = np.random.default_rng([2, number])
    while True:
        kind = ("magnitude", "masked", "magnitude", "phantom", "fat_fraction")[int(rng.integers(5))]
        if real and number % 2:
            kind, base = "real", real[int(rng.integers(len(real)))]
        else:
            base = KINDS[kind](rng, SHAPES[int(rng.integers(len(SHAPES)))])
        for _ in range(TRIES):
            if (made := _draw(rng, base)) is not None:
                return TextImage(made.pixels, {"number": number, "kind": kind, **made.drawn})


def _draw(rng: np.random.Generator, base: Pixels) -> TextImage | None:
    """None where the text would not fit or not be seen: the draw is repeated."""
    size, text = int(rng.choice(SIZES)), str(rng.choice(TEXTS))
    style = str(rng.choice(["pixel", "smooth", "bitmap", "stroke", "soft", "system"]))
    ink = str(rng.choice(["max", "min", "min", "min", "grey", "box"]))
    quarter, lossy = bool(rng.random() < 0.2), bool(rng.random() < 0.15)
    stencil = text_stencil(text, style=style, size=size, rng=rng)
    stencil = np.rot90(stencil) if quarter else stencil
    low, high = float(base.min()), float(np.quantile(base, 0.999))
    if ink == "box":
        stencil = np.pad(stencil, BOX_MARGIN)
    height, width = stencil.shape
    if height > base.shape[0] - 4 or width > base.shape[1] - 4 or high <= low:
        return None
    top, left = int(rng.integers(1, base.shape[0] - height - 1)), int(rng.integers(1, base.shape[1] - width - 1))
    if rng.random() < 0.5:
        top = int(rng.choice([2, base.shape[0] - height - 2]))
    here = (slice(top, top + height), slice(left, left + width))
    ground = base[here].astype(float)
    value = {"max": float(base.max()), "min": low, "grey": low + rng.uniform(0.55, 0.8) * (high - low)}.get(ink, high)
    if ink == "box":
        ground = np.full(ground.shape, low)
    contrast = abs(value - float(np.median(ground))) / (high - low)
    if contrast < CONTRAST[ink] or np.mean(np.abs(ground - value) < 0.6 * contrast * (high - low)) > 0.1:
        return None
    pixels = base.astype(float)
    pixels[here] = ground + stencil * (value - ground)
    if lossy:
        pixels = _jpeg(pixels, quality=int(rng.integers(60, 95)))
    pixels = np.clip(np.round(pixels), base.min(), base.max()).astype(base.dtype)
    facts = {"text": text, "style": style, "size": size, "ink": ink, "quarter": quarter, "lossy": lossy}
    return TextImage(pixels, {**facts, "shape": str(base.shape), "top": top, "left": left})


SYSTEM_FONTS = ("DejaVuSansMono.ttf", "DejaVuSerif.ttf", "DejaVuSans-Bold.ttf")
"""Drawn with where the host has them, else the font inside Pillow."""


def text_stencil(text: str, *, style: str, size: int, rng: np.random.Generator) -> Plane:
    """(i, j) coverage 0 to 1 of the text, cropped to it."""
    scale = 2 if style == "soft" else 1
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont = _font(size * scale)
    if style == "bitmap":
        font = ImageFont.load_default_imagefont()
    if style == "system":
        font = _font(size, str(rng.choice(SYSTEM_FONTS)))
    canvas = Image.new("L", (int(font.getlength(text)) + 4 * size + 8, 3 * size * scale + 16), 0)
    pen = ImageDraw.Draw(canvas)
    pen.fontmode = "1" if style in {"pixel", "bitmap"} else "L"
    pen.text((4, 4), text, fill=255, font=font, stroke_width=1 if style == "stroke" and size > 9 else 0)
    if style == "soft":
        canvas = canvas.resize((canvas.width // 2, canvas.height // 2), Image.Resampling.BILINEAR)
    if style == "bitmap" and size >= 18:
        canvas = canvas.resize((canvas.width * (size // 9), canvas.height * (size // 9)), Image.Resampling.NEAREST)
    coverage = np.asarray(canvas, dtype=np.float64) / 255
    rows, columns = np.flatnonzero(coverage.max(1)), np.flatnonzero(coverage.max(0))
    return np.asarray(coverage[max(rows[0] - 1, 0) : rows[-1] + 2, max(columns[0] - 1, 0) : columns[-1] + 2])


@lru_cache(maxsize=64)
def _font(size: int, name: str = "") -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    try:
        return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)
    except OSError:
        return ImageFont.load_default(size)


def _words(image: Plane) -> Pixels:
    return np.round(np.clip(image, 0, 1) * MAXIMUM).astype(np.uint16)


def _blurred(image: Plane) -> Plane:
    for axis in (0, 1):
        image = (np.roll(image, 1, axis) + 2 * image + np.roll(image, -1, axis)) / 4
    return image


def _jpeg(pixels: Plane, *, quality: int) -> Plane:
    low, high = pixels.min(), pixels.max()
    grey = Image.fromarray(np.round((pixels - low) / (high - low) * 255).astype(np.uint8))
    stream = io.BytesIO()
    grey.save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream), dtype=np.float64) / 255 * (high - low) + low
