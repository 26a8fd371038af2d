from __future__ import annotations

import hashlib
import os
from importlib import import_module
from pathlib import Path

import pytest
from anonymization_factories import (
    KEYS,
    NOW,
    PATIENT,
    UID,
    enhanced,
    file_bytes,
    item,
    mr,
    only,
    output,
    policy_with,
    run,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import config, dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import RLELossless

from myofed_anonymization import SiteKeys, default_policy, deidentify
from myofed_schemas.deid import REPORT_NAME, DeidentificationReport, NoteCode, WithheldCode
from myofed_schemas.errors import MyofedError


def refusal(source: Path, out: Path) -> str:
    with pytest.raises(MyofedError) as found:
        deidentify(source, out, keys=KEYS, policy=default_policy(), now=NOW)
    return found.value.code


def test_impossible_sources_are_refused(tmp_path: Path) -> None:
    """A missing source, and an output inside the source, are told before anything is written."""
    assert refusal(tmp_path / "nowhere", tmp_path / "out") == "SOURCE_MISSING"
    (tmp_path / "unmounted").mkdir()
    assert refusal(tmp_path / "unmounted", tmp_path / "out") == "SOURCE_EMPTY"
    assert refusal(tmp_path, tmp_path / "out") == "OUT_INSIDE_SOURCE"
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_listed_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that nobody can see would have no outcome."""
    source = tmp_path / "in"
    source.mkdir()

    def failing(folder: Path, onerror: object) -> list[object]:
        assert callable(onerror)
        onerror(PermissionError())
        return []

    monkeypatch.setattr(os, "walk", failing)
    assert refusal(source, tmp_path / "out") == "SOURCE_UNREADABLE"


def test_every_input_has_exactly_one_outcome(tmp_path: Path) -> None:
    """Images are released, all else is withheld with its code, and the report's counts are the files'."""
    (tmp_path / "in" / "deeper").mkdir(parents=True)
    (tmp_path / "in" / "deeper" / "letter.txt").write_text("Fantasia")
    (tmp_path / "in" / "link.dcm").symlink_to("deeper/letter.txt")
    (tmp_path / "in" / "folder-link").symlink_to("deeper")
    (tmp_path / "in" / "big.dcm").write_bytes(bytes(9000))
    report = run(tmp_path, mr(), mr(SOPClassUID="1.2.840.10008.5.1.4.1.1.7"), policy=policy_with(max_file_bytes=8000))
    assert report.received == 6
    assert report.deidentified == 1
    assert report.withheld_by_code == {"NOT_A_REGULAR_FILE": 2, "NOT_DICOM": 1, "SOP_CLASS_REFUSED": 1, "TOO_LARGE": 1}


def test_a_file_that_cannot_be_read_is_withheld(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A permission or disk error of one input does not stop the others."""

    def failing(_: Path) -> bytes:
        raise PermissionError

    monkeypatch.setattr(Path, "read_bytes", failing)
    report = run(tmp_path, mr())
    assert (report.files[0].code, report.files[0].input_sha256) == (WithheldCode.UNREADABLE, None)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (mr(SOPInstanceUID="Fantasia\\Ottilie"), WithheldCode.UID_MISSING),
        (file_bytes(mr())[:-10], WithheldCode.PIXEL_LENGTH),
        (file_bytes(mr()).replace(b"ISO_IR 100", b"ISO_IR 999"), None),
    ],
)
def test_a_damaged_file_stops_no_run(tmp_path: Path, content: bytes | Dataset, code: WithheldCode | None) -> None:
    """Broken UIDs, lengths and character sets end in an outcome, not in an error."""
    report = run(tmp_path, content)
    assert report.received == 1
    assert report.files[0].code is code


