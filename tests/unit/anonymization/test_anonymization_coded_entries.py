from __future__ import annotations

from pathlib import Path

import pytest
from anonymization_factories import file_bytes, item, mr, only, segmentation, treated

from myofed_anonymization.coded_entries import is_code, stand_in
from myofed_anonymization.policy import default_policy


@pytest.mark.parametrize(
    ("code", "scheme", "good"),
    [
        ("68367000", "SCT", True),
        ("T-D1100", "SRT", True),
        ("113100", "DCM", True),
        ("RID2755", "RADLEX", True),
        ("0001134", "UBERON", True),
        ("C13056", "NCIt", True),
        ("22432", "FMA", True),
        ("18748-4", "LN", True),
        ("mm2/s", "UCUM", True),
        ("ms", "UCUM", True),
        ("[hnsf'U]", "UCUM", True),
        ("Wagner^Hans", "SCT", False),
        ("WAGNER", "DCM", False),
        ("{Hans Wagner}", "UCUM", False),
        ("Hans", "UCUM", False),
        ("68367000", "99LOCAL", False),
        ("", "SCT", False),
    ],
)
def test_a_code_has_the_form_of_its_scheme(code: str, scheme: str, good: bool) -> None:
    """What has another form may be a name, and an unknown scheme has no form."""
    assert is_code(code, scheme=scheme) is good


def test_every_scheme_of_the_policy_has_a_form() -> None:
    """A scheme that a site may name and nobody knows would let nothing through."""
    samples = {"DCM": "113100", "SRT": "T-D1100", "SCT": "68367000", "SNM3": "T-D1100", "UCUM": "ms", "FMA": "22432"}
    samples |= {"RADLEX": "RID1", "LN": "18748-4", "UBERON": "0001134", "NCIt": "C13056"}
    assert set(default_policy().coding_schemes) == set(samples)
    assert all(is_code(code, scheme=scheme) for scheme, code in samples.items())


@pytest.mark.parametrize(
    "code",
    [
        {"CodeValue": "Wagner^Hans", "CodingSchemeDesignator": "SCT", "CodeMeaning": "muscle"},
        {"CodeValue": "VL", "CodingSchemeDesignator": "99LOCAL", "CodeMeaning": "muscle"},
        {"LongCodeValue": "Wagner^Hans of ward 7", "CodingSchemeDesignator": "SCT", "CodeMeaning": "muscle"},
    ],
)
def test_a_segment_keeps_its_label_when_its_code_goes(tmp_path: Path, code: dict[str, object]) -> None:
    """The label map is released with the most general code in place of one that nobody's scheme has."""
    segment = item(
        SegmentNumber=1,
        SegmentLabel="vastus lateralis left",
        SegmentAlgorithmType="MANUAL",
        SegmentedPropertyCategoryCodeSequence=[item(**code)],
        SegmentedPropertyTypeCodeSequence=[item(**code)],
    )
    released = only(tmp_path, segmentation(SegmentSequence=[segment]))
    (kept,) = released.SegmentSequence
    assert kept.SegmentLabel == "vastus lateralis left"
    assert kept.SegmentedPropertyTypeCodeSequence[0].CodeValue == "85756007"
    assert "Wagner" not in str(released)
    assert stand_in(0x00081140) is None


def test_a_label_that_a_person_typed_keeps_words_of_the_vocabulary(tmp_path: Path) -> None:
    """ContentLabel is a code string in name only."""
    assert only(tmp_path, segmentation(ContentLabel="MUSCLES")).ContentLabel == "MUSCLES"
    (tmp_path / "b").mkdir()
    assert "WAGNER" not in only(tmp_path / "b", segmentation(ContentLabel="WAGNER_HANS")).ContentLabel


def test_a_uid_that_pretends_to_be_the_standards_is_replaced(tmp_path: Path) -> None:
    """Only UIDs that PS3.6 lists stay: below its root anything can be written."""
    fake = "1.2.840.10008.884422.19610214"
    outcome = treated(tmp_path, file_bytes(mr(FrameOfReferenceUID=fake))).outcome
    assert outcome.code is None
    assert not any(fake.encode() in path.read_bytes() for path in tmp_path.rglob("*.dcm"))
