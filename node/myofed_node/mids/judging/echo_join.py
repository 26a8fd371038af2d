"""Single-echo series made one multi-echo series, where a site says that they belong together; never of its own accord."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from myofed_node.mids.dicom_input.frames import FileIndex, Series, differing
from myofed_node.mids.geometry import DIRECTION_TOLERANCE, POSITION_TOLERANCE_MM, echo_times
from myofed_node.mids.judging.completeness import refuse_incomplete
from myofed_node.mids.refusal import SeriesRefusedError


def join_echoes(members: Sequence[Series]) -> list[tuple[Series, tuple[str, ...]]]:
    """One series for each grid among the members, with the UIDs of those it was made of, in order of echo time.

    A grid (station, side) must have the echo times that every other has, because an echo that moved with the patient would
    otherwise be lost without a word. Parts of one echo may be series of their own. Completeness is proven afterwards, as of
    any series.

    Args:
        members: Of one session, matched by one rule.

    Raises:
        SeriesRefusedError: JOIN_REFUSED, SERIES_INCOMPLETE_BY_HEADER, for all members.
    """
    for member in members:
        refuse_incomplete(member)
    times = {member.uid: echo_times(member.frames) for member in members}
    if any(len(found) != 1 for found in times.values()):
        raise _refused("EchoTime=not exactly one in each series", members)
    grids: list[list[Series]] = []
    for member in members:
        grid = next((one for one in grids if _same_grid(one[0], member)), None)
        if grid is None:
            grids.append([member])
        else:
            grid.append(member)
    echoes = {tuple(sorted({times[member.uid][0] for member in grid})) for grid in grids}
    if len(echoes) > 1:
        raise _refused(f"grids={len(grids)}, with different echo times", members)
    if len(echoes.pop()) == 1:
        raise _refused("EchoTime=1 different", members)
    return [_one(sorted(grid, key=lambda member: (times[member.uid], member.number, member.uid))) for grid in grids]


def _refused(evidence: str, members: Sequence[Series]) -> SeriesRefusedError:
    return SeriesRefusedError("JOIN_REFUSED", f"series={len(members)}", evidence)


def _same_grid(first: Series, second: Series) -> bool:
    one, other = _planes(first), _planes(second)
    return one.shape == other.shape and bool(
        np.allclose(one[:, :3], other[:, :3], rtol=0, atol=POSITION_TOLERANCE_MM)
        and np.allclose(one[:, 3:9], other[:, 3:9], rtol=0, atol=DIRECTION_TOLERANCE)
        and np.array_equal(one[:, 9:], other[:, 9:])
    )


def _planes(series: Series) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(frames, 13): position, direction cosines, spacing and shape, along the first frame's normal."""
    planes = [frame.plane for frame in series.frames]
    rows = np.asarray([(*p.position_lps, *p.orientation_lps, *p.pixel_spacing_mm, *p.shape) for p in planes])
    normal = np.cross(rows[0, 3:6], rows[0, 6:9])
    return rows[np.argsort(rows[:, :3] @ normal, kind="stable")]


def _one(members: Sequence[Series]) -> tuple[Series, tuple[str, ...]]:
    offset = 0
    frames, told = [], []
    for member in members:
        frames += [replace(frame, file=FileIndex(frame.file + offset)) for frame in member.frames]
        told += [member.facts_of(number) for number in range(len(member.frames))]
        offset += 1 + max(frame.file for frame in member.frames)
    varying = {*differing([member.acquisition for member in members]), *(n for m in members for n in m.varying)}
    joined = replace(members[0], frames=tuple(frames), varying=tuple(sorted(varying)), stated=(), told=tuple(told))
    return joined, tuple(member.uid for member in members)
