"""Each quantity of a profile, as it follows from an acquisition; what cannot be known is `Unknown`, never a guess."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise

from myofed_node.protocol.acquisition import Acquisition, Number, Numbers, Unknown
from myofed_node.protocol.t1_bias import Tissue, t1_bias_points
from myofed_schemas.mids import Part, Suffix
from myofed_schemas.protocol import T1BiasLimit
from myofed_schemas.protocol_quantities import Quantity

MEGAHERTZ_PER_TESLA = 42.577478
"""Proton (CODATA)."""
WATER_FAT_PPM = 3.4
"""Distance of the main peak of fat from water (Hamilton 2011 has -3.40 as the largest of six)."""
FREQUENCY_TOLERANCE = 0.05
"""Nominal 3 T scanners run at 2.89 T; more than this is another field or unit."""

Observation = float | str | Unknown
Measure = Callable[[Acquisition], Observation]


def field_strength(acquisition: Acquisition) -> Number:
    """T."""
    return acquisition.number("MagneticFieldStrength")


def imaging_frequency(acquisition: Acquisition) -> Number:
    """MHz: ImagingFrequency, or that of the nominal field where it is absent; the two must agree."""
    tesla, said = field_strength(acquisition), acquisition.number("ImagingFrequency")
    if isinstance(tesla, Unknown):
        return tesla if isinstance(said, Unknown) else said
    nominal = tesla * MEGAHERTZ_PER_TESLA
    if isinstance(said, Unknown):
        return nominal
    fits = abs(said - nominal) <= FREQUENCY_TOLERANCE * nominal
    return said if fits else Unknown("ImagingFrequency does not fit MagneticFieldStrength")


def t1_bias(acquisition: Acquisition, limit: T1BiasLimit) -> Number:
    """Percentage points, from FlipAngle, RepetitionTime and the limit's T1 at the field."""
    flip, repetition, tesla = (
        acquisition.number(key) for key in ("FlipAngle", "RepetitionTime", "MagneticFieldStrength")
    )
    for value in (flip, repetition, tesla):
        if isinstance(value, Unknown):
            return value
    assert isinstance(flip, float)
    assert isinstance(repetition, float)
    assert isinstance(tesla, float)
    if not (0 < flip < 180 and repetition > 0):
        return Unknown("FlipAngle or RepetitionTime is impossible")
    times = limit.t1_at(tesla)
    if times is None:
        return Unknown("the profile has no T1 at this field strength")
    tissue = Tissue(times.water_ms, times.fat_ms, limit.true_fat_fraction_percent)
    return t1_bias_points(tissue, flip_angle_degrees=flip, repetition_time_ms=repetition)


def _key(key: str, acquisition: Acquisition) -> Number:
    return acquisition.number(key)


def _of_echoes(measure: Callable[[tuple[float, ...]], float], least: int, acquisition: Acquisition) -> Number:
    """A number that follows from at least so many echo times."""
    times = acquisition.echo_times_ms
    if isinstance(times, Unknown):
        return times
    return measure(times) if len(times) >= least else Unknown(f"EchoTime has fewer than {least} values")


def _spacing(times: tuple[float, ...]) -> float:
    return (times[-1] - times[0]) / (len(times) - 1)


def _unevenness(times: tuple[float, ...]) -> float:
    return max(abs(later - earlier - _spacing(times)) for earlier, later in pairwise(times))


def _cycles(acquisition: Acquisition, times_ms: Numbers) -> Numbers:
    """Turns of fat against water at these times."""
    frequency = imaging_frequency(acquisition)
    if isinstance(times_ms, Unknown):
        return times_ms
    if isinstance(frequency, Unknown):
        return frequency
    return tuple(time * 1e-3 * WATER_FAT_PPM * frequency for time in times_ms)


def _water_fat_step(acquisition: Acquisition) -> Number:
    """Turn of fat against water between neighbouring echoes, degrees, 0..360."""
    spacing = _of_echoes(_spacing, 2, acquisition)
    turns = _cycles(acquisition, spacing if isinstance(spacing, Unknown) else (spacing,))
    return turns if isinstance(turns, Unknown) else 360 * (turns[0] % 1)