def test_a_file_that_fails_verification_has_no_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A leak that the actions left is found after writing, and nothing of the file stays."""
    real = MODULE.write

    def leaking(dataset: Dataset, *, transfer_syntax: str) -> bytes:
        dataset.PatientComments = "Fantasia"
        return real(dataset, transfer_syntax=transfer_syntax)

    monkeypatch.setattr(MODULE, "write", leaking)
    report = run(tmp_path, mr())
    assert report.files[0].code is WithheldCode.LEAK_FOUND
    assert not list((tmp_path / "out").rglob("*.dcm"))


def test_the_report_names_no_input_and_holds_no_value(tmp_path: Path) -> None:
    """Inputs are numbers and digests; outputs have the digests of what lies on disk."""
    report = run(tmp_path, mr(), enhanced(SOPInstanceUID=UID + "8"))
    text = (tmp_path / "out" / REPORT_NAME).read_text()
    assert DeidentificationReport.model_validate_json(text) == report
    assert not [word for word in ("Fantasia", "884422", "Wolkenstein", UID, "THIGH", str(tmp_path)) if word in text]
    for path, digest in report.outputs().items():
        assert hashlib.sha256((tmp_path / "out" / path).read_bytes()).hexdigest() == digest
    released = dcmread(output(tmp_path, report.files[0]))
    assert hashlib.sha256(released.PixelData).hexdigest() == report.files[0].pixel_sha256
    assert report.policy_digest == default_policy().digest()


def test_output_names_are_the_new_uids(tmp_path: Path) -> None:
    """No name of a source file survives in a path."""
    report = run(tmp_path, mr())
    released = dcmread(output(tmp_path, report.files[0]))
    assert (
        report.files[0].output
        == f"{released.StudyInstanceUID}/{released.SeriesInstanceUID}/{released.SOPInstanceUID}.dcm"
    )


def test_identical_duplicates_give_one_output(tmp_path: Path) -> None:
    """Two copies of one instance are released once, and the second is noted."""
    report = run(tmp_path, mr(), mr())
    assert [file.notes for file in report.files] == [(), (NoteCode.DUPLICATE_IDENTICAL,)]
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 1


@pytest.mark.parametrize("other", [{"EchoTime": "7.65"}, {"SeriesInstanceUID": UID + "33"}])
def test_two_contents_of_one_instance_are_both_withheld(tmp_path: Path, other: dict[str, object]) -> None:
    """Which one is right depends on no order of files."""
    report = run(tmp_path, mr(), mr(**other))
    assert [file.code for file in report.files] == [WithheldCode.DUPLICATE_CONFLICT] * 2
    assert not list((tmp_path / "out").rglob("*.dcm"))


def test_a_claim_to_be_clean_proves_nothing(tmp_path: Path) -> None:
    """(0012,0062)=YES in an input is noted, and the file is treated like any other."""
    report = run(tmp_path, mr(PatientIdentityRemoved="YES"))
    assert report.files[0].notes == (NoteCode.ALREADY_DEIDENTIFIED,)
    assert dcmread(output(tmp_path, report.files[0])).PatientName != PATIENT["PatientName"]


def test_progress_and_several_sources(tmp_path: Path) -> None:
    """Files and folders may be mixed; progress is told after each file."""
    run(tmp_path, mr())
    single = tmp_path / "single.dcm"
    single.write_bytes(file_bytes(mr(SOPInstanceUID=UID + "8")))
    told: list[tuple[int, int]] = []
    report = deidentify(
        [tmp_path / "in", single],
        tmp_path / "both",
        keys=KEYS,
        policy=default_policy(),
        now=NOW,
        progress=lambda done, total: told.append((done, total)),
    )
    assert report.deidentified == 2
    assert told == [(1, 2), (2, 2)]


def test_compressed_pixels_are_copied_undecoded(tmp_path: Path) -> None:
    """Fragments stay byte for byte in their transfer syntax."""
    pixels = encapsulate([b"\1\0\0\0" + bytes(60)])
    released = only(tmp_path, file_bytes(mr(PixelData=pixels), transfer_syntax=RLELossless))
    assert released.PixelData == pixels
    assert released.file_meta.TransferSyntaxUID == RLELossless


def test_the_same_input_gives_the_same_bytes_anywhere(tmp_path: Path) -> None:
    """Order and folder do not matter; another key shares no UID, pseudonym or date."""
    files = [mr(), enhanced(SOPInstanceUID=UID + "8")]
    contents = []
    for name, order, key in (("a", files, KEYS), ("b", files[::-1], KEYS), ("c", files, SiteKeys(b"q" * 32))):
        (tmp_path / name).mkdir()
        run(tmp_path / name, *order, keys=key)
        contents.append(
            {
                str(path.relative_to(tmp_path / name)): path.read_bytes()
                for path in (tmp_path / name).rglob("out/**/*.dcm")
            }
        )
    assert contents[0] == contents[1]
    assert not contents[0].keys() & contents[2].keys()


MODULE = import_module("myofed_anonymization.deidentify")
WORD = "Fantasia"
TAGS = st.sampled_from(
    [
        "PatientComments",
        "StudyDescription",
        "ImageComments",
        "RequestingService",
        "StationName",
        "OperatorsName",
        "PatientAddress",
        "SequenceName",
        "ReceiveCoilName",
        "Manufacturer",
        "SoftwareVersions",
        "ProtocolName",
        "ScanOptions",
        "BodyPartExamined",
        "OtherPatientIDs",
        "ContrastBolusAgent",
        "DerivationDescription",
        "CodeMeaning",
        "StackID",
        "FrameComments",
        "RescaleType",
    ]
)
PLANTS = st.sampled_from(
    [
        WORD,
        f"{WORD}^Ottilie",
        "t1 FANTASIA",
        "MRN-884422",
        "884422",
        "thigh 884422 sag",
        "Zuweiser",
        "Klinikum Wolkenstein",
    ]
)
NEST = st.sampled_from(
    [
        "ReferencedImageSequence",
        "AnatomicRegionSequence",
        "MREchoSequence",
        "FrameContentSequence",
        "RequestAttributesSequence",
        "SharedFunctionalGroupsSequence",
        "PerFrameFunctionalGroupsSequence",
        "ContributingEquipmentSequence",
    ]
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(plants=st.lists(st.tuples(TAGS, PLANTS, st.lists(NEST, max_size=3)), min_size=1, max_size=5))
def test_planted_identifiers_never_survive(
    tmp_path_factory: pytest.TempPathFactory, plants: list[tuple[str, str, list[str]]]
) -> None:
    """Wherever a name or identifier stands, at any depth, a released file does not hold it."""
    dataset = mr()
    with config.disable_value_validation():
        for keyword, value, nest in plants:
            target = dataset
            for sequence in nest:
                if sequence not in target:
                    setattr(target, sequence, [item()])
                target = getattr(target, sequence)[0]
            setattr(target, keyword, value[:16])
    folder = tmp_path_factory.mktemp("plant")
    report = run(folder, dataset)
    assert report.files[0].code is None
    content = output(folder, report.files[0]).read_bytes().lower()
    for value in [WORD, PATIENT["PatientID"], "884422", "Zuweiser", "Ottilie", "Wolkenstein"]:
        assert value.lower().encode() not in content
