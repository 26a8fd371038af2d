"""What became of the inputs' identifiers, computed from the inputs and the key alone: uid_mapping.csv, patid_mapping.csv.

The benchmark compares the output with these files, so they are never made from the output.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset

from bench.midi_b.reading import DAMAGED, quiet_pydicom
from myofed_anonymization import SiteKeys, date_shift_days, new_uid, pseudonym
from myofed_schemas.files import write_atomically

DICOM_ROOT = "1.2.840.10008."
UID_MAPPING, PATIENT_ID_MAPPING = "uid_mapping.csv", "patid_mapping.csv"
COLUMNS = ("id_old", "id_new")


@dataclass(frozen=True)
class Mappings:
    """Old identifiers and what stands for them: every UID of the inputs at any depth, and every PatientID."""

    uids: dict[str, str] = field(default_factory=dict)
    patient_ids: dict[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Both files lie in the folder, in the benchmark's format; they hold old identifiers and stay where the data are."""
        write_atomically(folder / UID_MAPPING, _csv(self.uids))
        write_atomically(folder / PATIENT_ID_MAPPING, _csv(self.patient_ids))


@dataclass(frozen=True, slots=True)
class Input:
    """One DICOM file of the data folder."""

    sha256: str
    modality: str
    days: int
    """What every date of its patient moves by."""


@dataclass(frozen=True)
class Inputs:
    """The data folder: its instances by SOPInstanceUID, and the mappings of its identifiers.

    `ambiguous` holds PatientIDs that two issuers use: the benchmark's file can name only one pseudonym for them.
    """

    instances: dict[str, list[Input]] = field(default_factory=dict)
    mappings: Mappings = field(default_factory=Mappings)
    ambiguous: set[str] = field(default_factory=set)
    not_dicom: list[Path] = field(default_factory=list)


def read_inputs(data: Path, *, keys: SiteKeys, retain_uids: bool) -> Inputs:
    """Every file below the folder that is DICOM, one at a time; the others are counted.

    Args:
        data: The benchmark's images, in any layout.
        keys: The key that the output is made with.
        retain_uids: Whether the policy keeps UIDs: then each stands for itself.
    """
    inputs = Inputs()
    for path in _files(data):
        content = path.read_bytes()
        try:
            with quiet_pydicom():
                dataset = dcmread(io.BytesIO(content), stop_before_pixels=True)
                _add(inputs, dataset, sha256=hashlib.sha256(content).hexdigest(), keys=keys)
                uids = set(_uids_of(dataset))
        except DAMAGED:
            inputs.not_dicom.append(path)
            continue
        new = {uid: uid if retain_uids else new_uid(keys, uid) for uid in uids}
        inputs.mappings.uids.update(new)
    return inputs


def _files(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        folders.sort()
        paths = (Path(where, name) for name in sorted(names))
        yield from (path for path in paths if path.is_file() and not path.is_symlink())


def _add(inputs: Inputs, dataset: Dataset, *, sha256: str, keys: SiteKeys) -> None:
    patient_id, issuer = (_text(dataset, keyword) for keyword in ("PatientID", "IssuerOfPatientID"))
    uid = _text(dataset, "SOPInstanceUID")
    if not patient_id:
        issuer, patient = "StudyInstanceUID", _text(dataset, "StudyInstanceUID")
    else:
        patient = patient_id
        new = pseudonym(keys, issuer=issuer, patient_id=patient_id)
        if inputs.mappings.patient_ids.setdefault(patient_id, new) != new:
            inputs.ambiguous.add(patient_id)
    days = date_shift_days(keys, issuer=issuer, patient_id=patient)
    inputs.instances.setdefault(uid, []).append(Input(sha256, _text(dataset, "Modality"), days))


def _text(dataset: Dataset, keyword: str) -> str:
    return str(dataset.get(keyword) or "").strip(" \0")


def _uids_of(dataset: Dataset) -> Iterator[str]:
    """Every UID in a standard element, at any depth, but those that the standard registers."""
    for tag in list(dataset.keys()):
        vr = "" if tag.is_private else _vr(tag)
        if vr == "UI":
            found = dataset[tag].value or ()
            values: Iterable[object] = [found] if isinstance(found, str) else found
            yield from (uid for uid in map(str, values) if uid and not uid.startswith(DICOM_ROOT))
        elif vr == "SQ" and dataset[tag].VR == "SQ":
            for item in dataset[tag].value or ():
                yield from _uids_of(item)


def _vr(tag: int) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return ""


def _csv(pairs: dict[str, str]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(sorted(pairs.items()))
    return text.getvalue().encode()
