"""Which contrast the headers prove; what they do not prove is not guessed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from myofed_node.mids.dicom_input.frames import Acquisition, Vendor
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_schemas.mids import Suffix

MIN_MESE_ECHOES = 5
"""Muscle water-T2 protocols have 12 to 17 echoes; two to four spin echoes are PD/T2 turbo spin echo at most scanners."""
MESE_SPACING_TOLERANCE = 0.05
"""A CPMG train has echoes at n times the first; vendors round to 0.1 ms."""
TURBO = "YES"
"""MultipleSpinEcho: different lines of k-space are collected for a single frame (PS3.3 C.8.13.4), which a CPMG train does not."""
T1_SPIN_ECHO_MAX_TR_MS = 900.0
T1_SPIN_ECHO_MAX_TE_MS = 30.0
T2_SPIN_ECHO_MIN_TR_MS = 2000.0
T2_SPIN_ECHO_MIN_TE_MS = 60.0
"""Short TR and TE make T1, long TR and TE T2 contrast (Bernstein, King, Zhou 2004, ch. 14); muscle T1w TSE has TR 500..800 ms."""
MPRAGE_TI_MS = (350.0, 1300.0)
MPRAGE_MAX_TE_MS = 10.0
"""Inversion-prepared 3D gradient echo (Mugler 1990): T1 contrast at these inversion times (GE writes 400..450, others 900)."""
STIR_TI_MS = (80.0, 300.0)
"""Nulls fat from 0.35 T to 7 T."""
DESS = "de3d"
DESS_NAME = re.compile(rf"\*?{DESS}")
"""How Siemens names its double-echo steady state sequence, after fl (FLASH), fi (FISP) and tse; it survives de-identification."""
FAT_SUPPRESSION_WORDS = frozenset({"FS", "FATSAT", "FAT_SAT", "WE"})
"""Of ScanOptions. FS, fat saturation, is the standard's (PS3.3 C.8.3.1.1.3); WE is how Siemens writes water excitation: binomial pulses
that leave fat where it was, so that it gives no signal, as after SpectrallySelectedExcitation WATER in an Enhanced object."""
FAT_SUPPRESSION_SELECTIONS = frozenset({"FAT", "WATER"})
"""SpectrallySelectedExcitation: WATER excites water only; FAT is not a suppression and is refused."""


def is_gradient_echo(acquisition: Acquisition) -> bool:
    """Whether the header says gradient echo and not spin echo."""
    return acquisition.echo_pulse_sequence == "GRADIENT" or (
        "GR" in acquisition.scanning_sequence and "SE" not in acquisition.scanning_sequence
    )


def is_spin_echo(acquisition: Acquisition) -> bool:
    """Whether the header says spin echo and not gradient echo."""
    return acquisition.echo_pulse_sequence == "SPIN" or (
        "SE" in acquisition.scanning_sequence and "GR" not in acquisition.scanning_sequence
    )


def is_echo_planar(acquisition: Acquisition) -> bool:
    """Whether the header says echo-planar."""
    return acquisition.echo_planar == "YES" or "EP" in acquisition.scanning_sequence


def is_dess(acquisition: Acquisition) -> bool:
    """Whether the header proves a double-echo steady state; other vendors' names of it are not known."""
    named = acquisition.vendor is Vendor.SIEMENS and DESS_NAME.match(acquisition.sequence_name.lower())
    return bool(named) and is_gradient_echo(acquisition)


def multi_echo_suffix(acquisition: Acquisition, echo_times_ms: Sequence[float]) -> Suffix:
    """MEGRE or MESE for two or more echo times.

    Raises:
        SeriesRefusedError: DESS_ECHOES_TOGETHER, DUAL_ECHO_SPIN_ECHO, FEW_SPIN_ECHOES, ECHO_SPACING_UNEVEN, TURBO_SPIN_ECHO,
            PULSE_SEQUENCE_UNKNOWN.
    """
    told = "EchoTime=" + ",".join(f"{time:g}" for time in echo_times_ms)
    if is_dess(acquisition):
        raise SeriesRefusedError("DESS_ECHOES_TOGETHER", told, f"SequenceName={DESS}")
    if is_gradient_echo(acquisition):
        return Suffix.MEGRE
    if not is_spin_echo(acquisition):
        raise SeriesRefusedError("PULSE_SEQUENCE_UNKNOWN", told, "ScanningSequence=neither GR nor SE")
    if len(echo_times_ms) == 2:
        raise SeriesRefusedError("DUAL_ECHO_SPIN_ECHO", told, "ScanningSequence=SE")
    if len(echo_times_ms) < MIN_MESE_ECHOES:
        raise SeriesRefusedError("FEW_SPIN_ECHOES", told, "ScanningSequence=SE")
    if not is_even_train(echo_times_ms):
        raise SeriesRefusedError("ECHO_SPACING_UNEVEN", told, "ScanningSequence=SE")
    if (acquisition.echo_train_length or 0) > len(echo_times_ms) or acquisition.multiple_spin_echo == TURBO:
        raise SeriesRefusedError("TURBO_SPIN_ECHO", told, f"EchoTrainLength={acquisition.echo_train_length}")
    return Suffix.MESE


