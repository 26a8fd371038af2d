from __future__ import annotations

import struct

import pytest
from anonymization_factories import BOUNDS, PATIENT, UID, enhanced, file_bytes, item, mr
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless

from myofed_anonymization.element_reader import read_elements
from myofed_anonymization.identifying_values import Common
from myofed_anonymization.part10 import quiet_pydicom
from myofed_anonymization.policy import default_policy
from myofed_anonymization.verify import Verified, verify
from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import WithheldCode

COMMON = Common.from_policy(default_policy())
ORIGINAL = mr(
    PatientAddress="Lindwurmgasse 7",
    StationName="MR3",
    StudyID="7",
    OperatorsName="Li^Bo",
    PerformedProcedureStepID="PPS-2021-99",
    ReferencedImageSequence=[item(ReferencedSOPInstanceUID=UID + "77")],
)
CLEAN = {
    **dict.fromkeys(["InstitutionName", "DeviceSerialNumber"]),
    "FrameOfReferenceUID": "2.25.4",
    "StudyID": "",
    "SOPInstanceUID": "2.25.1",
    "StudyInstanceUID": "2.25.2",
    "SeriesInstanceUID": "2.25.3",
    "PatientName": "PSEUDONYM",
    "PatientID": "PSEUDONYM",
    "PatientBirthDate": "",
    "StudyDate": "20190101",
    "StudyTime": "140015",
    "StudyDescription": "Thigh",
    "AccessionNumber": "",
    "ReferringPhysicianName": "",
}


def clean(**attributes: object) -> Dataset:
    """A clean output of ORIGINAL, with the attributes given on top."""
    return mr(**{**CLEAN, **attributes})


def verified(written: Dataset | bytes, original: Dataset | bytes = ORIGINAL) -> Verified:
    contents = [file_bytes(one) if isinstance(one, Dataset) else one for one in (written, original)]
    with quiet_pydicom():
        before = read_elements(contents[1], bounds=BOUNDS)
        return verify(contents[0], original=contents[1], before=before, common=COMMON, bounds=BOUNDS)


def refusal(written: Dataset | bytes, original: Dataset | bytes = ORIGINAL) -> WithheldCode:
    with pytest.raises(WithheldError) as found:
        verified(written, original)
    return found.value.reason


@pytest.mark.parametrize(
    "attributes",
    [
        {"PatientComments": "Fantasia"},
        {"PatientComments": "seen by Ottilie today"},
        {"PatientComments": "MRN 884422"},
        {"PatientComments": "Lindwurmgasse 7"},
        {"PatientComments": "klinikum wolkenstein"},
        {"PatientComments": "MR3"},
        {"PatientComments": "by Li"},
        {"PatientComments": "Größe"},
        {"PatientComments": "born 14.02.1961"},
        {"PatientComments": "scan 2021-07-15"},
        {"PatientComments": "x20210715"},
        {"PatientComments": "m r n 88 44 22"},
        {"ImageType": ["ORIGINAL", "PRIMARY", "FANTASIAOTTILIE"]},
        {"SeriesDescription": "167067"},
        {"ImageType": ["ORIGINAL", "PRIMARY", "FANTASIA"]},
        {"StudyDate": "20210715"},
        {"AcquisitionDate": "20210715"},
        {"PatientBirthDate": "19610214"},
        {"FrameOfReferenceUID": UID + "4"},
        {"ReferencedImageSequence": [item(ReferencedSOPInstanceUID=UID + "77")]},
        {"ReferencedImageSequence": [item(ReferencedSOPInstanceUID="2.25.9", PatientComments="Ottilie")]},
        {"PerformedProcedureStepID": "PPS-2021-99"},
        {"SAR": "884422"},
        {"AnatomicRegionSequence": [item(CodeValue="FANTASIA", CodingSchemeDesignator="SCT", CodeMeaning="Thigh")]},
        {"AnatomicRegionSequence": [item(CodeValue="Wagner^Hans", CodingSchemeDesignator="SCT", CodeMeaning="Thigh")]},
        {"AcquisitionMatrix": list(range(1, 20))},
        {"AcquisitionMatrix": [0x6157, 0x646C, 0x7266, 0x6D65]},
    ],
)
def test_an_identifying_value_in_the_output_is_found(attributes: dict[str, object]) -> None:
    """Whole values, words, spellings of dates, UIDs and nested elements: every leak planted is found."""
    assert refusal(clean(**attributes)) is WithheldCode.LEAK_FOUND


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        (0x00291010, "OB", b"blob"),
        (0x00191008, "LO", "text"),
        (0x60003000, "OW", b"\0\1"),
        (0x00420011, "OB", b"pdf!"),
        (0x00100099, "LO", "unknown"),
        (0x00880200, "SQ", [item(PixelData=b"\0\1")]),
    ],
)
def test_an_element_that_no_output_may_hold_is_found(tag: int, vr: str, value: object) -> None:
    """Private text and blobs, overlays, documents, unknown tags and icons are leaks by their kind."""
    dataset = clean()
    dataset.add_new(tag, vr, value)
    if vr == "SQ":
        dataset[tag].value[0]["PixelData"].VR = "OW"
    assert refusal(dataset) is WithheldCode.LEAK_FOUND