def _off_phase(at: float, of: Suffix | None, acquisition: Acquisition) -> Number:
    """Largest distance from `at` (0 in phase, 0.5 opposed) modulo a whole cycle, percent of a cycle."""
    seen = acquisition.only(of) if of else acquisition
    if of and not seen.images:
        return Unknown(f"there is no {of} image")
    turns = _cycles(acquisition, seen.echo_times_ms)
    if isinstance(turns, Unknown):
        return turns
    return max(100 * abs((turn - at + 0.5) % 1 - 0.5) for turn in turns)


def _half_cycle_error(acquisition: Acquisition) -> Number:
    """Largest distance of an echo from the nearest half cycle, percent of a cycle."""
    turns = _cycles(acquisition, acquisition.echo_times_ms)
    if isinstance(turns, Unknown):
        return turns
    return max(100 * abs((turn + 0.25) % 0.5 - 0.25) for turn in turns)


def _scanning_sequence(acquisition: Acquisition) -> str | Unknown:
    said = acquisition.words("ScanningSequence")
    if isinstance(said, Unknown):
        return said
    codes = set(said.replace("/", " ").replace("\\", " ").split())
    if "GR" in codes or "GRADIENT" in codes:
        return "gradient echo"
    return "spin echo" if codes & {"SE", "SPIN"} else "other"


def _acquisition_type(acquisition: Acquisition) -> str | Unknown:
    said = acquisition.words("MRAcquisitionType")
    return (
        said if isinstance(said, Unknown) or said in {"2D", "3D"} else Unknown("MRAcquisitionType is neither 2D nor 3D")
    )


def _components(acquisition: Acquisition) -> str:
    parts = {image.part for image in acquisition.images}
    if {Part.MAG, Part.PHASE} <= parts:
        return "magnitude and phase"
    if {Part.REAL, Part.IMAG} <= parts:
        return "real and imaginary"
    return "magnitude only" if Part.MAG in parts else "incomplete"


def _products(acquisition: Acquisition) -> str:
    if {Suffix.WAT, Suffix.FAT} <= set(acquisition.suffixes):
        return "water and fat"
    return "fat fraction only" if Suffix.FF in acquisition.suffixes else "incomplete"


MEASURES: Mapping[Quantity, Measure] = {
    Quantity.FIELD_STRENGTH: field_strength,
    Quantity.SCANNING_SEQUENCE: _scanning_sequence,
    Quantity.ACQUISITION_TYPE: _acquisition_type,
    Quantity.ECHO_COUNT: lambda acquisition: acquisition.echo_count,
    Quantity.ECHO_TIME: partial(_key, "EchoTime"),
    Quantity.FIRST_ECHO_TIME: partial(_of_echoes, min, 1),
    Quantity.LAST_ECHO_TIME: partial(_of_echoes, max, 1),
    Quantity.ECHO_SPACING: partial(_of_echoes, _spacing, 2),
    Quantity.ECHO_UNEVENNESS: partial(_of_echoes, _unevenness, 2),
    Quantity.WATER_FAT_STEP: _water_fat_step,
    Quantity.HALF_CYCLE_ERROR: _half_cycle_error,
    Quantity.IN_PHASE_ERROR: partial(_off_phase, 0.0, Suffix.INPH),
    Quantity.OPPOSED_PHASE_ERROR: partial(_off_phase, 0.5, Suffix.OUTPH),
    Quantity.REPETITION_TIME: partial(_key, "RepetitionTime"),
    Quantity.INVERSION_TIME: partial(_key, "InversionTime"),
    Quantity.FLIP_ANGLE: partial(_key, "FlipAngle"),
    Quantity.REFOCUSING_FLIP_ANGLE: partial(_key, "RefocusingFlipAngle"),
    Quantity.IN_PLANE_RESOLUTION: lambda acquisition: acquisition.measured("the affine", lambda g: g.in_plane_mm),
    Quantity.SLICE_THICKNESS: partial(_key, "SliceThickness"),
    Quantity.SLICE_SPACING: lambda acquisition: acquisition.measured("slice spacing", lambda g: g.slice_spacing_mm),
    Quantity.COMPONENTS: _components,
    Quantity.PRODUCTS: _products,
}
"""All but the T1 bias, which needs the limit's own T1."""
