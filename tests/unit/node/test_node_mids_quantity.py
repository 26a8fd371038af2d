"""The unit of a map."""

from __future__ import annotations

from dataclasses import replace

import pytest
from mids_factories import Kind, classic

from myofed_node.mids.dicom_input.frames import Frame, RealWorldValue
from myofed_node.mids.dicom_input.headers import read_series
from myofed_node.mids.judging.overrides import SeriesOverride
from myofed_node.mids.judging.quantity import Quantity, quantity_of
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_schemas.mids import Suffix, Unit

FRAME = read_series(classic(Kind(slices=1, echo_times_ms=(4.6,)))).frames[0]


def frame(rescale_type: str = "", world: str | None = None) -> Frame:
    real_world = None if world is None else RealWorldValue(0.1, -20.0, world)
    return replace(FRAME, mapping=replace(FRAME.mapping, rescale_type=rescale_type, real_world=real_world))


def said(unit: Unit, scale: float = 1.0) -> SeriesOverride:
    return SeriesOverride("0" * 64, unit=unit, scale=scale)  # type: ignore[arg-type]


def refused(frames: list[Frame], suffix: Suffix, override: SeriesOverride | None = None) -> str:
    with pytest.raises(SeriesRefusedError) as refusal:
        quantity_of(frames, suffix, override)
    return refusal.value.code


@pytest.mark.parametrize(
    ("frames", "suffix"),
    [
        ([frame()], Suffix.T2),
        ([frame("US")], Suffix.T2),
        ([frame("S")], Suffix.R2STAR),
        ([frame("HZ")], Suffix.T2),
        ([frame("MS"), frame()], Suffix.T2),
        ([frame("MS", "Hz")], Suffix.T2),
        ([frame("", "1")], Suffix.B1),
        ([frame("1/S")], Suffix.B0),
    ],
)
def test_unit_that_no_header_proves_is_not_guessed(frames: list[Frame], suffix: Suffix) -> None:
    """Silent, another unit, in some frames only, two units, a ratio, an angular frequency: each waits for a person."""
    assert refused(frames, suffix) == "MAP_UNIT_UNKNOWN"


def test_fat_fraction_has_its_own_code() -> None:
    """What to do about it is another: compute it from water and fat."""
    assert refused([frame("US")], Suffix.FF) == "FAT_FRACTION_UNIT_UNKNOWN"


@pytest.mark.parametrize(
    ("found", "suffix", "quantity"),
    [
        (frame("MS"), Suffix.T2, Quantity("rescale")),
        (frame("HZ"), Suffix.B0, Quantity("rescale")),
        (frame("HZ"), Suffix.R2STAR, Quantity("rescale")),
        (frame("%"), Suffix.B1, Quantity("rescale")),
        (frame("MS", "ms"), Suffix.T1, Quantity("rescale")),
        (frame("US", "ms"), Suffix.T2STAR, Quantity("real-world")),
        (frame("US", "s"), Suffix.T1, Quantity("real-world", 1000.0)),
        (frame("", "kHz"), Suffix.B0, Quantity("real-world", 1000.0)),
        (frame("", "1/ms"), Suffix.R2STAR, Quantity("real-world", 1000.0)),
        (frame("MS"), Suffix.T1W, None),
    ],
)
def test_header_proves_the_unit(found: Frame, suffix: Suffix, quantity: Quantity | None) -> None:
    """By RescaleType or by one RealWorldValueMapping; other scales of the unit are converted, an image has none."""
    assert quantity_of([found, found], suffix, None) == quantity


@pytest.mark.parametrize(
    ("found", "suffix", "override"),
    [
        (frame(), Suffix.T1W, said("ms")),
        (frame(), Suffix.T2, said("Hz")),
        (frame("MS"), Suffix.T2, said("ms", 0.1)),
        (frame("US", "s"), Suffix.T2, said("ms")),
    ],
)
def test_site_cannot_give_a_unit_that_contradicts(found: Frame, suffix: Suffix, override: SeriesOverride) -> None:
    """A unit of an image, of another map, or another scale than the header proves."""
    assert refused([found], suffix, override) == "OVERRIDE_CONTRADICTS_HEADERS"


def test_site_says_the_unit_where_no_header_does() -> None:
    """Siemens writes tenths of a millisecond and says nothing of it."""
    assert quantity_of([frame("US")], Suffix.T2, said("ms", 0.1)) == Quantity("rescale", 0.1)
    assert quantity_of([frame("MS")], Suffix.T2, said("ms")) == Quantity("rescale")
