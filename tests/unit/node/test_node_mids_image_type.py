"""What the words of ImageType say."""

from __future__ import annotations

import pytest
from mids_factories import Kind, classic

from myofed_node.mids.dicom_input.frames import Series
from myofed_node.mids.dicom_input.headers import read_series
from myofed_node.mids.judging.image_type import part_of, product_of, refuse_other_kinds
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_schemas.mids import Part, Suffix


def series_of(*image_type: str, **extra: object) -> Series:
    return read_series(classic(Kind(image_type=image_type, extra=extra)))


@pytest.mark.parametrize(
    ("word", "code", "outcome"),
    [
        ("LOCALIZER", "LOCALIZER", "skipped"),
        ("MPR", "DERIVED_IMAGE", "skipped"),
        ("CURVED MPR", "DERIVED_IMAGE", "skipped"),
        ("ADC", "DIFFUSION", "skipped"),
        ("R2 MAP", "MAP_NOT_IN_PROFILE", "quarantined"),
        ("MAP", "MAP_NOT_IN_PROFILE", "quarantined"),
        ("WATER_FRACTION", "MAP_NOT_IN_PROFILE", "quarantined"),
        ("FA", "MAP_NOT_IN_PROFILE", "quarantined"),
        ("MOSAIC", "TILED_IMAGE", "quarantined"),
        ("VFRAME", "TILED_IMAGE", "quarantined"),
    ],
)
def test_other_kinds_of_images_are_left_out_with_their_code(word: str, code: str, outcome: str) -> None:
    """Localizers and reformats are skipped by rule; maps without a place in the profile wait for a person."""
    with pytest.raises(SeriesRefusedError) as refusal:
        refuse_other_kinds(series_of("ORIGINAL", "PRIMARY", word).frames, named=True)
    assert (refusal.value.code, refusal.value.outcome) == (code, outcome)


def test_derived_image_that_is_no_dixon_product_is_quarantined() -> None:
    """Somebody computed it, and the header does not say what."""
    with pytest.raises(SeriesRefusedError) as refusal:
        refuse_other_kinds(series_of("DERIVED", "PRIMARY", "M").frames, named=False)
    assert refusal.value.code == "DERIVED_UNKNOWN"


@pytest.mark.parametrize("image_type", [("REMOVED",), ("OTHER", "OTHER", "M")])
def test_image_type_that_was_emptied_is_quarantined(image_type: tuple[str, ...]) -> None:
    """A derived image of GE without its words would pass as an acquired one."""
    with pytest.raises(SeriesRefusedError) as refusal:
        refuse_other_kinds(series_of(*image_type).frames, named=False)
    assert refusal.value.code == "IMAGE_TYPE_MISSING"
    refuse_other_kinds(series_of(*image_type).frames, named=True)


def test_derived_image_that_the_site_names_is_let_through() -> None:
    """What it is made of stays the site's word; its geometry is proven all the same."""
    refuse_other_kinds(series_of("DERIVED", "PRIMARY", "M").frames, named=True)


def test_fractional_anisotropy_of_a_diffusion_measurement_is_skipped() -> None:
    """FA beside DIFFUSION is no fat and no flip angle."""
    with pytest.raises(SeriesRefusedError) as refusal:
        refuse_other_kinds(series_of("DERIVED", "PRIMARY", "DIFFUSION", "FA").frames, named=False)
    assert refusal.value.outcome == "skipped"


def test_b_value_above_zero_is_diffusion_whatever_the_words_say() -> None:
    """Philips and Canon write DiffusionBValue into images that are called ORIGINAL."""
    with pytest.raises(SeriesRefusedError) as refusal:
        refuse_other_kinds(series_of("ORIGINAL", "PRIMARY", "M", DiffusionBValue=600.0).frames, named=False)
    assert refusal.value.code == "DIFFUSION"


def test_phase_map_of_philips_is_a_phase_and_no_map() -> None:
    """ORIGINAL, PRIMARY, PHASE MAP, P, FFE is how Philips names an acquired phase."""
    series = series_of("ORIGINAL", "PRIMARY", "PHASE MAP", "P", "FFE", Manufacturer="Philips Medical Systems")
    refuse_other_kinds(series.frames, named=False)
    assert part_of(series.frames[0], series.acquisition) == (Part.PHASE, False)


@pytest.mark.parametrize(
    ("words", "product"),
    [
        (("DIXON", "WATER"), Suffix.WAT),
        (("F", "F", "DERIVED"), Suffix.FAT),
        (("M", "IN_PHASE"), Suffix.INPH),
        (("OP", "OP"), Suffix.OUTPH),
        (("FAT_FRACTION",), Suffix.FF),
        (("T1 MAP", "ND"), Suffix.T1),
        (("T2 MAP", "T2", "UNSPECIFIED"), Suffix.T2),
        (("T2_STAR MAP",), Suffix.T2STAR),
        (("R2_STAR MAP", "ND"), Suffix.R2STAR),
        (("B0 MAP", "B0", "UNSPECIFIED"), Suffix.B0),
        (("FLIP ANGLE MAP", "ND"), Suffix.B1),
        (("T2_STAR", "NONE"), None),
        (("T2", "NONE"), None),
        (("M", "ND"), None),
    ],
)
def test_products_and_maps_are_told_by_the_words_of_each_vendor(words: tuple[str, ...], product: Suffix | None) -> None:
    """Long words are Siemens', short ones Philips'; a contrast is no map."""
    assert product_of(series_of("DERIVED", "PRIMARY", *words).frames[0]) is product


def test_words_of_two_products_are_refused() -> None:
    """An image cannot be water and fat."""
    with pytest.raises(SeriesRefusedError) as refusal:
        product_of(series_of("DERIVED", "PRIMARY", "W", "F").frames[0])
    assert refusal.value.code == "DIXON_PRODUCT_AMBIGUOUS"


def test_two_components_in_one_header_are_refused() -> None:
    """M and P together say nothing."""
    series = series_of("ORIGINAL", "PRIMARY", "M", "P")
    with pytest.raises(SeriesRefusedError) as refusal:
        part_of(series.frames[0], series.acquisition)
    assert refusal.value.code == "COMPONENT_AMBIGUOUS"


def test_component_that_contradicts_the_words_is_refused() -> None:
    """ComplexImageComponent MAGNITUDE beside PHASE MAP proves neither."""
    series = series_of("ORIGINAL", "PRIMARY", "PHASE MAP", "P", ComplexImageComponent="MAGNITUDE")
    with pytest.raises(SeriesRefusedError) as refusal:
        part_of(series.frames[0], series.acquisition)
    assert refusal.value.code == "COMPONENT_AMBIGUOUS"


def test_component_of_a_map_is_not_asked_for() -> None:
    """Philips calls a field map phase and a fat fraction real: the map's values are its own."""
    series = series_of("DERIVED", "PRIMARY", "DIXON", "FAT_FRACTION", ComplexImageComponent="REAL")
    assert part_of(series.frames[0], series.acquisition) == (Part.MAG, False)


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
