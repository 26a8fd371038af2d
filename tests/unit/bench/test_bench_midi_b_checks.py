"""Checks by action, on data sets of a few elements."""

from __future__ import annotations

import json

import numpy as np
import pytest
from bench.midi_b.answer_key import Action, Required
from bench.midi_b.checks import Released, Verdict, judge
from bench.midi_b.mapping import Mappings
from bench.midi_b.own_key import BOX
from bench.midi_b.places import is_place, public_name, texts_by_place
from bench.midi_b.texts import keeps, removes, values_of, words_of
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

MAPPINGS = Mappings(uids={"1.2": "2.25.2", "1.3": "2.25.3"}, patient_ids={"4711": "PSEUDONYM"})


def required(
    action: Action | None, place: str | None = None, *, value: str | None = None, text: str | None = None
) -> Required:
    return Required(action, place, value, text, "unknown")


def verdict(dataset: Dataset, one: Required) -> Verdict:
    return judge(one, Released(dataset, MAPPINGS))


def dataset(**attributes: object) -> Dataset:
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def image(pixels: np.ndarray) -> Dataset:
    made = dataset(
        Rows=pixels.shape[0],
        Columns=pixels.shape[1],
        SamplesPerPixel=pixels.shape[2] if pixels.ndim == 3 else 1,
        PhotometricInterpretation="RGB" if pixels.ndim == 3 else "MONOCHROME2",
        PlanarConfiguration=0,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelRepresentation=0,
        PixelData=pixels.astype(np.uint8).tobytes(),
    )
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, shape)


HIDDEN = required(Action.PIXELS_HIDDEN, text=json.dumps(BOX))


@pytest.mark.parametrize("shape", [(16, 16), (16, 16, 3)])
def test_a_box_with_something_in_it_is_not_hidden(shape: tuple[int, ...]) -> None:
    """Pixels that differ may be text."""
    assert verdict(image(noise(*shape)), HIDDEN) is Verdict.FAILED


@pytest.mark.parametrize(("shape", "fill"), [((16, 16), 0), ((16, 16, 3), (1, 2, 3))])
def test_a_box_of_one_value_is_hidden(shape: tuple[int, ...], fill: object) -> None:
    """Nothing can be read in a box of one grey or one colour, whatever surrounds it."""
    pixels = noise(*shape)
    pixels[3:8, 2:12] = fill
    assert verdict(image(pixels), HIDDEN) is Verdict.PASSED


def test_pixels_that_cannot_be_decoded_are_not_hidden() -> None:
    """What cannot be looked at is not passed."""
    broken = image(noise(16, 16))
    broken.PixelData = b"\0\0"
    assert verdict(broken, HIDDEN) is Verdict.FAILED


@pytest.mark.parametrize("text", [None, "no JSON", "{}", '{"top_left": [90, 90], "bottom_right": [95, 95]}'])
def test_a_box_that_is_none_is_unjudged(text: str | None) -> None:
    """A box outside the image, or none at all, decides nothing."""
    assert verdict(image(noise(16, 16)), required(Action.PIXELS_HIDDEN, text=text)) is Verdict.UNJUDGED


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (required(None, "<(0008,0060)>"), Verdict.UNJUDGED),
        (required(Action.TAG_RETAINED, None), Verdict.UNJUDGED),
        (required(Action.TEXT_REMOVED, "(0010,0010)", text="x"), Verdict.UNJUDGED),
        (required(Action.TEXT_RETAINED, "<(0008,0060)>"), Verdict.UNJUDGED),
        (required(Action.TEXT_REMOVED, "<(0008,0060)>"), Verdict.UNJUDGED),
        (required(Action.TEXT_REMOVED, "<(0008,0060)>", text="of the"), Verdict.UNJUDGED),
        (required(Action.DATE_SHIFTED, "<(0008,0060)>"), Verdict.UNJUDGED),
        (required(Action.PIXELS_RETAINED), Verdict.UNJUDGED),
    ],
)
def test_a_key_that_says_too_little_is_unjudged_never_passed(one: Required, expected: Verdict) -> None:
    """A place that cannot be read must not let a removal pass as "gone"."""
    assert verdict(dataset(Modality="MR"), one) is expected


@pytest.mark.parametrize(
    "action",
    [Action.TEXT_REMOVED, Action.DATE_SHIFTED, Action.UID_CHANGED, Action.UID_CONSISTENT, Action.PATID_CONSISTENT],
)
def test_an_attribute_that_is_gone_passes_what_had_to_go(action: Action) -> None:
    """As in the published script."""
    assert verdict(dataset(), required(action, "<(0008,0018)>", value="1.2", text="1.2")) is Verdict.PASSED


@pytest.mark.parametrize(
    "action", [Action.TAG_RETAINED, Action.TEXT_NOTNULL, Action.TEXT_RETAINED, Action.PIXELS_RETAINED]
)
def test_an_attribute_that_is_gone_fails_what_had_to_stay(action: Action) -> None:
    """As in the published script."""
    assert verdict(dataset(), required(action, "<(0008,0018)>", text="1.2")) is Verdict.FAILED


def test_an_empty_attribute_is_retained_but_null() -> None:
    """tag_retained asks for the element, text_notnull for a value."""
    made = dataset(StudyID="")
    assert verdict(made, required(Action.TAG_RETAINED, "<(0020,0010)>")) is Verdict.PASSED
    assert verdict(made, required(Action.TEXT_NOTNULL, "<(0020,0010)>")) is Verdict.FAILED
    assert verdict(made, required(Action.TEXT_REMOVED, "<(0020,0010)>", text="x")) is Verdict.PASSED