def test_digits_in_groups_are_no_number() -> None:
    """An identifier with spaces in it passes for a DS of many characters."""
    content = file_bytes(clean(RepetitionTime="400.00000000"))
    assert refusal(content.replace(b"400.00000000", b"483 920 1177")) in {
        WithheldCode.LEAK_FOUND,
        WithheldCode.VALUE_CHANGED,
    }
    assert (
        refusal(file_bytes(clean(SAR="400.00000000")).replace(b"400.00000000", b"483 920 1177"))
        is WithheldCode.LEAK_FOUND
    )


def test_a_name_in_the_bytes_of_a_private_number_is_found() -> None:
    """Four letters are a float; when they are the patient's, they are a name."""
    dataset = clean()
    dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, "FD", 1.0)
    content = file_bytes(dataset)
    assert verified(content)
    assert refusal(content.replace(struct.pack("<d", 1.0), b"Fantasia")) is WithheldCode.LEAK_FOUND


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_bytes_between_elements_are_searched(encoding: str) -> None:
    """A value in the preamble, in any encoding, is found."""
    hidden = "Klinikum Wolkenstein".encode(encoding).ljust(128, b"\0")
    assert refusal(hidden + file_bytes(clean())[128:]) is WithheldCode.LEAK_FOUND


def test_compressed_pixels_are_searched() -> None:
    """A comment in a compressed stream is found."""
    pixels = encapsulate([b"\xff\x64 by " + PATIENT["PatientID"].encode()])
    contents = [
        file_bytes(dataset, transfer_syntax=JPEG2000Lossless)
        for dataset in (clean(PixelData=pixels), mr(PixelData=pixels))
    ]
    assert refusal(*contents) is WithheldCode.LEAK_FOUND


def test_a_clean_output_passes_with_the_number_of_checks() -> None:
    """A clean file is released with digests and a count of what was compared."""
    result = verified(clean())
    assert result.checks > 40
    assert len(result.sha256) == len(result.pixel_sha256) == 64


@pytest.mark.parametrize(
    ("original", "attributes"),
    [
        ({"PatientName": "Thigh^Head"}, {"StudyDescription": "", "BodyPartExamined": "HEAD"}),
        ({"StudyID": "7"}, {"InstanceNumber": "7"}),
        ({"InstitutionName": "left leg clinic t1"}, {"SeriesDescription": "gre_field_magph"}),
        ({"InstitutionName": "MR"}, {}),
        ({"PatientName": "Private"}, {"DeidentificationMethod": "Retain Safe Private Option"}),
        ({"PatientID": "131313"}, {"PatientWeight": "71.5", "RepetitionTime": "400", "SliceLocation": "3.131313131"}),
        ({"PatientBirthDate": "20190101"}, {}),
        ({"StudyDate": "19000101"}, {"StudyDate": "19000101"}),
        ({"InstitutionName": "REMOVED"}, {"DeviceSerialNumber": "REMOVED"}),
    ],
)
def test_chance_and_common_words_withhold_nothing(original: dict[str, object], attributes: dict[str, object]) -> None:
    """Codes of the standard, counts, digits inside longer numbers and shifted dates are no leaks."""
    common = {"SeriesDescription": None, "StudyDescription": None, "BodyPartExamined": None, **attributes}
    assert verified(
        clean(**common), mr(**original, **({"SliceLocation": "3.131313131"} if "SliceLocation" in attributes else {}))
    )


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"EchoTime": "5.2"}, WithheldCode.VALUE_CHANGED),
        ({"PixelSpacing": [1, 1]}, WithheldCode.VALUE_CHANGED),
        ({"ImagePositionPatient": None}, WithheldCode.VALUE_CHANGED),
        ({"PixelData": b"\1" * 32}, WithheldCode.PIXELS_CHANGED),
        ({"PatientID": None}, WithheldCode.TYPE_1_LOST),
        ({"Modality": ""}, WithheldCode.TYPE_1_LOST),
        ({"Modality": None}, WithheldCode.TYPE_1_LOST),
    ],
)
def test_a_changed_or_lost_value_is_found(attributes: dict[str, object], code: WithheldCode) -> None:
    """Geometry, quantities, pixels and mandatory attributes are those of the original."""
    assert refusal(clean(**attributes)) is code


