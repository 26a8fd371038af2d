"""What a site's file may not say of a series: what its headers prove to be otherwise."""

from __future__ import annotations

from collections.abc import Sequence

from myofed_node.mids.dicom_input.frames import Acquisition
from myofed_node.mids.judging import contrast
from myofed_node.mids.judging.overrides import CONTRADICTION, SeriesOverride
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_schemas.mids import Part, Suffix

WEIGHTED = frozenset({Suffix.T1W, Suffix.T1W_FS, Suffix.T2W, Suffix.T2W_FS})
STEADY_STATE = frozenset({Suffix.DESS, Suffix.DESS_FID, Suffix.DESS_ECHO})
SUPPRESSED = {Suffix.T1W: Suffix.T1W_FS, Suffix.T2W: Suffix.T2W_FS}
FEWEST_MESE_ECHOES = 3
"""With two spin echoes a series stays a PD/T2 turbo spin echo, whatever a file says."""


def refuse_suffix(suffix: Suffix, acquisition: Acquisition, echo_times_ms: Sequence[float], part: Part) -> None:
    """The headers do not prove that this suffix, which the site's file gives, is wrong.

    Raises:
        SeriesRefusedError: OVERRIDE_CONTRADICTS_HEADERS.
    """
    if suffix is Suffix.MEGRE:
        wrong = len(echo_times_ms) < 2 or contrast.is_spin_echo(acquisition) or contrast.is_dess(acquisition)
    elif suffix is Suffix.MESE:
        wrong = len(echo_times_ms) < FEWEST_MESE_ECHOES or contrast.is_gradient_echo(acquisition)
        wrong = wrong or not contrast.is_even_train(echo_times_ms) or part is not Part.MAG
    else:
        wrong = len(echo_times_ms) > 1 or part is not Part.MAG
        wrong = wrong or _contrast_is_another(suffix, acquisition, echo_times_ms)
    if wrong:
        raise SeriesRefusedError(
            CONTRADICTION, f"suffix={suffix}", f"EchoTime={len(echo_times_ms)} different", f"component={part}"
        )


def _contrast_is_another(suffix: Suffix, acquisition: Acquisition, echo_times_ms: Sequence[float]) -> bool:
    if suffix not in WEIGHTED | STEADY_STATE:
        return False
    if suffix in STEADY_STATE and contrast.is_spin_echo(acquisition):
        return True
    try:
        proven = contrast.single_echo_suffix(acquisition, next(iter(echo_times_ms), None))
    except SeriesRefusedError as refusal:
        return refusal.code != "CONTRAST_UNPROVEN"
    if proven in STEADY_STATE:
        return suffix not in STEADY_STATE
    return suffix not in {proven, SUPPRESSED.get(proven)}


def refuse_keys(override: SeriesOverride, suffixes: set[Suffix], parts: set[Part]) -> None:
    """Every key of the file has something in the series that it can be said of.

    Raises:
        SeriesRefusedError: OVERRIDE_CONTRADICTS_HEADERS.
    """
    of_megre = {
        "readout_mode": override.readout_mode,
        "precession_direction": override.precession_direction,
        "phase_range": override.phase_range,
    }
    for key, value in of_megre.items():
        if value is not None and suffixes != {Suffix.MEGRE}:
            raise SeriesRefusedError(CONTRADICTION, f"suffix={','.join(sorted(suffixes))}", f"override={key}")
    if override.phase_range is not None and Part.PHASE not in parts:
        raise SeriesRefusedError(CONTRADICTION, "component=no phase", "override=phase_range")
