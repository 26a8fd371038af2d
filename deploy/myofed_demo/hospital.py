"""A hospital's export: DICOM of all its patients, a reader's label maps, and a list of everything that must not leave."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from myofed_demo import dicom_ge, dicom_philips, dicom_siemens
from myofed_demo.exam import Exam, SeriesKind, WrittenSeries
from myofed_demo.identities import (
    HospitalIdentity,
    Planted,
    make_hospital_identity,
    make_patient_identity,
    planted_of,
)
from myofed_demo.labels import TABLE, Delivery, reader_values, write_deliveries, write_label_map, write_table
from myofed_demo.localizer import write_localizer, write_screen_capture
from myofed_demo.phantom import make_subject, subject_rng
from myofed_demo.scanner import ScannerPreset
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

VENDORS = {"siemens": dicom_siemens, "philips": dicom_philips, "ge": dicom_ge}
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class HospitalSummary:
    """What was made.

    Attributes:
        name: As asked.
        preset: Name of the scanner preset.
        subjects: How many patients, one exam each.
        files: DICOM files.
        series: How many series of each kind.
        label_maps: How many.
        planted: How many different identifying strings.
    """

    name: str
    preset: str
    subjects: int
    files: int
    series: dict[SeriesKind, int]
    label_maps: int
    planted: int


def make_hospital(
    out: Path, *, name: str, preset: ScannerPreset, subjects: int, seed: int, progress: Progress | None = None
) -> HospitalSummary:
    """`out` holds `dicom/`, `labels/` and `planted.json` of a made-up hospital; the same bytes for the same arguments.

    Made in a folder beside it and renamed at the end: `out` is complete or absent.

    Args:
        out: New folder.
        name: Tells hospitals of one demo apart; part of the seed, written nowhere in the DICOM.
        preset: Scanner, protocol and patients.
        subjects: Patients, at least 2. The first also has a series that must be quarantined, the second a screen capture.
        seed: Of the whole demo.
        progress: Called with (done, total) after each patient.

    Raises:
        MyofedError: `DEMO_FOLDER`: `out` exists; `DEMO_SUBJECTS`: fewer than two.
    """
    if out.exists():
        message = "expected a new folder for the hospital's export, found an existing one"
        raise MyofedError("DEMO_FOLDER", message, hint="name another folder", exit_code=ExitCode.USAGE)
    if subjects < 2:
        message = f"expected at least 2 subjects a hospital, found {subjects}"
        raise MyofedError("DEMO_SUBJECTS", message, hint="ask for more subjects", exit_code=ExitCode.USAGE)
    draft = out.parent / f".{out.name}.draft"
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "dicom").mkdir(parents=True)
    (draft / "labels").mkdir()
    made = _Making(draft, name, preset, seed, make_hospital_identity(subject_rng(seed, hospital=name, subject=-1)))
    for number in range(subjects):
        made.add_subject(number)
        if progress is not None:
            progress(number + 1, subjects)
    summary = made.finish(subjects)
    draft.rename(out)
    return summary


class _Making:
    """A hospital's export while it is being made."""

    def __init__(self, folder: Path, name: str, preset: ScannerPreset, seed: int, hospital: HospitalIdentity) -> None:
        self.folder, self.name, self.preset, self.seed, self.hospital = folder, name, preset, seed, hospital
        self.values = reader_values(subject_rng(seed, hospital=name, subject=-2))
        self.series: list[WrittenSeries] = []
        self.deliveries: list[Delivery] = []
        self.planted: list[Planted] = list(planted_of(hospital))

    def add_subject(self, number: int) -> None:
        """The patient's DICOM and label map lie in the folder."""
        key = f"{self.seed}|{self.name}|{number}"
        people = subject_rng(self.seed, hospital=f"{self.name}|people", subject=number)
        exam = Exam(self.hospital, make_patient_identity(self.hospital, people), key)
        disease = self.preset.diseases[number % len(self.preset.diseases)]
        subject = make_subject(disease, self.preset, subject_rng(self.seed, hospital=self.name, subject=number))
        folder = self.folder / "dicom" / exam.folder_name
        vendor = VENDORS[self.preset.vendor]
        self.series.append(write_localizer(folder, exam, subject))
        images = vendor.write_images(folder, exam, subject)
        self.series += images
        if number == 0:
            self.series.append(vendor.write_quarantine(folder, exam, subject))
        if number == 1:
            self.series.append(write_screen_capture(folder, exam, subject))
        labelled = next(item for item in images if item.labelled)
        file = f"reader1_{number + 1:03d}.nii.gz"
        write_label_map(self.folder / "labels" / file, subject, self.values)
        self.deliveries.append(
            Delivery(file, TABLE, exam.patient.patient_id, self.hospital.issuer, labelled.series_instance_uid)
        )
        self.planted += planted_of(exam.patient)
        self.planted += [Planted("uid", uid) for uid in exam.uids.values()]
        self.planted.append(Planted("path", exam.folder_name))

    def finish(self, subjects: int) -> HospitalSummary:
        """The tables lie in the folder, too."""
        write_table(self.folder / "labels", self.values)
        write_deliveries(self.folder / "labels", self.deliveries)
        planted = sorted({(item.kind, item.value) for item in self.planted})
        document = {"schema": "myofed-planted-1", "identifiers": [{"kind": k, "value": v} for k, v in planted]}
        (self.folder / "planted.json").write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")
        kinds = [item.kind for item in self.series]
        return HospitalSummary(
            name=self.name,
            preset=self.preset.name,
            subjects=subjects,
            files=sum(item.files for item in self.series),
            series={kind: kinds.count(kind) for kind in dict.fromkeys(kinds)},
            label_maps=len(self.deliveries),
            planted=len({value for _, value in planted}),
        )


def planted_values(folder: Path) -> tuple[str, ...]:
    """Every string that was planted in the export at `folder`, for a search in what left the hospital."""
    document = json.loads((folder / "planted.json").read_text(encoding="utf-8"))
    return tuple(item["value"] for item in document["identifiers"])
