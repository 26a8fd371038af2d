"""Whether an image may hold drawn text: thin strokes that stand beside each other like letters in a word.

Two steps. The first counts strokes in a few passes over bytes: where it finds next to none, as in most images, there is no text. The
second looks at those images again: strokes are what a morphological opening takes away (a top hat), strokes side by side
make a word, and a word is low, wide, crossed several times by each of its rows, drawn in one ink, on a ground calmer than the ink.
A bright rim, a vessel, noise or a grid of a phantom seldom is all of this. Both steps look for bright and dark ink, upright and
turned by a quarter, at full, half and quarter resolution. The numbers below were chosen on public scans and drawn text, see
tests/proofs/burned_in.py; being suspicious is no verdict.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.integer]
"""(i, j) stored pixel words of one frame."""
Grey = NDArray[np.uint8]
Mask = NDArray[np.bool_]

STEPS = (1, 2, 4)
"""Every pixel, every second, every fourth: fonts from 7 to about 100 pixels."""
SMALLEST_SIDE = {1: 16, 2: 56, 4: 64}
"""Images that are smaller after the step are not looked at in it: no word fits."""
SAMPLE = 64
"""Rows and columns of the sample that gives an image's upper grey value."""
UPPER_QUANTILE = 0.995
HIDDEN_ABOVE = 0.9
MOST_GREYS = 1 << 20
"""Of wider ranges (32 bits) no histogram is made; the search for words decides."""
NEAR = 8
"""Grey values on either side that a value's count is compared with; the windows below are made for eight."""
SIGMAS, FEWEST_OF_ONE_INK = 3.0, 10
"""A letter of seven rows has some ten pixels of ink in its strokes."""
REACH = 2
"""Strokes of the first step are thinner than twice this."""
FIRST_CONTRAST = 0.12
FEWEST_STROKES = 5
OPENING = 3
"""Radius of the opening: strokes up to 6 pixels wide."""
LOWEST_WORD, HIGHEST_WORD, SHARE_OF_SIDE = {1: 5, 2: 8, 4: 8}, 30, 0.3
"""Rows of a word in pixels of the step, and the part of the image's shorter side that it may fill."""
INK_SHARE = (0.12, 0.75)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of ink that is looked for.

    Attributes:
        contrast: Of the top hat to the image's range.
        one_ink: The least share of the strokes' pixels that have the ink's value, to a quarter of its contrast.
        ground: The most that what lies between the strokes may vary, in parts of the contrast.
        gap: Letters closer than twice this belong to one word.
        crossings: Ink is entered at least so often in a mean row of a word.
    """

    contrast: float
    one_ink: float
    ground: float
    gap: int
    crossings: float = 3.0


KINDS = (
    Kind(0.3, 0.4, 1.2, 3),
    Kind(0.2, 0.0, 0.6, 3),
    Kind(0.12, 0.0, 0.4, 3),
    Kind(0.2, 0.25, 1.4, 3, 6.5),
    Kind(0.12, 0.4, 1.0, 3, 7.0),
)
"""Strong ink on any ground; faint, smoothed ink on calm ground; long words, smoothed ink on any ground."""
KINDS_AMID_NOISE = (Kind(0.3, 0.3, 0.25, 1), Kind(0.2, 0.0, 0.15, 1), Kind(0.3, 0.35, 0.45, 1, 6.5))
"""Letters in a plain box, where much else looks like ink."""
NOISE_SHARE = 0.05
"""Ink on more of the image than this is noise for the most part."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a word may stand in a frame; `turned` says that it runs along the first axis."""

    rows: slice
    columns: slice
    turned: bool


def text_places(words: Words) -> Iterator[Place]:
    """Where strokes stand in this frame as letters do; nothing for nearly all images without text.

    Args:
        words: (i, j) as stored, any integer type of 8, 16 or 32 bits in the machine's byte order.
    """
    for grey in _windows(words, low=int(words.min()), high=int(words.max())):
        for part, step in _scales(grey):
            for ink_grey in (part, ~part):
                if _has_strokes(ink_grey):
                    yield from _places(ink_grey, step)


