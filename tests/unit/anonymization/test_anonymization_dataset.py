from __future__ import annotations

from pathlib import Path

import pytest
from anonymization_factories import (
    KEYS,
    PIXELS,
    UID,
    enhanced,
    file_bytes,
    item,
    mr,
    only,
    output,
    policy_with,
    run,
    treated,
)
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from myofed_anonymization import new_uid, pseudonym
from myofed_schemas.deid import WithheldCode

LABEL = pseudonym(KEYS, issuer="", patient_id="MRN-884422")


@pytest.mark.parametrize("transfer_syntax", ["1.2.840.10008.1.2.1", ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_the_basic_profile_holds_in_every_encoding(tmp_path: Path, transfer_syntax: str) -> None:
    """Names and institutions go, UIDs and dates change, numbers stay, in all uncompressed transfer syntaxes."""
    pixels = PIXELS.astype(">u2") if transfer_syntax == ExplicitVRBigEndian else PIXELS
    result = only(tmp_path, file_bytes(mr(PixelData=pixels.tobytes()), transfer_syntax=transfer_syntax))
    assert result.PatientName == result.PatientID == LABEL
    assert result.PatientBirthDate == result.AccessionNumber == result.ReferringPhysicianName == ""
    assert "InstitutionName" not in result
    assert "DeviceSerialNumber" not in result
    assert result.StudyDescription == "Thigh"
    assert result.SeriesDescription == "gre_field_magph"
    assert result.StudyInstanceUID == new_uid(KEYS, UID + "2")
    assert result.StudyDate < "2021"
    assert (result.EchoTime, result.InstanceNumber, result.Rows, result.PatientAge) == (5.19, 7, 4, "060Y")
    assert result.ImageType == ["ORIGINAL", "PRIMARY", "M", "ND"]
    assert (result.Manufacturer, result.ManufacturerModelName, result.BodyPartExamined) == (
        "SIEMENS",
        "Prisma_fit",
        "THIGH",
    )
    assert result.PixelData == pixels.tobytes()


def test_an_attribute_that_no_table_names_is_removed(tmp_path: Path) -> None:
    """Default deny: unknown, retired and foreign attributes go, at the top and in items."""
    dataset = mr(ReferencedImageSequence=[item(ReferencedSOPInstanceUID="1.2.3", TreatmentMachineName="Fantasia")])
    dataset.add_new(0x00100099, "LO", "Fantasia")
    dataset.add_new(0x00180009, "LO", "Fantasia")
    dataset.add_new(0x00080000, "UL", 4)
    result = only(tmp_path, dataset)
    assert not {0x00100099, 0x00180009, 0x00080000} & set(result.keys())
    assert "TreatmentMachineName" not in result.ReferencedImageSequence[0]


def test_curves_overlays_icons_signatures_and_padding_are_removed(tmp_path: Path) -> None:
    """What can draw or hide text beside the image goes."""
    dataset = mr(IconImageSequence=[item(Rows=1)], DigitalSignaturesSequence=[item(MACIDNumber=1)])
    dataset.add_new(0x60003000, "OW", b"\0\1" * 4)
    dataset.add_new(0x60000010, "US", 4)
    dataset.add_new(0x50003000, "OW", b"\0\1")
    dataset.add_new(0xFFFCFFFC, "OB", b"Fantasia")
    result = only(tmp_path, dataset)
    assert [tag for tag in result.keys() if tag.group >= 0x4000] == [0x7FE00010]  # noqa: SIM118
    assert "IconImageSequence" not in result


def test_functional_groups_are_treated_like_the_top(tmp_path: Path) -> None:
    """Names and dates in the groups of a frame go or move; geometry and echo times stay."""
    frame = item(
        FrameContentSequence=[
            item(
                FrameAcquisitionDateTime="20210715135915.5",
                FrameComments="Fantasia thigh",
                StackID="1",
                DimensionIndexValues=[1, 1],
            )
        ],
        PlanePositionSequence=[item(ImagePositionPatient=[0, 0, 5])],
        MREchoSequence=[item(EffectiveEchoTime=2.5)],
        ReferencedImageSequence=[
            item(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.4", ReferencedSOPInstanceUID=UID + "1")
        ],
    )
    result = only(tmp_path, enhanced(PerFrameFunctionalGroupsSequence=[frame, frame]))
    group = result.PerFrameFunctionalGroupsSequence[1]
    content = group.FrameContentSequence[0]
    assert content.FrameAcquisitionDateTime < "2021"
    assert (content.FrameComments, content.StackID, content.DimensionIndexValues) == ("thigh", "1", [1, 1])
    assert group.PlanePositionSequence[0].ImagePositionPatient == [0, 0, 5]
    assert group.MREchoSequence[0].EffectiveEchoTime == 2.5
    assert group.ReferencedImageSequence[0].ReferencedSOPInstanceUID == result.SOPInstanceUID
    assert group.ReferencedImageSequence[0].ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.4"


def test_no_type_1_is_lost_and_no_type_2_missing(tmp_path: Path) -> None:
    """What must have a value gets a dummy, what must be there is there, be it empty."""
    result = only(
        tmp_path,
        enhanced(
            PatientBirthDate=None, AcquisitionDateTime="irgendwann", ContentDate="20210715", SoftwareVersions="Fantasia"
        ),
    )
    assert result.DeviceSerialNumber == "REMOVED"
    assert result.SoftwareVersions == "REMOVED"
    assert result.AcquisitionDateTime == "19000101000000"
    assert result.PatientBirthDate == ""
    assert "AcquisitionContextSequence" in result


def test_a_sequence_of_type_2_is_emptied(tmp_path: Path) -> None:
    """Content that the profile removes leaves the empty sequence that the IOD asks for."""
    context = item(ValueType="TEXT", TextValue="Fantasia")
    assert len(only(tmp_path, enhanced(AcquisitionContextSequence=[context])).AcquisitionContextSequence) == 0


def test_what_was_done_is_marked_truthfully(tmp_path: Path) -> None:
    """(0012,0062) to (0012,0064) and (0028,0303) name the options that were used, and no other."""
    result = only(tmp_path, mr(PatientIdentityRemoved="NO"))
    assert result.PatientIdentityRemoved == "YES"
    assert result.DeidentificationMethod == "myofed myofed-default-1"
    assert result.LongitudinalTemporalInformationModified == "MODIFIED"
    codes = [code.CodeValue for code in result.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113105", "113107", "113108", "113111"]


def test_without_options_only_the_basic_profile_is_claimed(tmp_path: Path) -> None:
    """Dates, descriptors, characteristics and device go when their options are off, and the marks say so."""
    policy = policy_with(
        retain_modified_dates=False,
        retain_patient_characteristics=False,
        retain_safe_private=False,
        clean_descriptors=False,
        retain_device_identity=False,
    )
    result = only(tmp_path, mr(), policy=policy)
    assert result.LongitudinalTemporalInformationModified == "REMOVED"
    assert [code.CodeValue for code in result.DeidentificationMethodCodeSequence] == ["113100"]
    assert result.StudyDate == result.Manufacturer == result.PatientSex == ""
    assert not {"SeriesDescription", "PatientAge", "BodyPartExamined"} & set(result.dir())
    assert result.EchoTime == 5.19


def test_codes_of_private_schemes_go_with_their_sequence(tmp_path: Path) -> None:
    """A code is kept when a standard scheme has it; a local scheme, a name as code and a scheme alone are not."""
    brain = item(
        CodeValue="T-A0100",
        CodingSchemeDesignator="SRT",
        CodeMeaning="Thigh of Fantasia",
        CodingSchemeVersion="20040915",
    )
    assert only(tmp_path, mr(AnatomicRegionSequence=[brain])).AnatomicRegionSequence[0].CodeMeaning == "Thigh of"
    for number, code in enumerate(
        (
            item(CodeValue="X1", CodingSchemeDesignator="99WOLKENSTEIN", CodeMeaning="x"),
            item(CodeValue="Fantasia", CodingSchemeDesignator="DCM", CodeMeaning="x"),
            item(CodeValue="Otto Fantasia", CodingSchemeDesignator="DCM", CodeMeaning="x"),
            item(CodingSchemeDesignator="DCM", CodeMeaning="x"),
            item(CodeValue="121311", CodeMeaning="x"),
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert "AnatomicRegionSequence" not in only(folder, mr(AnatomicRegionSequence=[code]))


def test_a_code_outside_a_coded_entry_is_removed(tmp_path: Path) -> None:
    """Code elements at the top of a data set belong to no code."""
    dataset = mr()
    dataset.add_new(0x00080100, "SH", "Fantasia")
    assert "CodeValue" not in only(tmp_path, dataset)


def test_text_under_a_numbers_vr_does_not_stay(tmp_path: Path) -> None:
    """A false VR hides no text: the dictionary's VR decides what may stay."""
    dataset = mr()
    dataset.add_new(0x00180024, "UL", 0x41424344)
    dataset.add_new(0x00280106, "LO", "Fantasia")
    dataset.add_new(0x00081140, "LO", "Fantasia")
    dataset.add_new(0x00180015, "UN", b"THIGH ")
    result = only(tmp_path, dataset)
    assert not {"SmallestImagePixelValue", "ReferencedImageSequence", "SequenceName"} & set(result.dir())
    assert result.BodyPartExamined == "THIGH"


def test_a_text_that_switches_character_sets_goes(tmp_path: Path) -> None:
    """Behind an escape sequence ASCII bytes are parts of other characters, and no words."""
    dataset = mr(SpecificCharacterSet=["", "ISO 2022 IR 87"])
    dataset.add_new(0x0008103E, "LO", "t1 \x1b$B;3ED\x1b(B l")
    assert "SeriesDescription" not in only(tmp_path, dataset)


def test_long_stack_labels_get_a_keyed_one(tmp_path: Path) -> None:
    """Stacks stay apart without keeping a name in their label."""
    frames = [item(FrameContentSequence=[item(StackID=label)]) for label in ("Fantasia links", "Fantasia rechts")]
    groups = only(tmp_path, enhanced(PerFrameFunctionalGroupsSequence=frames)).PerFrameFunctionalGroupsSequence
    first, second = (group.FrameContentSequence[0].StackID for group in groups)
    assert first != second
    assert first.startswith("S")


def test_a_stack_label_that_is_the_patients_name_gets_a_keyed_one(tmp_path: Path) -> None:
    """Four letters are a label of the scanner, unless they are Mr Lee."""
    frame = item(FrameContentSequence=[item(StackID="LEE", InStackPositionNumber=1)])
    result = only(tmp_path, enhanced(PatientName="Lee^An", PerFrameFunctionalGroupsSequence=[frame] * 2))
    assert {one.FrameContentSequence[0].StackID != "LEE" for one in result.PerFrameFunctionalGroupsSequence} == {True}


def test_image_type_of_a_patient_with_a_middle_initial_stays(tmp_path: Path) -> None:
    """John M. Smith's magnitude stays a magnitude: without it no series of his could be converted."""
    assert only(tmp_path, mr(PatientName="Smith^John^M")).ImageType == ["ORIGINAL", "PRIMARY", "M", "ND"]


def test_a_code_made_of_the_patients_name_goes_with_its_sequence(tmp_path: Path) -> None:
    """A standard scheme's designator beside a name makes no code of it."""
    code = item(CodeValue="OTTILIE_FANTASIA", CodingSchemeDesignator="SRT", CodeMeaning="thigh")
    assert "AnatomicRegionSequence" not in only(tmp_path, mr(AnatomicRegionSequence=[code]))


def test_sex_and_age_are_values_of_the_standard(tmp_path: Path) -> None:
    """Retained characteristics hold M, F, O and a capped age, and nothing else."""
    result = only(tmp_path, mr(PatientSex="FANTASIA", PatientAge="104Y"))
    assert result.PatientSex == ""
    assert result.PatientAge == "090Y"


def test_sequences_nested_too_deep_are_withheld(tmp_path: Path) -> None:
    """Depth is bounded by the policy."""
    deep: Dataset = item(ReferencedSOPInstanceUID="1.2.3")
    for _ in range(4):
        deep = item(ReferencedImageSequence=[deep])
    report = run(tmp_path, mr(ReferencedImageSequence=[deep]), policy=policy_with(max_depth=3))
    assert report.files[0].code is WithheldCode.NESTED_TOO_DEEP


def test_tables_for_display_go(tmp_path: Path) -> None:
    """Binary look-up tables could hold anything and change no number; the image is released without them."""
    table = item(LUTDescriptor=[2, 0, 16], LUTExplanation="Fantasia", LUTData=b"\0\1\2\3")
    dataset = mr(VOILUTSequence=[table])
    dataset.VOILUTSequence[0]["LUTData"].VR = "OW"
    dataset.VOILUTSequence[0]["LUTDescriptor"].VR = "US"
    assert "VOILUTSequence" not in only(tmp_path, dataset)


def test_no_dummy_of_unknown_bytes_is_written(tmp_path: Path) -> None:
    """Where the standard's table wants a dummy of a binary value that the IOD does not need, the element goes."""
    dataset = mr()
    dataset.add_new(0x00420011, "OB", b"pdf!")
    dataset.add_new(0x00340007, "OB", b"time")
    assert not {0x00420011, 0x00340007} & set(only(tmp_path, dataset).keys())


def test_a_uid_that_the_table_replaces_by_a_dummy_gets_its_keyed_one(tmp_path: Path) -> None:
    """A dummy UID would join what does not belong together."""
    released = only(tmp_path, mr(AnnotationGroupUID=UID + "6"))
    assert released.get("AnnotationGroupUID") in {None, new_uid(KEYS, UID + "6")}


def test_long_texts_are_treated_like_short_ones(tmp_path: Path) -> None:
    """Whatever the length, words of the vocabulary stay and all others go."""
    text = "thigh Fantasia " * 60
    assert (
        only(tmp_path, mr(PatientComments=text, ImageComments=text)).get("ImageComments", "thigh").split()[0] == "thigh"
    )


def test_binary_numbers_written_as_un_stay_numbers(tmp_path: Path) -> None:
    """Software that did not know an attribute wrote it so; its VR is that of PS3.6 again."""
    content = file_bytes(mr(AcquisitionMatrix=[256, 0, 0, 256]))
    short, long = b"\x18\0\x10\x13US\x08\0", b"\x18\0\x10\x13UN\0\0\x08\0\0\0"
    assert short in content
    assert list(only(tmp_path, content.replace(short, long)).AcquisitionMatrix) == [256, 0, 0, 256]


def test_digits_of_the_patients_identifier_are_no_number(tmp_path: Path) -> None:
    """Where they stand for a number nobody needs they go; where a quantity would change the file is withheld."""
    report = run(tmp_path, mr(AcquisitionNumber="884422"), mr(SAR="884422", SOPInstanceUID=UID + "71"))
    assert report.files[0].code is WithheldCode.VALUE_CHANGED
    assert "SAR" not in dcmread(output(tmp_path, report.files[1]))


def test_a_unit_of_nobodys_scheme_becomes_arbitrary(tmp_path: Path) -> None:
    """The numbers stay, and no false unit stands beside them."""
    unit = item(CodeValue="Wagner", CodingSchemeDesignator="99PHILIPS", CodeMeaning="Wagner units")
    mapping = item(
        RealWorldValueSlope=1.5,
        RealWorldValueIntercept=0.0,
        LUTExplanation="Wagner",
        LUTLabel="W",
        MeasurementUnitsCodeSequence=[unit],
    )
    released = only(tmp_path, enhanced(RealWorldValueMappingSequence=[mapping], SOPInstanceUID=UID + "72"))
    (kept,) = released.RealWorldValueMappingSequence
    assert (kept.RealWorldValueSlope, kept.MeasurementUnitsCodeSequence[0].CodeValue) == (1.5, "[arb'U]")
    assert "Wagner" not in str(released)


def test_decisions_remembered_of_one_patient_do_not_hold_for_the_next(tmp_path: Path) -> None:
    """One worker treats files of two patients in turn: each one's words, dates and pseudonym are treated as if he were alone."""
    people = ({}, {"PatientName": "Thigh^Anna", "PatientID": "OTHER-1"})
    files = [mr(**people[number % 2], SOPInstanceUID=f"{UID}{number}9") for number in range(4)]
    run(tmp_path, *files, policy=policy_with(max_seconds=60))
    found = {str(one.PatientID): [] for one in (dcmread(path) for path in (tmp_path / "out").rglob("*.dcm"))}
    for path in (tmp_path / "out").rglob("*.dcm"):
        one = dcmread(path)
        found[str(one.PatientID)].append(
            (one.get("StudyDescription", ""), one.StudyDate, one.get("BodyPartExamined", ""))
        )
    first, second = found.pop(LABEL), *found.values()
    assert [text for text, _, _ in first] == ["Thigh", "Thigh"]
    assert len(second) == 2
    assert not any("Thigh" in text or "THIGH" in part for text, _, part in second)
    assert {date for _, date, _ in first}.isdisjoint(date for _, date, _ in second)


@pytest.mark.parametrize(
    ("find", "put"), [(b"\x20\x00\x40\x10LO", b"\x20\x00\x40\x10ZZ"), (b"\x20\x00\x40\x10LO", b"\xfe\xff\x00\xe0LO")]
)
def test_an_element_of_no_known_kind_means_damage(tmp_path: Path, find: bytes, put: bytes) -> None:
    """A VR that no edition has, or the mark of an item where an element should be: readers do not agree on what follows."""
    dataset = mr()
    dataset.PositionReferenceIndicator = ""
    content = file_bytes(dataset)
    assert find in content
    assert treated(tmp_path, content.replace(find, put)).outcome.code is WithheldCode.DICOM_DAMAGED
