"""One visit of one made-up patient: who, when, and the UIDs of everything made during it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pydicom.uid import PYDICOM_ROOT_UID, generate_uid

from myofed_demo.identities import HospitalIdentity, PatientIdentity


@dataclass(frozen=True)
class Exam:
    """One visit.

    Attributes:
        hospital: Where.
        patient: Who.
        key: Text that no other exam has; all UIDs follow from it.
        uids: Every UID given out so far, in order (they are identifiers, too).
    """

    hospital: HospitalIdentity
    patient: PatientIdentity
    key: str
    uids: dict[str, str] = field(default_factory=dict, repr=False)

    def uid(self, name: str) -> str:
        """The UID of this thing of this exam: the same for the same key and name (root: pydicom's, free to use)."""
        if name not in self.uids:
            self.uids[name] = str(generate_uid(PYDICOM_ROOT_UID, entropy_srcs=[self.key, name]))
        return self.uids[name]

    @property
    def folder_name(self) -> str:
        """What an export from the PACS calls this patient's folder: the name and number, as real exports do."""
        return f"{self.patient.name.replace('^', '_')}_{self.patient.patient_id}"


SeriesKind = Literal["image", "localizer", "quarantine", "screen-capture"]


@dataclass(frozen=True)
class WrittenSeries:
    """A series as it lies in the export.

    Attributes:
        kind: What a converter should make of it: an image to convert, a localizer to skip, something to hold back.
        series_instance_uid: Its UID.
        files: Number of files.
        labelled: A reader drew the label map on this one.
    """

    kind: SeriesKind
    series_instance_uid: str
    files: int
    labelled: bool = False