def has_one_ink(words: Words) -> bool:
    """Whether among the thin strokes of this frame one grey value is far more frequent than those near it, as drawn ink is.

    Strokes of anatomy, noise and vessels have many values; what a console draws has one. Smoothed letters of few pixels have none
    either: they are found by `text_places` alone.

    Args:
        words: (i, j) as stored, any integer type of 8, 16 or 32 bits in the machine's byte order.
    """
    low, high = int(words.min()), int(words.max())
    if high - low > MOST_GREYS:
        return True
    above: Words = words - words.dtype.type(low) if low else words
    levels: Words = above.astype(np.uint16 if high - low < 1 << 16 else np.int64, copy=False)
    sampled = {step: np.ascontiguousarray(levels[::step, ::step]) for step in STEPS}
    for grey in _windows(words, low=low, high=high):
        for part, step in _scales(grey):
            if any(_stands_out(sampled[step][_strokes(ink_grey)]) for ink_grey in (part, ~part)):
                return True
    return False


def _lowered(grey: Grey) -> Grey:
    """The grey values less FIRST_CONTRAST of the greatest, none below 0."""
    contrast = np.full_like(grey, max(1, int(FIRST_CONTRAST * int(grey.max()))))  # numpy is slow with one value here
    lowered = np.maximum(grey, contrast)
    lowered -= contrast
    return lowered


def _strokes(grey: Grey) -> Mask:
    """Pixels that exceed what lies left and right of them, or above and below, as strokes thinner than twice REACH do."""
    near, far = slice(REACH, -REACH), 2 * REACH
    beside, row = np.empty_like(grey), grey.reshape(-1)
    np.maximum(row[:-far], row[far:], out=beside.reshape(-1)[near])  # as one row, which is faster; its ends are set now
    beside[:, :REACH] = beside[:, -REACH:] = np.iinfo(grey.dtype).max
    np.minimum(beside[near], np.maximum(grey[:-far], grey[far:]), out=beside[near])
    return np.asarray(_lowered(grey) > beside)


def _stands_out(levels: NDArray[np.integer]) -> bool:
    """Whether one level is far more frequent than any of its NEAR neighbours on either side."""
    if levels.size < FEWEST_OF_ONE_INK:
        return False
    counts = np.bincount(levels)
    if int(counts.max()) <= FEWEST_OF_ONE_INK:
        return False
    eight = np.zeros(counts.size + 2 * NEAR, counts.dtype)
    eight[NEAR:-NEAR] = counts
    for reach in (1, 2, 4):  # the greatest of 2, 4 and 8 neighbours
        eight = np.maximum(eight[:-reach], eight[reach:])
    near_most = np.maximum(eight[: counts.size], eight[NEAR + 1 :])
    return bool((counts > 1.5 * near_most + SIGMAS * np.sqrt(near_most) + FEWEST_OF_ONE_INK).any())


