"""The mapping files: from the inputs and the key alone."""

from __future__ import annotations

from pathlib import Path

from bench.midi_b.mapping import read_inputs
from bench.midi_b.own_key import make_own_set
from bench.midi_b.run import PUBLIC_KEY_NEVER_FOR_PATIENTS
from pydicom import dcmread

from myofed_anonymization import date_shift_days, new_uid

KEYS = PUBLIC_KEY_NEVER_FOR_PATIENTS


def test_every_uid_at_any_depth_is_mapped_and_none_of_the_standard(tmp_path: Path) -> None:
    """References inside sequences need the same new UIDs as the files they name."""
    own = make_own_set(tmp_path, patients=1, modalities=("MR",))
    uids = read_inputs(own.data, keys=KEYS, retain_uids=False).mappings.uids
    old = dcmread(own.data / "0-MR" / "1-2.dcm")
    nested = old.ReferencedImageSequence[0].ReferencedSOPInstanceUID
    expected = {old.StudyInstanceUID, old.SeriesInstanceUID, old.SOPInstanceUID, old.FrameOfReferenceUID, nested}
    assert set(uids) == expected
    assert all(new == new_uid(KEYS, uid) for uid, new in uids.items())


def test_a_policy_that_keeps_uids_maps_each_to_itself(tmp_path: Path) -> None:
    """With retain_uids the benchmark's uid_consistent asks for the old UID."""
    own = make_own_set(tmp_path, patients=1, modalities=("MR",))
    uids = read_inputs(own.data, keys=KEYS, retain_uids=True).mappings.uids
    assert all(new == uid for uid, new in uids.items())


def test_one_patient_id_of_two_issuers_is_counted(tmp_path: Path) -> None:
    """The benchmark's file has no issuer; the first pseudonym stands, and the report says that there was another."""
    own = make_own_set(tmp_path, patients=1, modalities=("MR",))
    path = own.data / "0-MR" / "1-2.dcm"
    other = dcmread(path)
    other.IssuerOfPatientID = "OTHER HOUSE"
    other.save_as(path)
    inputs = read_inputs(own.data, keys=KEYS, retain_uids=False)
    assert inputs.ambiguous == {other.PatientID}
    assert len(inputs.mappings.patient_ids) == 1


def test_a_file_without_patient_id_is_named_after_its_study(tmp_path: Path) -> None:
    """There is no old PatientID to map; its dates move as the study's."""
    own = make_own_set(tmp_path, patients=1, modalities=("MR",))
    for path in own.data.rglob("*.dcm"):
        image = dcmread(path)
        image.PatientID = None
        image.save_as(path)
    inputs = read_inputs(own.data, keys=KEYS, retain_uids=False)
    days = date_shift_days(KEYS, issuer="StudyInstanceUID", patient_id=image.StudyInstanceUID)
    assert inputs.mappings.patient_ids == {}
    assert {one.days for claims in inputs.instances.values() for one in claims} == {days}


def test_files_that_are_no_dicom_are_counted_and_links_not_followed(tmp_path: Path) -> None:
    """The benchmark's folders hold licence texts too."""
    own = make_own_set(tmp_path, patients=1, modalities=("MR",))
    (own.data / "LICENSE").write_text("CC BY 4.0")
    (own.data / "link.dcm").symlink_to(own.data / "0-MR" / "1-1.dcm")
    inputs = read_inputs(own.data, keys=KEYS, retain_uids=False)
    assert [path.name for path in inputs.not_dicom] == ["LICENSE"]
    assert sum(map(len, inputs.instances.values())) == 2


def test_unknown_and_multi_valued_elements_are_no_obstacle(tmp_path: Path) -> None:
    """A tag that no dictionary knows is passed over; each of several UIDs is mapped."""
    own = make_own_set(tmp_path, patients=1, modalities=("MR",))
    path = own.data / "0-MR" / "1-1.dcm"
    image = dcmread(path)
    image.add_new(0x00080FFE, "UI", "1.9.9")
    image.RelatedGeneralSOPClassUID = ["1.9.1", "1.9.2"]
    image.save_as(path)
    uids = read_inputs(own.data, keys=KEYS, retain_uids=False).mappings.uids
    assert {"1.9.1", "1.9.2"} <= set(uids)
    assert "1.9.9" not in uids
