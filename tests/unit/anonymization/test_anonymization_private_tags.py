from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from anonymization_factories import KEYS, enhanced, file_bytes, item, mr, only, policy_with, run
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from myofed_anonymization.dataset import deidentified
from myofed_anonymization.identity import identity_of, patient_of
from myofed_anonymization.private_tags import SafeRule, is_number, safe_rules
from myofed_anonymization.treatment import Rules, Treatment
from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import WithheldCode

PHILIPS, PHILIPS_5, SIEMENS, GE = (
    "Philips MR Imaging DD 001",
    "Philips MR Imaging DD 005",
    "SIEMENS MR HEADER",
    "GEMS_PARM_01",
)


def private(dataset: Dataset, group: int, creator: str, **elements: tuple[str, object]) -> Dataset:
    """Adds private elements, keys like `x0D`, in the next free block of the group."""
    block = dataset.private_block(group, creator, create=True)
    for key, (vr, value) in elements.items():
        block.add_new(int(key[1:], 16), vr, value)
    return dataset


def test_the_safe_list_holds_numbers_only() -> None:
    """Every row is a number or a container of such rows, and the stated count is right."""
    assert len(safe_rules()) == 21
    assert {rule.vr for rule in safe_rules().values()} <= {"FL", "FD", "SL", "SS", "US", "DS", "IS", "SQ"}


def test_private_element_not_on_the_safe_list_is_removed(tmp_path: Path) -> None:
    """Text, blobs, elements without creator and of other creators all go, with their creators."""
    dataset = private(mr(), 0x29, "SIEMENS CSA HEADER", x10=("OB", b"Fantasia^Ottilie"))
    private(dataset, 0x19, SIEMENS, x08=("CS", "IMAGE NUM 4"))
    private(dataset, 0x19, "SOMEONE ELSE", x0C=("IS", "1000"))
    dataset.add_new(0x00431039, "IS", "800")
    result = only(tmp_path, dataset)
    assert not [tag for tag in result.keys() if tag.is_private]  # noqa: SIM118


@pytest.mark.parametrize("transfer_syntax", ["1.2.840.10008.1.2.1", ImplicitVRLittleEndian])
def test_safe_numbers_stay_whatever_their_block(tmp_path: Path, transfer_syntax: str) -> None:
    """Scale slope, b-value and image type stay by (group, creator, low byte), in explicit and implicit VR."""
    dataset = private(mr(), 0x2005, "FIRST TAKER", x0E=("LO", "Fantasia"))
    private(dataset, 0x2005, PHILIPS, x0D=("FL", 0.5), x0E=("FL", 0.00027))
    private(dataset, 0x2005, PHILIPS_5, x0A=("DS", "4.5"))
    private(dataset, 0x19, SIEMENS, x0C=("IS", "800"), x0E=("FD", [0.0, 0.6, 0.8]))
    private(dataset, 0x43, GE, x2F=("SS", 3))
    result = only(tmp_path, file_bytes(dataset, transfer_syntax=transfer_syntax))
    assert result.private_block(0x2005, PHILIPS)[0x0E].value == pytest.approx(0.00027)
    assert result.private_block(0x2005, PHILIPS_5)[0x0A].value == 4.5
    assert result.private_block(0x19, SIEMENS)[0x0C].value == 800
    assert result.private_block(0x19, SIEMENS)[0x0E].value == [0.0, 0.6, 0.8]
    assert result.private_block(0x43, GE)[0x2F].value == 3
    assert "FIRST TAKER" not in result.private_creators(0x2005)


def test_text_in_a_safe_place_is_removed(tmp_path: Path) -> None:
    """A name under the tag of a number does not stay: another VR, other characters, another length."""
    dataset = private(mr(), 0x19, SIEMENS, x0C=("LO", "Fantasia"), x27=("UN", b"Fantasi"))
    private(dataset, 0x2005, PHILIPS_5, x0A=("UN", b"Fantasia"))
    assert not [tag for tag in only(tmp_path, dataset).keys() if tag.is_private]  # noqa: SIM118


def test_only_safe_numbers_stay_in_a_private_group_of_a_frame(tmp_path: Path) -> None:
    """Philips' private frame group keeps the scale slope and loses positions, dates and UIDs."""
    group = private(
        item(ContentDate="20140122", ImagePositionPatient=[1, 2, 3], SOPInstanceUID="1.2.3"),
        0x2005,
        PHILIPS,
        x0E=("FL", 0.25),
    )
    frames = [
        private(item(), 0x2005, PHILIPS_5, x0F=("SQ", [group])),
        private(item(), 0x2005, PHILIPS_5, x0F=("SQ", [item(ContentDate="20140122")])),
    ]
    result = only(tmp_path, enhanced(PerFrameFunctionalGroupsSequence=frames))
    first, second = result.PerFrameFunctionalGroupsSequence
    (kept,) = first.private_block(0x2005, PHILIPS_5)[0x0F].value
    assert kept.private_block(0x2005, PHILIPS)[0x0E].value == 0.25
    assert len(kept) == 2
    assert len(second) == 0