def test_another_transfer_syntax_is_found() -> None:
    """Equal pixel bytes in another transfer syntax are another image."""
    assert refusal(file_bytes(clean(), transfer_syntax="1.2.840.10008.1.2")) is WithheldCode.PIXELS_CHANGED


def test_a_lost_functional_group_is_found() -> None:
    """A quantity goes only with a sequence that the standard's table names."""
    lost = enhanced(**CLEAN, SharedFunctionalGroupsSequence=None, PerFrameFunctionalGroupsSequence=[])
    assert refusal(lost, enhanced(PerFrameFunctionalGroupsSequence=[])) in {
        WithheldCode.VALUE_CHANGED,
        WithheldCode.TYPE_1_LOST,
    }
    icon = mr(IconImageSequence=[item(Rows=1, Columns=1)])
    assert verified(clean(), icon)


def test_zero_checks_are_no_pass() -> None:
    """A file in which nothing could be sought or compared is withheld."""
    nobody = dict.fromkeys(
        [
            "PatientName",
            "PatientID",
            "StudyDate",
            "StudyDescription",
            "SeriesDescription",
            "SOPInstanceUID",
            "StudyInstanceUID",
            "SeriesInstanceUID",
            "FrameOfReferenceUID",
        ]
    )
    registered = {"MediaStorageSOPInstanceUID": "1.2.840.10008.1.1"}
    written, original = (file_bytes(one, **registered) for one in (clean(**nobody), mr(**{**CLEAN, **nobody})))
    assert refusal(written, original) is WithheldCode.NOTHING_CHECKED


def test_what_was_clean_of_one_patient_is_sought_again_for_the_next() -> None:
    """A word that is nobody's stays in the first patient's files, and is the second patient's name, in whatever order they come."""
    written, namesake = clean(PatientComments="Wolke"), mr(PatientName="Wolke^Anna")
    first = verified(written)
    assert refusal(written, namesake) is WithheldCode.LEAK_FOUND
    assert verified(written) == first
    assert refusal(written, namesake) is WithheldCode.LEAK_FOUND


def test_uids_and_dates_are_compared_in_every_file() -> None:
    """What was no UID or date of one file of a patient may be that of the next."""
    written, other = (
        clean(FrameOfReferenceUID="2.25.4", AcquisitionDate="20190102"),
        {**CLEAN, "SOPInstanceUID": "2.25.6"},
    )
    verified(written)
    assert refusal(written, mr(StationName="MR3", FrameOfReferenceUID="2.25.4")) is WithheldCode.LEAK_FOUND
    assert refusal(written, mr(StationName="MR3", AcquisitionDate="20190102")) is WithheldCode.LEAK_FOUND
    assert verified(mr(**other)).checks


def test_memory_of_clean_elements_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """With hardly any memory a file is judged alike."""
    expected = verified(clean())
    monkeypatch.setattr("myofed_anonymization.verify.MOST_REMEMBERED", 2)
    monkeypatch.setattr("myofed_anonymization.verify.LONGEST_REMEMBERED", 12)
    original = mr(StationName="MR4")
    assert verified(clean(), original).sha256 == expected.sha256
    assert refusal(clean(PatientComments="MR4"), original) is WithheldCode.LEAK_FOUND
