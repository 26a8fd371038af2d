"""What a series is, from its headers alone."""

from __future__ import annotations

import random
from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mids_factories import Kind, classic, enhanced
from pydicom import Dataset

from myofed_node.mids.dicom_input.headers import read_series
from myofed_node.mids.judging.classify import PlannedImage, classify
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_schemas.mids import Part, Suffix

PHASE = ("ORIGINAL", "PRIMARY", "P", "ND")


def planned(*files: Dataset) -> tuple[PlannedImage, ...]:
    return classify(read_series(files))


def refused(*files: Dataset) -> tuple[str, str]:
    with pytest.raises(SeriesRefusedError) as refusal:
        planned(*files)
    return refusal.value.code, refusal.value.outcome


def test_single_phase_echo_is_a_difference_map_and_quarantined() -> None:
    """One phase without a second echo is what a field-map sequence leaves: no MEGRE."""
    assert refused(*classic(Kind(image_type=PHASE, echo_times_ms=(7.65,)))) == ("PHASE_DIFFERENCE", "quarantined")


def test_single_real_image_is_quarantined() -> None:
    """A complex component of one echo has no place in the profile."""
    kind = Kind(image_type=("ORIGINAL", "PRIMARY", "R", "ND"), echo_times_ms=(2.3,))
    assert refused(*classic(kind))[0] == "SINGLE_ECHO_COMPLEX"


def test_single_echo_gradient_echo_is_no_megre() -> None:
    """One echo is one contrast, and this one proves none."""
    assert refused(*classic(Kind(echo_times_ms=(2.3,)))) == ("CONTRAST_UNPROVEN", "quarantined")


def test_repeats_of_one_echo_time_are_quarantined() -> None:
    """Positions times repeats with one EchoTime may be echoes, dynamics or averages."""
    assert refused(*classic(Kind(echo_times_ms=(3.2, 3.2)))) == ("REPEATED_POSITIONS", "quarantined")


def test_changing_flip_angle_is_quarantined() -> None:
    """A variable-flip-angle series is not one image."""
    files = classic()
    files[0].FlipAngle = "30"
    assert refused(*files)[0] == "PARAMETERS_VARY"


def test_series_without_frames_is_quarantined() -> None:
    """An empty object is no image."""
    with pytest.raises(SeriesRefusedError) as refusal:
        classify(replace(read_series(classic()), frames=()))
    assert refusal.value.code == "NO_FRAMES"


def test_sequence_that_differs_between_files_decides_nothing() -> None:
    """Half spin echo, half gradient echo is not one image; a Dixon product is one by its own words."""
    files = classic(Kind(echo_times_ms=(2.3,)))
    files[0].ScanningSequence = "SE"
    assert refused(*files)[0] == "PARAMETERS_VARY"
    products = classic(Kind(image_type=("DERIVED", "PRIMARY", "DIXON", "WATER"), echo_times_ms=(2.3,)))
    products[0].SequenceName = "other"
    assert [image.suffix for image in planned(*products)] == [Suffix.WAT]


def test_oblique_stacks_in_one_series_are_no_localizer() -> None:
    """Two stacks that are not at right angles are two images, which a person separates."""
    files = classic(Kind(echo_times_ms=(2.3,), extra={"AcquisitionContrast": "T1"}))
    files[0].ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    assert refused(*files) == ("SEVERAL_ORIENTATIONS", "quarantined")


def test_unknown_component_is_quarantined() -> None:
    """No word for the component, no image."""
    assert refused(*classic(Kind(image_type=("ORIGINAL", "PRIMARY"))))[0] == "COMPONENT_UNKNOWN"


def test_echo_planar_is_skipped() -> None:
    """Nothing in muscle ORMIR-MIDS is echo-planar."""
    assert refused(*classic(Kind(extra={"ScanningSequence": ["EP", "GR"]}))) == ("ECHO_PLANAR", "skipped")


def test_planes_at_right_angles_are_a_localizer() -> None:
    """Three orthogonal planes are a scout even where ImageType does not say so."""
    files = classic(Kind(echo_times_ms=(2.3,)))
    planes = ([1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1], [1, 0, 0, 0, 0, -1])
    for dataset, plane in zip(files, planes, strict=True):
        dataset.ImageOrientationPatient = plane
    assert refused(*files) == ("LOCALIZER", "skipped")


