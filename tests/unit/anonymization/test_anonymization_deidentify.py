from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from anonymization_factories import (
    KEYS,
    NOW,
    PATIENT,
    RLE_PIXELS,
    UID,
    enhanced,
    file_bytes,
    item,
    mr,
    only,
    output,
    policy_with,
    run,
    segmentation,
    treated,
    with_csa,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import config, dcmread
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from myofed_anonymization import Options, SiteKeys, default_policy, deidentify, pseudonym, read_report
from myofed_anonymization.pseudonym_sources import CsvPseudonyms
from myofed_anonymization.vault import Vault
from myofed_schemas.deid import REPORT_NAME, DeidentificationReport, NoteCode, WithheldCode
from myofed_schemas.errors import MyofedError
from myofed_schemas.side_record import SideRecord


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


def test_files_are_treated_by_several_processes(tmp_path: Path) -> None:
    """Which process took which file makes no difference."""
    files = [mr(SOPInstanceUID=f"{UID}{number}") for number in range(10, 22)]
    one = run(tmp_path, *files)
    for processes in (1, 3):
        out = tmp_path / f"out-{processes}"
        deidentify(
            tmp_path / "in", out, keys=KEYS, policy=default_policy(), now=NOW, options=Options(processes=processes)
        )
        assert read_report(out) == one


def test_a_deflated_file_is_released_inflated(tmp_path: Path) -> None:
    """The same elements and pixels as from the file that was not deflated."""
    plain = only(tmp_path, mr())
    (tmp_path / "deflated").mkdir()
    content = file_bytes(mr(), transfer_syntax=DeflatedExplicitVRLittleEndian)
    outcome = treated(tmp_path / "deflated", content).outcome
    assert outcome.notes == (NoteCode.INFLATED,)
    assert dcmread(output(tmp_path / "deflated", outcome)) == plain


def test_a_label_map_is_released_and_still_points_to_its_images(tmp_path: Path) -> None:
    """Segmentation Storage: references and frames of reference are those of the de-identified images."""
    image = only(tmp_path, mr())
    released = only(tmp_path, segmentation())
    assert released.ReferencedSeriesSequence[0].SeriesInstanceUID == image.SeriesInstanceUID
    referenced = released.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID
    assert referenced == image.SOPInstanceUID
    assert released.FrameOfReferenceUID == image.FrameOfReferenceUID
    assert released.SegmentSequence[0].SegmentLabel == "vastus lateralis left"
    assert released.PixelData == segmentation().PixelData
    assert released.ContentCreatorName == ""


def test_uids_in_text_still_point_to_their_objects(tmp_path: Path) -> None:
    """A UID that stands in a description becomes the new UID of what it names."""
    released = only(tmp_path, mr(DerivationDescription=f"mean of {UID}3 and {UID}1, Fantasia"))
    assert released.DerivationDescription == f"mean of {released.SeriesInstanceUID} and {released.SOPInstanceUID}"


def test_uids_stay_only_where_the_policy_retains_them(tmp_path: Path) -> None:
    """The option is claimed, and names of files are new UIDs all the same."""
    report = run(tmp_path, mr(), policy=policy_with(retain_uids=True))
    released = dcmread(output(tmp_path, report.files[0]))
    assert released.SOPInstanceUID == UID + "1"
    assert UID not in str(report.files[0].output)
    assert "113110" in report.options
    assert [code.CodeValue for code in released.DeidentificationMethodCodeSequence] == list(report.options)


def test_a_trusted_third_party_may_give_the_pseudonyms(tmp_path: Path) -> None:
    """Its label is written; a patient it does not know is withheld; another source may not use the folder."""
    mapping = tmp_path / "map.csv"
    mapping.write_text("issuer,patient_id,pseudonym\n,MRN-884422,TTP0000000000042\n")
    mapping.chmod(0o600)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.dcm").write_bytes(file_bytes(mr()))
    (tmp_path / "in" / "2.dcm").write_bytes(file_bytes(mr(PatientID="UNKNOWN", SOPInstanceUID=UID + "8")))
    options = Options(pseudonyms=CsvPseudonyms.load(mapping, keys=KEYS))
    arguments = {"keys": KEYS, "policy": default_policy(), "now": NOW}
    deidentify(tmp_path / "in", tmp_path / "out", options=options, **arguments)
    report = read_report(tmp_path / "out")
    assert dcmread(output(tmp_path, report.files[0])).PatientID == "TTP0000000000042"
    assert report.files[1].code is WithheldCode.PSEUDONYM_MISSING
    with pytest.raises(MyofedError, match="OUT_OF_ANOTHER_RUN"):
        deidentify(tmp_path / "in", tmp_path / "out", **arguments)


def test_the_vault_knows_every_released_patient(tmp_path: Path) -> None:
    """It is written before a file is released, and holds nothing readable."""
    key = tmp_path / "vault.key"
    key.write_bytes(b"k" * 32)
    key.chmod(0o600)
    vault = Vault.open(tmp_path / "vault", key)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.dcm").write_bytes(file_bytes(mr()))
    deidentify(
        tmp_path / "in", tmp_path / "out", keys=KEYS, policy=default_policy(), now=NOW, options=Options(vault=vault)
    )
    label = pseudonym(KEYS, issuer="", patient_id=PATIENT["PatientID"])
    found = vault.look_up(label, reason="incidental finding, case 7", who="dpo", now=NOW)
    assert found.patient_id == PATIENT["PatientID"]
    assert not any(b"884422" in path.read_bytes() for path in (tmp_path / "vault").rglob("*") if path.is_file())


def test_numbers_of_a_vendors_header_go_to_the_side_record(tmp_path: Path) -> None:
    """They lie beside the series, and the report vouches for them."""
    report = run(tmp_path, with_csa(mr(), BandwidthPerPixelPhaseEncode="17.5"), mr(SOPInstanceUID=UID + "8"))
    ((name, digest),) = report.side_records.items()
    content = (tmp_path / "out" / name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == digest
    record = SideRecord.model_validate_json(content)
    assert report.files[0].output
    assert record.instances == {Path(report.files[0].output).stem: {"BandwidthPerPixelPhaseEncode": (17.5,)}}
    assert record.series_instance_uid == report.files[0].output.split("/")[1]


def test_a_run_that_cannot_write_says_so(tmp_path: Path) -> None:
    """A vault or folder that refuses ends the run with its code, not with a list of withheld files."""
    key = tmp_path / "vault.key"
    key.write_bytes(b"k" * 32)
    key.chmod(0o600)
    vault = Vault.open(tmp_path / "vault", key)
    vault.record(pseudonym=pseudonym(KEYS, issuer="", patient_id="MRN-884422"), issuer="", patient_id="another")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.dcm").write_bytes(file_bytes(mr()))
    with pytest.raises(MyofedError, match="VAULT_CONFLICT"):
        deidentify(
            tmp_path / "in", tmp_path / "out", keys=KEYS, policy=default_policy(), now=NOW, options=Options(vault=vault)
        )
    assert not (tmp_path / "out" / REPORT_NAME).exists()
    assert not list((tmp_path / "out").rglob("*.dcm"))


def test_compressed_pixels_are_copied_undecoded(tmp_path: Path) -> None:
    """Fragments stay byte for byte in their transfer syntax."""
    pixels = RLE_PIXELS
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
    outcome = treated(folder, dataset).outcome
    assert outcome.code is None
    content = output(folder, outcome).read_bytes().lower()
    for value in [WORD, PATIENT["PatientID"], "884422", "Zuweiser", "Ottilie", "Wolkenstein"]:
        assert value.lower().encode() not in content


@pytest.mark.parametrize(("unit", "left"), [("ms", "ms"), ("FANTASIA", "US")])
def test_unit_of_a_map_stays_whole_or_is_unspecified(tmp_path: Path, unit: str, left: str) -> None:
    """A known unit is the meaning of every voxel; anything else in its place could be a name."""
    dataset = mr()
    dataset.RescaleType = unit
    outcome = treated(tmp_path, dataset).outcome
    assert outcome.code is None
    assert dcmread(output(tmp_path, outcome)).RescaleType == left
