"""What the words of ImageType say."""

from __future__ import annotations

import pytest
from mids_factories import Kind, classic

from myofed_node.mids.frames import Series
from myofed_node.mids.headers import read_series
from myofed_node.mids.image_type import dixon_product, part_of, refuse_other_kinds
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_schemas.mids import Part, Suffix


def series_of(*image_type: str, **extra: object) -> Series:
    return read_series(classic(Kind(image_type=image_type, extra=extra)))


@pytest.mark.parametrize(
    ("word", "code", "outcome"),
    [
        ("LOCALIZER", "LOCALIZER", "skipped"),
        ("MPR", "DERIVED_IMAGE", "skipped"),
        ("ADC", "DIFFUSION", "skipped"),
        ("T2 MAP", "MAP_NOT_IN_PROFILE", "quarantined"),
        ("R2_STAR MAP", "MAP_NOT_IN_PROFILE", "quarantined"),
        ("WATER_FRACTION", "MAP_NOT_IN_PROFILE", "quarantined"),
    ],
)
def test_other_kinds_of_images_are_left_out_with_their_code(word: str, code: str, outcome: str) -> None:
    """Localizers and reformats are skipped by rule; maps without a place in the profile wait for a person."""
    with pytest.raises(SeriesRefusedError) as refusal:
        refuse_other_kinds(series_of("ORIGINAL", "PRIMARY", word).frames)
    assert (refusal.value.code, refusal.value.outcome) == (code, outcome)


def test_derived_image_that_is_no_dixon_product_is_quarantined() -> None:
    """Somebody computed it, and the header does not say what."""
    with pytest.raises(SeriesRefusedError) as refusal:
        refuse_other_kinds(series_of("DERIVED", "PRIMARY", "M").frames)
    assert refusal.value.code == "DERIVED_UNKNOWN"


def test_phase_map_of_philips_is_a_phase_and_no_map() -> None:
    """ORIGINAL, PRIMARY, PHASE MAP, P, FFE is how Philips names an acquired phase."""
    series = series_of("ORIGINAL", "PRIMARY", "PHASE MAP", "P", "FFE", Manufacturer="Philips Medical Systems")
    refuse_other_kinds(series.frames)
    assert part_of(series.frames[0], series.acquisition) == (Part.PHASE, False)


@pytest.mark.parametrize(
    ("words", "product"),
    [
        (("DIXON", "WATER"), Suffix.WAT),
        (("F", "F", "DERIVED"), Suffix.FAT),
        (("M", "IN_PHASE"), Suffix.INPH),
        (("OP", "OP"), Suffix.OUTPH),
        (("FAT_FRACTION",), Suffix.FF),
        (("M", "ND"), None),
    ],
)
def test_dixon_products_are_told_by_the_words_of_each_vendor(words: tuple[str, ...], product: Suffix | None) -> None:
    """Long words are Siemens', short ones Philips'."""
    assert dixon_product(series_of("DERIVED", "PRIMARY", *words).frames[0]) is product


def test_words_of_two_products_are_refused() -> None:
    """An image cannot be water and fat."""
    with pytest.raises(SeriesRefusedError) as refusal:
        dixon_product(series_of("DERIVED", "PRIMARY", "W", "F").frames[0])
    assert refusal.value.code == "DIXON_PRODUCT_AMBIGUOUS"


def test_two_components_in_one_header_are_refused() -> None:
    """M and P together say nothing."""
    series = series_of("ORIGINAL", "PRIMARY", "M", "P")
    with pytest.raises(SeriesRefusedError) as refusal:
        part_of(series.frames[0], series.acquisition)
    assert refusal.value.code == "COMPONENT_AMBIGUOUS"


def test_raw_data_type_of_ge_goes_before_image_type() -> None:
    """GE writes OTHER in ImageType for everything; (0043,xx2F) tells phase from magnitude."""
    files = classic(Kind(image_type=("ORIGINAL", "PRIMARY", "OTHER"), extra={"Manufacturer": "GE MEDICAL SYSTEMS"}))
    for dataset in files:
        dataset.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x2F, "SS", 1)
    series = read_series(files)
    assert part_of(series.frames[0], series.acquisition) == (Part.PHASE, False)


def test_ge_without_a_word_is_a_magnitude_by_default_and_says_so() -> None:
    """The assumption is marked, because the voxels must confirm it."""
    series = series_of("ORIGINAL", "PRIMARY", "OTHER", Manufacturer="GE MEDICAL SYSTEMS")
    assert part_of(series.frames[0], series.acquisition) == (Part.MAG, True)


def test_other_vendor_without_a_word_has_no_component() -> None:
    """Nothing is assumed where no vendor's default is known."""
    series = series_of("ORIGINAL", "PRIMARY", "OTHER")
    assert part_of(series.frames[0], series.acquisition) == (None, False)