def test_fat_fraction_without_a_unit_is_quarantined() -> None:
    """Vendors store per cent, per mille or counts: the header must say."""
    kind = Kind(image_type=("DERIVED", "PRIMARY", "FAT_FRACTION"), echo_times_ms=(2.3,))
    assert refused(*classic(kind))[0] == "FAT_FRACTION_UNIT_UNKNOWN"


def test_fat_fraction_in_percent_is_converted() -> None:
    """RescaleType says per cent."""
    kind = Kind(
        image_type=("DERIVED", "PRIMARY", "FAT_FRACTION"), echo_times_ms=(2.3,), extra={"RescaleType": "PERCENT"}
    )
    assert [image.suffix for image in planned(*classic(kind))] == [Suffix.FF]


def test_dixon_of_a_spin_echo_is_quarantined() -> None:
    """Its in-phase image has T2 contrast, and training would take it for a gradient echo's."""
    kind = Kind(
        image_type=("DERIVED", "PRIMARY", "M", "WATER"), echo_times_ms=(80.0,), extra={"ScanningSequence": "SE"}
    )
    assert refused(*classic(kind))[0] == "DIXON_SPIN_ECHO"


def test_echo_time_of_zero_tells_none() -> None:
    """What computed images write is no time of an echo."""
    kind = Kind(image_type=("DERIVED", "PRIMARY", "M", "WATER"), echo_times_ms=(0.0,))
    (image,) = planned(*classic(kind))
    assert image.stack.echo_times_ms == ()


def test_fat_saturation_of_an_enhanced_object_is_read() -> None:
    """SpectrallySelectedSuppression (0018,9025) stands in MRModifierSequence."""
    dataset = enhanced(Kind(echo_times_ms=(11.0,), extra={"EchoPulseSequence": "SPIN"}))
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.MRTimingAndRelatedParametersSequence[0].RepetitionTime = "600"
    modifier = Dataset()
    modifier.SpectrallySelectedSuppression = "FAT"
    shared.MRModifierSequence = [modifier]
    (image,) = planned(dataset)
    assert image.suffix is Suffix.T1W_FS


def test_phase_of_a_dixon_product_is_quarantined() -> None:
    """Water and fat images are magnitudes."""
    kind = Kind(image_type=("DERIVED", "PRIMARY", "P", "WATER"), echo_times_ms=(2.3,))
    assert refused(*classic(kind))[0] == "DIXON_PRODUCT_NOT_MAGNITUDE"


def test_dixon_product_with_two_echo_times_is_quarantined() -> None:
    """One product has one echo time."""
    kind = Kind(image_type=("DERIVED", "PRIMARY", "DIXON", "WATER"))
    assert refused(*classic(kind))[0] == "DIXON_PRODUCT_AMBIGUOUS"


def test_phase_of_a_spin_echo_train_is_quarantined() -> None:
    """The profile has no part of MESE."""
    kind = Kind(image_type=PHASE, echo_times_ms=tuple(8.0 * n for n in range(1, 7)), extra={"ScanningSequence": "SE"})
    assert refused(*classic(kind))[0] == "COMPONENT_NOT_IN_PROFILE"


def test_magnitude_and_phase_in_one_series_become_two_parts() -> None:
    """Components are told apart frame by frame."""
    files = classic() + classic(Kind(image_type=PHASE))
    assert [(i.suffix, i.part) for i in planned(*files)] == [(Suffix.MEGRE, Part.MAG), (Suffix.MEGRE, Part.PHASE)]


def test_products_in_one_enhanced_object_become_four_images() -> None:
    """Philips puts water, fat, in and opposed phase into one series."""
    types = [("DERIVED", "PRIMARY", word, word) for word in ("W", "F", "IP", "OP")]
    made = planned(enhanced(Kind(echo_times_ms=(4.6,)), frame_types=types))
    assert [image.suffix for image in made] == [Suffix.FAT, Suffix.INPH, Suffix.OUTPH, Suffix.WAT]


def test_names_numbers_and_descriptions_never_decide() -> None:
    """InstanceNumber, EchoNumber, SeriesDescription and the order of files change nothing."""
    files = classic()
    truth = [(i.suffix, i.part, i.stack.echo_times_ms, i.stack.affine_ras.tolist()) for i in planned(*files)]
    for number, dataset in enumerate(files):
        dataset.InstanceNumber, dataset.EchoNumbers = 99 - number, 1
        dataset.SeriesDescription = "t2 tse sag"
    random.Random(3).shuffle(files)
    assert [(i.suffix, i.part, i.stack.echo_times_ms, i.stack.affine_ras.tolist()) for i in planned(*files)] == truth