def test_nested_private_groups_have_a_depth_limit(tmp_path: Path) -> None:
    """Private groups in private groups end at the policy's depth."""
    group = private(item(), 0x2005, PHILIPS, x0E=("FL", 0.25))
    for _ in range(3):
        group = private(item(), 0x2005, PHILIPS_5, x0F=("SQ", [group]))
    report = run(tmp_path, private(mr(), 0x2005, PHILIPS_5, x0F=("SQ", [group])), policy=policy_with(max_depth=2))
    assert report.files[0].code is WithheldCode.NESTED_TOO_DEEP


def test_a_private_group_that_is_no_sequence_is_removed(tmp_path: Path) -> None:
    """Bytes of unknown VR in the place of a private sequence, which no one can read, go."""
    dataset = mr()
    dataset.add_new(0x20050010, "LO", PHILIPS_5)
    dataset.add_new(0x2005100F, "UN", b"")
    content = file_bytes(dataset)
    assert dcmread(BytesIO(content))[0x2005100F].VR in {"UN", "SQ"}
    assert 0x2005100F not in only(tmp_path, content)


def test_the_option_can_be_switched_off(tmp_path: Path) -> None:
    """Without Retain Safe Private nothing private stays."""
    dataset = private(mr(), 0x19, SIEMENS, x0C=("IS", "800"))
    result = only(tmp_path, dataset, policy=policy_with(retain_safe_private=False))
    assert not [tag for tag in result.keys() if tag.is_private]  # noqa: SIM118
    assert "113111" not in [code.CodeValue for code in result.DeidentificationMethodCodeSequence]


@pytest.mark.parametrize(
    ("content", "rule", "number"),
    [
        (b"\0" * 24, SafeRule("FD", 3), True),
        (b"\0" * 8, SafeRule("FD", 3), True),
        (b"\0" * 7, SafeRule("FD", 3), False),
        (b"\0" * 32, SafeRule("FD", 3), False),
        (b"Fantasia", SafeRule("FL", 1), False),
        (b"\xff\xff\xff\xff", SafeRule("FL", 1), False),
        (b"\0\0\x80\x7f", SafeRule("FL", 1), False),
        (b"\0\0\x80\x3f", SafeRule("FL", 1), True),
        (b"lena", SafeRule("FL", 1), False),
        (b"@!@!@!@!" * 3, SafeRule("FD", 3), False),
        (b"\1\0", SafeRule("US", 1), True),
        (b"800", SafeRule("IS", 1), True),
        (b"-1.5e-3 \\ 2", SafeRule("DS", 2), True),
        (b"1\\2\\3", SafeRule("DS", 2), False),
        (b"015112345678", SafeRule("IS", 1), False),
        (b"", SafeRule("DS", 1), True),
        (None, SafeRule("DS", 1), False),
    ],
)
def test_numbers_have_the_form_and_count_of_numbers(content: bytes | None, rule: SafeRule, number: bool) -> None:
    """Bytes that no count of finite numbers fills, more of them than the list allows, and absent values are none."""
    assert is_number(content, rule=rule) is number


def test_a_name_that_passes_for_a_number_withholds_the_file(tmp_path: Path) -> None:
    """Four letters under a safe tag in implicit VR are a finite float; the verification knows the name."""
    dataset = private(mr(PatientName="LENA^Li"), 0x2005, PHILIPS, x0E=("UN", b"LENA"))
    report = run(tmp_path, file_bytes(dataset, transfer_syntax=ImplicitVRLittleEndian))
    assert report.files[0].code is WithheldCode.LEAK_FOUND


def test_depth_is_bounded_for_sequences_that_only_pydicom_finds() -> None:
    """The actions do not rely on the reader that runs before them."""
    group = private(item(), 0x2005, PHILIPS, x0E=("FL", 0.25))
    for _ in range(3):
        group = private(item(), 0x2005, PHILIPS_5, x0F=("SQ", [group]))
    dataset = private(mr(), 0x2005, PHILIPS_5, x0F=("SQ", [group]))
    rules = Rules.of(KEYS, policy_with(max_depth=2))
    patient = patient_of(identity_of(mr(), max_depth=2), keys=KEYS, pseudonyms=rules.pseudonyms)
    with pytest.raises(WithheldError) as refusal:
        deidentified(dataset, treatment=Treatment(rules, patient, "mr", little=True))
    assert refusal.value.reason is WithheldCode.NESTED_TOO_DEEP