def test_several_uids_are_consistent_when_each_is_the_mapped_one() -> None:
    """Order and number count; a UID that the mapping lacks is never right."""
    made = dataset(RelatedGeneralSOPClassUID=["2.25.2", "2.25.3"])
    place = "<(0008,001a)>"
    assert verdict(made, required(Action.UID_CONSISTENT, place, value="1.2\\1.3")) is Verdict.PASSED
    assert verdict(made, required(Action.UID_CONSISTENT, place, value="1.3\\1.2")) is Verdict.FAILED
    assert verdict(made, required(Action.UID_CONSISTENT, place, value="1.2\\9.9")) is Verdict.FAILED


def test_one_of_several_dates_left_is_a_date_left() -> None:
    """Each value of a multi-valued date must have moved."""
    made = dataset(DateOfSecondaryCapture="20200102")
    one = required(Action.DATE_SHIFTED, "<(0018,1012)>", value="['20200101', '20200102']")
    assert verdict(made, one) is Verdict.FAILED


def test_the_mapped_patient_id_passes_and_no_other() -> None:
    """patid_consistent compares with patid_mapping.csv."""
    one = required(Action.PATID_CONSISTENT, "<(0010,0020)>", value="4711")
    assert verdict(dataset(PatientID="PSEUDONYM"), one) is Verdict.PASSED
    assert verdict(dataset(PatientID="OTHER"), one) is Verdict.FAILED


def test_places_reach_into_items_and_private_blocks() -> None:
    """An attribute is found at any depth, a private one by its creator whatever its block."""
    inner = dataset(ReferencedSOPInstanceUID="1.2")
    made = dataset(ReferencedImageSequence=Sequence([dataset(), inner]))
    made.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0C, "IS", "600")
    made.add_new(0x00291234, "UN", b"ab \0")
    texts = texts_by_place(made)
    assert texts["<(0008,1140)>[<0001>]<(0008,1155)>"] == "1.2"
    assert texts["<(0008,1140)>"] == "1.2"
    assert texts['<(0019,"siemens mr header",0c)>'] == "600"
    assert texts["<(0029,1234)>"] == "ab"


def test_pixels_and_overlays_are_not_read_as_text() -> None:
    """A word that occurs in pixel bytes by chance fails nothing."""
    made = dataset(PixelData=b"fantasia")
    made.add_new(0x60003000, "OW", b"fantasia")
    for place in ("<(7fe0,0010)>", "<(6000,3000)>"):
        assert verdict(made, required(Action.TEXT_REMOVED, place, text="fantasia")) is Verdict.PASSED


def test_an_empty_sequence_and_a_null_value_are_empty_texts() -> None:
    """Present without a value is the empty text."""
    made = dataset(ReferencedImageSequence=Sequence([]), PixelSpacing=None, ImageType=["A", "B"])
    texts = texts_by_place(made)
    assert (texts["<(0008,1140)>"], texts["<(0028,0030)>"], texts["<(0008,0008)>"]) == ("", "", "A\\B")


@pytest.mark.parametrize("text", ["<(0008,1030)>", "<(0008,1140)>[<0000>]<(0008,1155)>", '<(0019,"a b",0c)>'])
def test_places_of_the_benchmarks_form_are_places(text: str) -> None:
    """Standard, nested and private."""
    assert is_place(text)


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("<(0008,1140)>[<0003>]<(0008,1155)>", "(0008,1140)/(0008,1155)"),
        ('<(0019,"creator",0c)>', "(0019,xx0C)"),
        (None, ""),
    ],
)
def test_a_report_names_attributes_without_creators_and_items(place: str | None, name: str) -> None:
    """A private creator is free text of a file."""
    assert public_name(place) == name


@pytest.mark.parametrize(
    ("text", "answer", "kept", "removed"),
    [
        ("12", "12.0", True, False),
        ("12", "13", False, True),
        ("Thigh Fantasia left", "FANTASIA", True, False),
        ("Rue 1261 in 72223", "1261 Leawood Street, Little Rock AR 72223", False, False),
        ("thigh left", "1261 Leawood Street", False, True),
        ("left thigh", "thigh, left", True, False),
        ("", "x", False, True),
        ("anything", "", True, False),
        ("thigh", "of the", None, None),
        ("FANTASIA OTTILIE", "fantasia^ottilie", False, True),
    ],
)
def test_texts_are_compared_as_the_benchmark_does(
    text: str, answer: str, kept: bool | None, removed: bool | None
) -> None:
    """As numbers, as a whole, then word by word: a part left is neither kept nor removed."""
    assert keeps(text, answer) is kept
    assert removes(text, answer) is removed


def test_words_leave_out_signs_and_function_words() -> None:
    """The patient's name is one word, 12:30 too, and "the" is none."""
    text = "the patient's name: fantasia^ottilie (12:30), a/b - 'x' 3.5 -- no. 7."
    expected = ["patient", "'s", "name", "fantasia^ottilie", "12:30", "a/b", "x", "3.5", "--", "no.", "7"]
    assert words_of(text) == expected


@pytest.mark.parametrize(
    ("text", "values"), [("a\\b", ["a", "b"]), ("['a', 'b']", ["a", "b"]), ("[1, 2]", ["1", "2"]), ("", [])]
)
def test_several_values_are_read_in_both_spellings(text: str, values: list[str]) -> None:
    """Joined as in the file, or as a list."""
    assert values_of(text) == values