def is_even_train(echo_times_ms: Sequence[float]) -> bool:
    """Whether every echo is at its number times the first, as after equal refocusing pulses (CPMG)."""
    first = echo_times_ms[0]
    return first > 0 and all(
        abs(time / (first * n) - 1) <= MESE_SPACING_TOLERANCE for n, time in enumerate(echo_times_ms, start=1)
    )


def single_echo_suffix(acquisition: Acquisition, echo_time_ms: float | None) -> Suffix:
    """T1w, T2w or their fat-suppressed form, or DESS, for a magnitude image of one echo.

    Raises:
        SeriesRefusedError: CONTRAST_UNPROVEN, CONTRAST_NOT_IN_PROFILE.
    """
    if is_dess(acquisition):
        return Suffix.DESS
    suffix = _told_contrast(acquisition) or _spin_echo_contrast(acquisition, echo_time_ms)
    if suffix is None or (suffix is Suffix.T2W and _is_inverted(acquisition)):  # STIR and FLAIR are told as T2, too
        suffix = _inversion_contrast(acquisition, echo_time_ms)
    if suffix is None:
        raise SeriesRefusedError("CONTRAST_UNPROVEN", *timing_evidence(acquisition, echo_time_ms))
    if acquisition.spectral_selection == "FAT":
        raise SeriesRefusedError("CONTRAST_NOT_IN_PROFILE", "SpectrallySelectedExcitation=FAT")
    if acquisition.spectral_suppression not in {"", "NONE", "UNKNOWN", "FAT"}:
        raise SeriesRefusedError(
            "CONTRAST_NOT_IN_PROFILE", f"SpectrallySelectedSuppression={acquisition.spectral_suppression}"
        )
    suppressed = (
        acquisition.spectral_selection == "WATER"
        or acquisition.spectral_suppression == "FAT"
        or bool(FAT_SUPPRESSION_WORDS & set(acquisition.scan_options))
    )
    return {Suffix.T1W: Suffix.T1W_FS, Suffix.T2W: Suffix.T2W_FS}.get(suffix, suffix) if suppressed else suffix


def timing_evidence(acquisition: Acquisition, echo_time_ms: float | None) -> tuple[str, ...]:
    """Keywords and numbers a contrast is judged by; what the header does not tell is left out."""
    numbers = {
        "EchoTime": echo_time_ms,
        "RepetitionTime": acquisition.repetition_time_ms,
        "InversionTime": acquisition.inversion_time_ms,
        "FlipAngle": acquisition.flip_angle_degrees,
    }
    words = {
        "ScanningSequence": "/".join(acquisition.scanning_sequence),
        "EchoPulseSequence": acquisition.echo_pulse_sequence,
        "AcquisitionContrast": acquisition.acquisition_contrast,
        "MRAcquisitionType": acquisition.acquisition_type,
    }
    told = [f"{keyword}={value:g}" for keyword, value in numbers.items() if value is not None]
    return (*told, *(f"{keyword}={value}" for keyword, value in words.items() if value))


def _told_contrast(acquisition: Acquisition) -> Suffix | None:
    contrast = acquisition.acquisition_contrast
    if contrast in {"T1", "T2"}:
        return Suffix.T1W if contrast == "T1" else Suffix.T2W
    if contrast == "STIR":
        return Suffix.T2W_FS
    if contrast not in {"", "UNKNOWN", "MIXED"}:
        raise SeriesRefusedError("CONTRAST_NOT_IN_PROFILE", f"AcquisitionContrast={contrast}")
    return None


def _is_inverted(acquisition: Acquisition) -> bool:
    return "IR" in acquisition.scanning_sequence or acquisition.inversion_recovery == "YES"


def _spin_echo_contrast(acquisition: Acquisition, echo_time_ms: float | None) -> Suffix | None:
    repetition = acquisition.repetition_time_ms
    if not is_spin_echo(acquisition) or _is_inverted(acquisition) or repetition is None or echo_time_ms is None:
        return None
    if repetition <= T1_SPIN_ECHO_MAX_TR_MS and echo_time_ms <= T1_SPIN_ECHO_MAX_TE_MS:
        return Suffix.T1W
    if repetition >= T2_SPIN_ECHO_MIN_TR_MS and echo_time_ms >= T2_SPIN_ECHO_MIN_TE_MS:
        return Suffix.T2W
    return None


def _inversion_contrast(acquisition: Acquisition, echo_time_ms: float | None) -> Suffix | None:
    inversion, repetition = acquisition.inversion_time_ms, acquisition.repetition_time_ms
    if inversion is None or echo_time_ms is None or repetition is None:
        return None
    three_d = acquisition.acquisition_type == "3D" and is_gradient_echo(acquisition)
    if three_d and MPRAGE_TI_MS[0] <= inversion <= MPRAGE_TI_MS[1] and echo_time_ms <= MPRAGE_MAX_TE_MS:
        return Suffix.T1W
    stir = STIR_TI_MS[0] <= inversion <= STIR_TI_MS[1] and repetition >= T2_SPIN_ECHO_MIN_TR_MS
    return Suffix.T2W_FS if stir and _is_inverted(acquisition) and not is_gradient_echo(acquisition) else None