def test_evidence_names_keywords_and_numbers_only() -> None:
    """What decided can be read in a report; what identifies cannot."""
    image = planned(*classic(Kind(extra={"SeriesDescription": "Mustermann"})))[0]
    assert "EchoTime=2.3,4.6" in image.evidence
    assert all("=" in fact for fact in image.evidence)
    assert "SUBJECTA" not in " ".join(image.evidence)
    assert "Mustermann" not in " ".join(image.evidence)


def drifting() -> list[Dataset]:
    files = classic()
    for number, dataset in enumerate(files):
        dataset.ImagingFrequency = f"123.{number}"
    return files


SERIES = {
    "magnitude": classic,
    "both components": lambda: classic() + classic(Kind(image_type=PHASE)),
    "train": lambda: classic(Kind(echo_times_ms=tuple(8.0 * n for n in range(1, 7)), extra={"ScanningSequence": "SE"})),
    "repeats": lambda: classic(Kind(echo_times_ms=(3.2, 3.2))),
    "one is missing": lambda: classic()[1:],
    "frequencies that drift": drifting,
}


def told(files: list[Dataset]) -> object:
    """All of the outcome: images with their frames' places and echoes, evidence, or the refusal."""
    series = read_series(files)
    try:
        return series.acquisition, [
            (i.suffix, i.part, i.evidence, i.stack.affine_ras.tolist(), i.stack.echo_times_ms, places(i))
            for i in classify(series)
        ]
    except SeriesRefusedError as refusal:
        return refusal.code, refusal.outcome, refusal.evidence


def places(image: PlannedImage) -> list[object]:
    return [(f.plane.position_lps, f.echo_time_ms, f.image_type) for group in image.stack.frames for f in group]


@settings(deadline=None)
@given(st.sampled_from(sorted(SERIES)), st.randoms(use_true_random=False), st.lists(st.integers(0, 99), min_size=12))
def test_order_and_numbers_of_files_never_change_the_outcome(name: str, rng: random.Random, numbers: list[int]) -> None:
    """Any order, any InstanceNumber and any EchoNumbers: the same images, evidence or refusal."""
    files = SERIES[name]()
    truth = told(files)
    shuffled = deepcopy(files)
    rng.shuffle(shuffled)
    for position, dataset in enumerate(shuffled):
        number = numbers[position % len(numbers)]
        dataset.InstanceNumber, dataset.EchoNumbers, dataset.AcquisitionNumber = number, number % 3, number % 5
    assert told(shuffled) == truth


@settings(deadline=None, max_examples=40)
@given(st.randoms(use_true_random=False))
def test_order_of_frames_never_changes_the_outcome(rng: random.Random) -> None:
    """Frames of an Enhanced object are told apart by what they say."""
    types = [("DERIVED", "PRIMARY", word, word) for word in ("W", "F", "IP", "OP")]
    dataset = enhanced(Kind(echo_times_ms=(4.6,)), frame_types=types)
    truth = told([dataset])
    groups = list(dataset.PerFrameFunctionalGroupsSequence)
    rng.shuffle(groups)
    dataset.PerFrameFunctionalGroupsSequence = groups
    assert told([dataset]) == truth


def test_map_beside_its_magnitudes_has_facts_of_its_own() -> None:
    """Philips writes RM for a field map and GR for the echoes it was computed from, all in one series."""
    field = Kind(
        image_type=("ORIGINAL", "PRIMARY", "B0 MAP", "B0"),
        echo_times_ms=(2.3,),
        extra={"ScanningSequence": "RM", "FlipAngle": "0", "RescaleType": "Hz"},
    )
    megre, off_resonance = sorted(planned(*classic(), *classic(field)), key=lambda image: image.suffix, reverse=True)
    assert (megre.suffix, off_resonance.suffix) == (Suffix.MEGRE, Suffix.B0)
    assert megre.acquisition is not None
    assert off_resonance.acquisition is not None
    told = megre.acquisition.scanning_sequence, off_resonance.acquisition.scanning_sequence
    assert told == (("GR",), ("RM",))
