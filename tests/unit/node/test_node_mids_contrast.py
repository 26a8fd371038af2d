"""Which contrast the headers prove."""

from __future__ import annotations

from dataclasses import replace

import pytest
from mids_factories import classic

from myofed_node.mids.dicom_input.frames import Acquisition
from myofed_node.mids.dicom_input.headers import read_series
from myofed_node.mids.judging.contrast import is_echo_planar, multi_echo_suffix, single_echo_suffix
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_schemas.mids import Suffix

GRE = read_series(classic()).acquisition
SPIN_ECHO = replace(GRE, scanning_sequence=("SE",), repetition_time_ms=600.0)
MPRAGE = replace(GRE, acquisition_type="3D", inversion_time_ms=900.0, repetition_time_ms=1800.0)
STIR = replace(GRE, scanning_sequence=("IR",), inversion_time_ms=220.0, repetition_time_ms=4000.0)
CPMG = tuple(8.0 * n for n in range(1, 18))


def refused(acquisition: Acquisition, echo_time_ms: float | None) -> str:
    with pytest.raises(SeriesRefusedError) as refusal:
        single_echo_suffix(acquisition, echo_time_ms)
    return refusal.value.code


@pytest.mark.parametrize(
    ("acquisition", "echo_time_ms"),
    [
        (GRE, 2.3),
        (replace(SPIN_ECHO, repetition_time_ms=1500.0), 11.0),
        (replace(SPIN_ECHO, repetition_time_ms=None), 11.0),
        (SPIN_ECHO, None),
        (replace(STIR, inversion_time_ms=1650.0), 386.0),
        (replace(MPRAGE, acquisition_type="2D"), 2.4),
    ],
)
def test_contrast_that_headers_do_not_prove_is_not_guessed(
    acquisition: Acquisition, echo_time_ms: float | None
) -> None:
    """A spoiled single-echo GRE, a PD-like spin echo, a FLAIR: each waits for a person."""
    assert refused(acquisition, echo_time_ms) == "CONTRAST_UNPROVEN"


def test_contrast_the_profile_has_no_suffix_for_is_refused() -> None:
    """The standard's own word is believed, also when it says something else."""
    assert refused(replace(GRE, acquisition_contrast="PROTON_DENSITY"), 2.3) == "CONTRAST_NOT_IN_PROFILE"
    assert refused(replace(SPIN_ECHO, spectral_selection="FAT"), 11.0) == "CONTRAST_NOT_IN_PROFILE"
    assert refused(replace(SPIN_ECHO, spectral_suppression="WATER"), 11.0) == "CONTRAST_NOT_IN_PROFILE"
    assert refused(replace(SPIN_ECHO, spectral_suppression="FAT_AND_WATER"), 11.0) == "CONTRAST_NOT_IN_PROFILE"


def test_inversion_decides_what_the_header_calls_t2() -> None:
    """STIR and FLAIR are T2 to a scanner; one has fat suppressed, the other no suffix."""
    told = replace(STIR, scanning_sequence=("SE", "IR"), acquisition_contrast="T2")
    assert single_echo_suffix(told, 60.0) is Suffix.T2W_FS
    assert refused(replace(told, inversion_time_ms=2500.0, repetition_time_ms=9000.0), 100.0) == "CONTRAST_UNPROVEN"
    assert single_echo_suffix(replace(told, acquisition_contrast="T1"), 11.0) is Suffix.T1W


@pytest.mark.parametrize(
    ("acquisition", "echo_time_ms", "suffix"),
    [
        (SPIN_ECHO, 11.0, Suffix.T1W),
        (replace(SPIN_ECHO, scan_options=("FS",)), 11.0, Suffix.T1W_FS),
        (replace(SPIN_ECHO, scan_options=("PFP", "WE")), 11.0, Suffix.T1W_FS),
        (replace(SPIN_ECHO, spectral_suppression="FAT"), 11.0, Suffix.T1W_FS),
        (replace(SPIN_ECHO, spectral_suppression="NONE"), 11.0, Suffix.T1W),
        (replace(SPIN_ECHO, repetition_time_ms=4000.0), 80.0, Suffix.T2W),
        (replace(GRE, acquisition_contrast="T1", spectral_selection="WATER"), 3.1, Suffix.T1W_FS),
        (replace(GRE, acquisition_contrast="T2"), 80.0, Suffix.T2W),
        (replace(GRE, acquisition_contrast="STIR"), 30.0, Suffix.T2W_FS),
        (MPRAGE, 2.4, Suffix.T1W),
        (STIR, 40.0, Suffix.T2W_FS),
    ],
)
def test_contrast_follows_from_timing_or_the_standards_word(
    acquisition: Acquisition, echo_time_ms: float, suffix: Suffix
) -> None:
    """Short TR and TE are T1, long ones T2, inversion at the null of fat is STIR, an MPRAGE is T1."""
    assert single_echo_suffix(acquisition, echo_time_ms) is suffix


@pytest.mark.parametrize(
    ("acquisition", "echoes", "code"),
    [
        (SPIN_ECHO, (11.0, 92.0), "DUAL_ECHO_SPIN_ECHO"),
        (SPIN_ECHO, (10.0, 20.0, 30.0), "FEW_SPIN_ECHOES"),
        (SPIN_ECHO, (10.0, 20.0, 30.0, 40.0, 80.0), "ECHO_SPACING_UNEVEN"),
        (replace(GRE, scanning_sequence=("RM",)), (2.3, 4.6), "PULSE_SEQUENCE_UNKNOWN"),
    ],
)
def test_several_echoes_alone_make_no_map_series(
    acquisition: Acquisition, echoes: tuple[float, ...], code: str
) -> None:
    """A dual-echo PD/T2 turbo spin echo is not a MESE; a train has even spacing."""
    with pytest.raises(SeriesRefusedError) as refusal:
        multi_echo_suffix(acquisition, echoes)
    assert refusal.value.code == code


def test_gradient_echoes_are_megre_and_an_even_train_of_spin_echoes_is_mese() -> None:
    """Two gradient echoes suffice; spin echoes must be a CPMG train."""
    assert multi_echo_suffix(GRE, (5.19, 7.65)) is Suffix.MEGRE
    assert multi_echo_suffix(SPIN_ECHO, CPMG) is Suffix.MESE


def test_echo_planar_is_seen_in_classic_and_enhanced_headers() -> None:
    """EP in ScanningSequence or EchoPlanarPulseSequence YES."""
    assert is_echo_planar(replace(GRE, scanning_sequence=("EP", "GR")))
    assert is_echo_planar(replace(GRE, echo_planar="YES"))
    assert not is_echo_planar(GRE)