def _windows(words: Words, *, low: int, high: int) -> Iterator[Grey]:
    """Up to the upper quantile, and where that hides much of the range (few bright pixels) up to the maximum, too."""
    sample = words[:: max(1, words.shape[0] // SAMPLE), :: max(1, words.shape[1] // SAMPLE)].ravel()
    place = int(sample.size * UPPER_QUANTILE)
    upper = int(np.partition(sample, place)[place])
    if upper > low:
        yield grey_values(words, low=low, high=upper)
    if upper - low < HIDDEN_ABOVE * (high - low):
        yield grey_values(words, low=low, high=high)


def grey_values(words: Words, *, low: int, high: int) -> Grey:
    """(i, j) `low` and what is below as 0, `high` and what is above as the greatest value, between 128 and 255."""
    unsigned = np.dtype(f"u{words.dtype.itemsize}")
    least = np.full_like(words, high)  # an array, as numpy is slow with one value here
    above = np.minimum(words, least, out=least).view(unsigned)
    above -= np.array(low, dtype=words.dtype).view(unsigned)
    bits = (high - low).bit_length()
    if bits > 8:
        above >>= unsigned.type(bits - 8)
        return np.asarray(above.astype(np.uint8))
    return np.asarray(above.astype(np.uint8) << np.uint8(8 - bits))


def _scales(grey: Grey) -> Iterator[tuple[Grey, int]]:
    for step in STEPS:
        part = np.ascontiguousarray(grey[::step, ::step])
        if min(part.shape) >= SMALLEST_SIDE[step]:
            yield part, step


def _has_strokes(grey: Grey) -> bool:
    """Whether enough pixels exceed what lies left and right of them, two rows below each other, or above and below."""
    lowered = _lowered(grey)
    near, far = slice(REACH, -REACH), 2 * REACH
    every_second, lowered_second = grey[::2], lowered[::2]
    upright = (lowered_second[:, near] > every_second[:, :-far]) & (lowered_second[:, near] > every_second[:, far:])
    if np.count_nonzero(upright[1:] & upright[:-1]) >= FEWEST_STROKES:
        return True
    flat = (lowered[near] > grey[:-far]) & (lowered[near] > grey[far:])
    return bool(np.count_nonzero(flat[:, 2:] & flat[:, 1:-1] & flat[:, :-2]) >= FEWEST_STROKES)


def _opened(grey: Grey) -> Grey:
    """The opening by a square: least, then greatest value within OPENING pixels; at the border the image goes on as it ends."""
    for extreme in (np.minimum, np.maximum):
        for axis in (0, 1):
            width = [(0, 0), (0, 0)]
            width[axis] = (OPENING, OPENING)
            padded = np.moveaxis(np.pad(grey, width, mode="edge"), axis, 0)
            pairs = extreme(padded[:-1], padded[1:])
            fours = extreme(pairs[:-2], pairs[2:])
            grey = np.moveaxis(extreme(fours[:-3], fours[3:]), 0, axis)
    return np.asarray(grey)


@dataclass(frozen=True, slots=True)
class _Inked:
    """One kind of ink in a frame, its words running along the second axis."""

    grey: Grey
    top_hat: Grey
    ink: Mask
    entered: Mask
    """Where a row comes from ground into ink."""
    labels: NDArray[np.int32]
    """Letters with their gaps, numbered."""
    places: list[tuple[slice, slice]]

    @classmethod
    def of(cls, grey: Grey, top_hat: Grey, *, kind: Kind, turned: bool) -> _Inked:
        if turned:
            grey, top_hat = np.ascontiguousarray(grey.T), np.ascontiguousarray(top_hat.T)
        ink = top_hat > max(1, int(kind.contrast * int(grey.max())))
        entered = ink.copy()
        entered[:, 1:] &= ~ink[:, :-1]
        wide = ink.copy()
        for shift in range(1, kind.gap + 1):
            wide[:, shift:] |= ink[:, :-shift]
            wide[:, :-shift] |= ink[:, shift:]
        from scipy import ndimage  # a quarter of a second, which most runs can do without

        labels, _ = ndimage.label(wide)
        return cls(grey, top_hat, ink, entered, labels, ndimage.find_objects(labels))


def _places(grey: Grey, step: int) -> Iterator[Place]:
    """The words in one ink at one resolution."""
    top_hat = grey - _opened(grey)
    lowest, highest = LOWEST_WORD[step], min(HIGHEST_WORD, max(9, int(SHARE_OF_SIDE * min(grey.shape))))
    amid_noise = np.count_nonzero(top_hat > int(KINDS[0].contrast * int(grey.max()))) > NOISE_SHARE * grey.size
    for kind in (*KINDS, *KINDS_AMID_NOISE) if amid_noise else KINDS:
        for turned in (False, True):
            part = _Inked.of(grey, top_hat, kind=kind, turned=turned)
            for number, (rows, columns) in enumerate(part.places, 1):
                height, width = rows.stop - rows.start, columns.stop - columns.start - 2 * kind.gap
                if lowest <= height <= highest and width >= 1.5 * height and _is_word(part, number, kind):
                    along, across = (slice(step * cut.start, step * cut.stop) for cut in (columns, rows))
                    yield Place(along, across, turned) if turned else Place(across, along, turned)


def _is_word(part: _Inked, number: int, kind: Kind) -> bool:
    place = part.places[number - 1]
    here = part.labels[place] == number
    ink = here & part.ink[place]
    height, width = here.shape[0], here.shape[1] - 2 * kind.gap
    crossings = np.count_nonzero(here & part.entered[place]) / height
    share = np.count_nonzero(ink) / (height * width)
    if crossings < kind.crossings or not INK_SHARE[0] <= share <= INK_SHARE[1] or width / crossings > 1.7 * height:
        return False
    contrast = max(1.0, float(np.quantile(part.top_hat[place][ink], 0.9)))
    values = part.grey[place][ink]
    one_ink = np.mean(values >= np.quantile(values, 0.95) - contrast / 4)
    low, high = np.quantile(part.grey[place][here & ~part.ink[place]], (0.1, 0.9))
    return bool(one_ink >= kind.one_ink and (high - low) / contrast <= kind.ground)
