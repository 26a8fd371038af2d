"""An answer key in the benchmark's format for DICOM that we make ourselves, so that the runner is tested without its data.

`python -m bench.midi_b.own_key FOLDER` leaves FOLDER/data and FOLDER/answer.db. The patients are invented, the same for one seed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

ROOT = "1.3.12.2.1107.5.2.99."
STORAGE = {
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "US": "1.2.840.10008.5.1.4.1.1.6.1",
}
SIZE = 16
BOX = {"text": "FANTASIA", "top_left": [2, 3], "bottom_right": [12, 8]}
"""Where the ultrasound images carry their text, in pixels (column, row)."""
FIRST = ("Ottilie", "Balduin", "Kunigunde", "Ewald")
LAST = ("Fantasia", "Wolkenburg", "Silberzahn", "Nebelhorn")
PEOPLE = {"ReferringPhysicianName": "Zuweiser^Hubert", "InstitutionName": "Klinikum Wolkenstein"}


@dataclass(frozen=True, slots=True)
class OwnSet:
    """A data folder and its answer key."""

    data: Path
    key: Path


def make_own_set(
    folder: Path, *, seed: int = 0, patients: int = 2, modalities: tuple[str, ...] = ("MR", "CT", "US")
) -> OwnSet:
    """The folder holds data and answer.db: per patient two instances of each modality.

    Args:
        folder: New or empty.
        seed: The same seed makes the same bytes of data.
        patients: 1 to 4.
        modalities: Out of MR, CT, US; our default policy releases MR alone.
    """
    rng = random.Random(seed)
    data, key = folder / "data", folder / "answer.db"
    rows: list[tuple[object, ...]] = []
    for patient in range(patients):
        identity = _identity(rng, patient)
        for modality in modalities:
            for number in (1, 2):
                image = _image(identity, modality=modality, number=number, rng=rng)
                path = data / f"{patient}-{modality}" / f"1-{number}.dcm"
                path.parent.mkdir(parents=True, exist_ok=True)
                dcmwrite(path, image, enforce_file_format=True)
                rows.append(_row(len(rows), image, actions_of(image)))
    _write_key(key, rows)
    return OwnSet(data, key)


def _identity(rng: random.Random, patient: int) -> dict[str, str]:
    day = rng.randint(10, 28)
    return {
        "PatientName": f"{LAST[patient]}^{FIRST[patient]}",
        "PatientID": f"{rng.randint(10_000_000, 99_999_999)}",
        "PatientBirthDate": f"19{rng.randint(30, 79)}02{day}",
        "AccessionNumber": f"ACC{rng.randint(100_000, 999_999)}",
        "StudyDate": f"20{rng.randint(10, 22)}07{day}",
        "StudyInstanceUID": f"{ROOT}{rng.randint(10**9, 10**10)}",
        "FrameOfReferenceUID": f"{ROOT}{rng.randint(10**9, 10**10)}",
    }


def _image(identity: dict[str, str], *, modality: str, number: int, rng: random.Random) -> Dataset:
    image = Dataset()
    series = f"{identity['StudyInstanceUID']}.{list(STORAGE).index(modality) + 1}"
    values: dict[str, object] = {
        "SpecificCharacterSet": "ISO_IR 100",
        "ImageType": ["ORIGINAL", "PRIMARY", "M"],
        "SOPClassUID": STORAGE[modality],
        "SOPInstanceUID": f"{series}.{number}",
        "SeriesInstanceUID": series,
        "Modality": modality,
        "Manufacturer": "SIEMENS",
        "SeriesDescription": "gre field map",
        "StudyDescription": f"Thigh {identity['PatientName'].split('^')[0]}",
        "StudyID": "1",
        "PatientSex": "F",
        "PatientAge": "060Y",
        "AcquisitionDate": identity["StudyDate"],
        "SeriesNumber": "1",
        "InstanceNumber": str(number),
        "EchoTime": "5.19",
        "RepetitionTime": "400",
        "MagneticFieldStrength": "3",
        "SliceThickness": "5",
        "ImagePositionPatient": [0, 0, 5 * number],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [1.5, 1.5],
        "BurnedInAnnotation": "YES" if modality == "US" else "NO",
        "ReferencedImageSequence": Sequence([_reference(series, modality)]),
        **PEOPLE,
        **identity,
    }
    for keyword, value in values.items():
        setattr(image, keyword, value)
    _add_private(image)
    _add_pixels(image, rng)
    return image


def _reference(series: str, modality: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = STORAGE[modality]
    item.ReferencedSOPInstanceUID = f"{series}.1"
    return item


def _add_private(image: Dataset) -> None:
    image.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0C, "IS", "600")
    image.private_block(0x0029, "OWN NOTES", create=True).add_new(0x01, "LO", str(image.PatientName))


def _add_pixels(image: Dataset, rng: random.Random) -> None:
    pixels = np.random.default_rng(rng.randint(0, 2**32)).integers(0, 1000, (SIZE, SIZE)).astype("<u2")
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows = image.Columns = SIZE
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    image.PixelData = pixels.tobytes()
    image["PixelData"].VR = "OW"
    image.file_meta = FileMetaDataset()
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian


IOD, HIPAA_Z, HIPAA_M = {"dicom": {"iod": "DICOM-IOD-1"}}, {"hipaa": {"z": "HIPAA-A"}}, {"hipaa": {"m": "HIPAA-R"}}
TCIA, SAFE_PRIVATE = {"tcia": {"p15": "TCIA-P15-DESC-C"}}, {"tcia": {"ptkb": "TCIA-PTKB-K"}}
KEPT_TAGS = (0x00080060, 0x00080050, 0x00080090, 0x00100030, 0x00200010)
NOT_NULL = (0x00080016, 0x00080018, 0x00280010, 0x00280030, 0x00100020)
KEPT_TEXTS = (0x00080070, 0x0008103E, 0x00100040, 0x00180050, 0x00180080, 0x00180081, 0x00180087, 0x00080008)
REMOVED_TEXTS = (0x00100010, 0x00100020, 0x00080050, 0x00080080, 0x00080090)
DATES = (0x00080020, 0x00080022)
UIDS = (0x0020000D, 0x0020000E, 0x00080018, 0x00200052)
MAPPED = (0x0020000D, 0x0020000E, 0x00080018)
NESTED_UID = "<(0008,1140)>[<0000>]<(0008,1155)>"


def actions_of(image: Dataset) -> list[dict[str, Any]]:
    """What the key requires of this image: every action of the benchmark at least once."""
    actions = [_action("tag_retained", image, tag, categories=IOD) for tag in KEPT_TAGS]
    actions += [_action("text_notnull", image, tag, categories=IOD) for tag in NOT_NULL]
    actions += [_action("text_retained", image, tag, categories=TCIA) for tag in KEPT_TEXTS]
    actions += [_action("text_removed", image, tag, categories=HIPAA_Z) for tag in REMOVED_TEXTS]
    actions += [_action("date_shifted", image, tag) for tag in DATES]
    actions += [_action("uid_changed", image, tag) for tag in UIDS]
    actions += [_action("uid_consistent", image, tag) for tag in MAPPED]
    actions.append(_action("patid_consistent", image, 0x00100020))
    family = str(image.PatientName).split("^", maxsplit=1)[0]
    actions += [
        _entry("text_removed", "<(0008,1030)>", value=str(image.StudyDescription), text=family, categories=HIPAA_M),
        _entry("uid_consistent", NESTED_UID, value=image.ReferencedImageSequence[0].ReferencedSOPInstanceUID),
        _entry("text_retained", '<(0019,"SIEMENS MR HEADER",0c)>', value="600", text="600", categories=SAFE_PRIVATE),
        _entry(
            "text_removed", '<(0029,"OWN NOTES",01)>', value=str(image.PatientName), text=family, categories=HIPAA_M
        ),
        _entry("pixels_retained", None, text=hashlib.md5(image.PixelData, usedforsecurity=False).hexdigest()),
    ]
    if image.BurnedInAnnotation == "YES":
        actions[-1] = _entry("pixels_hidden", None, text=json.dumps(BOX))
    return actions


def _action(name: str, image: Dataset, tag: int, *, categories: dict[str, Any] | None = None) -> dict[str, Any]:
    element = image[tag]
    value = "\\".join(map(str, element.value)) if element.VM > 1 else str(element.value)
    return _entry(name, f"<({tag >> 16:04x},{tag & 0xFFFF:04x})>", value=value, text=value, categories=categories)


def _entry(
    name: str,
    place: str | None,
    *,
    value: str | None = None,
    text: str | None = None,
    categories: dict[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "scope": "<Instance>",
        "tag": place,
        "tag_ds": place,
        "tag_name": None,
        "value": None if value is None else f"<{value}>",
        "action": f"<{name}>",
        "action_text": None if text is None else f"<{text}>",
        "answer_category": [],
        "answer_category_v2": categories or {},
    }


def _row(number: int, image: Dataset, actions: list[dict[str, Any]]) -> tuple[object, ...]:
    digest = hashlib.md5(image.PixelData, usedforsecurity=False).hexdigest()
    answers = json.dumps({str(index): action for index, action in enumerate(actions)})
    uids = (str(image.StudyInstanceUID), str(image.SeriesInstanceUID), str(image.SOPInstanceUID))
    return (number, 1, image.Modality, str(image.SOPClassUID), int(image.PatientID), *uids, digest, answers)


def _write_key(path: Path, rows: list[tuple[object, ...]]) -> None:
    """The columns of the released keys, whose PatientID is an integer."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            'CREATE TABLE answer_data ("index" INTEGER, "group" INTEGER, Modality TEXT, SOPClassUID TEXT, PatientID INTEGER, '
            "StudyInstanceUID TEXT, SeriesInstanceUID TEXT, SOPInstanceUID TEXT, Digest TEXT, AnswerData TEXT)"
        )
        connection.executemany("INSERT INTO answer_data VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def main(arguments: list[str]) -> int:
    """FOLDER/data and FOLDER/answer.db are there; prints both paths."""
    parser = argparse.ArgumentParser(prog="python -m bench.midi_b.own_key", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    made = make_own_set(options.folder, seed=options.seed)
    print(f"{made.data}\n{made.key}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
