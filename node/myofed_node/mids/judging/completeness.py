"""Whole slices missing at the edge of a series leave no gap; what headers say of how many there should be is looked at here.

Only what cannot be read otherwise refuses a series: a number that is merely odd does not, because vendors count differently
(interpolated slices, several volumes, several series of one acquisition).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from myofed_node.mids.dicom_input.frames import Frame, Series
from myofed_node.mids.geometry import POSITION_TOLERANCE_MM, orientations
from myofed_node.mids.refusal import SeriesRefusedError

CODE = "SERIES_INCOMPLETE_BY_HEADER"


def refuse_incomplete(series: Series) -> None:
    """No header proves that something of the series is missing.

    Raises:
        SeriesRefusedError: SERIES_INCOMPLETE_BY_HEADER.
    """
    _frames(series)
    _concatenations(series)
    _stack_positions(series.frames)
    _counts(series)


def _frames(series: Series) -> None:
    """PS3.3 C.7.6.16: one item of functional groups a frame."""
    for stated in series.stated:
        if stated.frames is not None and stated.frames != stated.frames_described:
            raise SeriesRefusedError(
                CODE,
                f"NumberOfFrames={stated.frames}",
                f"PerFrameFunctionalGroupsSequence={stated.frames_described} items",
            )


def _concatenations(series: Series) -> None:
    """PS3.3 C.7.6.16.1: a large object may be split into parts, each of which says how many there are."""
    parts = Counter(stated.concatenation for stated in series.stated if stated.concatenation)
    for stated in series.stated:
        if stated.concatenation and parts[stated.concatenation] < (stated.concatenation_parts or 0):
            raise SeriesRefusedError(
                CODE,
                f"InConcatenationTotalNumber={stated.concatenation_parts}",
                f"parts={parts[stated.concatenation]}",
            )


def _stack_positions(frames: tuple[Frame, ...]) -> None:
    """InStackPositionNumber counts the slices of one stack from 1 (PS3.3 C.7.6.16.2.2.4), where it does so at all.

    Old Philips objects count otherwise (dcm2niix Philips notes): a number is believed only where numbers and places in space are
    one to one and in one order.
    """
    numbers = {frame.stack_position for frame in frames}
    if None in numbers or len({frame.stack_id for frame in frames}) != 1:
        return
    known = sorted(number for number in numbers if number is not None)
    if known == list(range(1, len(known) + 1)) or not _in_order(frames):
        return
    raise SeriesRefusedError(CODE, f"InStackPositionNumber={known[0]}..{known[-1]}", f"slices={len(known)}")


def _in_order(frames: tuple[Frame, ...]) -> bool:
    cosines = orientations(frames)
    if len(cosines) != 1:
        return False
    normal = np.cross(cosines[0][0], cosines[0][1])
    places: dict[int, list[float]] = {}
    for frame in frames:
        places.setdefault(frame.stack_position or 0, []).append(float(np.dot(frame.plane.position_lps, normal)))
    if any(max(found) - min(found) > POSITION_TOLERANCE_MM for found in places.values()):
        return False
    steps = np.diff([places[number][0] for number in sorted(places)])
    return bool((steps > POSITION_TOLERANCE_MM).all() or (steps < -POSITION_TOLERANCE_MM).all())


def _counts(series: Series) -> None:
    """Fewer slices than Philips' (2001,xx18), or than a count of images that no whole number of volumes explains."""
    slices = _slices(series.frames)
    if slices is None:
        return
    stated = _agreed(one.slices for one in series.stated)
    if stated is not None and slices < stated:
        raise SeriesRefusedError(CODE, f"(2001,xx18)={stated}", f"slices={slices}")
    counts = {"(0025,xx07)": _agreed(one.images_in_series for one in series.stated)}
    if series.acquisition.acquisition_type == "2D":  # of a slab, slices may be left out on purpose or interpolated
        counts["ImagesInAcquisition"] = _agreed(one.images_in_acquisition for one in series.stated)
    for keyword, count in counts.items():
        if count is not None and count > len(series.frames) and count % slices:
            raise SeriesRefusedError(CODE, f"{keyword}={count}", f"slices={slices}", f"frames={len(series.frames)}")


def _agreed(numbers: Iterable[int | None]) -> int | None:
    found = set(numbers)
    return found.pop() if len(found) == 1 else None


def _slices(frames: tuple[Frame, ...]) -> int | None:
    """Different places of frames of one orientation; None of several, which are refused elsewhere."""
    cosines = orientations(frames)
    if len(cosines) != 1:
        return None
    normal = np.cross(cosines[0][0], cosines[0][1])
    along = np.sort([float(np.dot(frame.plane.position_lps, normal)) for frame in frames])
    return 1 + int((np.diff(along) > POSITION_TOLERANCE_MM).sum())
