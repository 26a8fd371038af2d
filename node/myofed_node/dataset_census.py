"""What a site's data set holds, counted by subject: exact figures that never leave this machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from myofed_node.mids.dataset import Dataset
from myofed_node.mids.image import LabelMap
from myofed_node.mids.listing import NIFTI_ENDINGS
from myofed_node.mids.nifti_file import sidecar_invalid
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.muscle_sets import is_single_muscle, structure_of_label_value

NOMINAL_TESLA = (0.3, 0.55, 1.0, 1.5, 3.0, 7.0)
"""Field strengths as people name them; headers say 2.89362 or 1.494."""
VENDORS = {
    "siemens": "Siemens",
    "philips": "Philips",
    "ge": "GE",
    "canon": "Canon",
    "toshiba": "Canon",
    "united imaging": "United Imaging",
    "uih": "United Imaging",
}
"""Start of Manufacturer (0008,0070) in lower case -> the name on the card."""


@dataclass(frozen=True)
class Census:
    """Exact counts; a category counts each subject once.

    Attributes:
        subjects: Subjects with at least one image.
        sessions: Their sessions.
        labelled_subjects: Subjects with at least one label map.
        vendors: Vendor -> subjects.
        tesla: Nominal field strength -> subjects.
        suffixes: Suffix -> subjects.
        muscles: Muscle id -> subjects whose label maps name it alone, not within a group.
        origins: How label maps were made -> subjects.
    """

    subjects: int
    sessions: int
    labelled_subjects: int
    vendors: Counter[str]
    tesla: Counter[float]
    suffixes: Counter[str]
    muscles: Counter[str]
    origins: Counter[str]


def take_census(dataset: Path) -> Census:
    """The counts of this ORMIR-MIDS data set.

    Args:
        dataset: Its folder; one without images gives zeros.

    Raises:
        MyofedError: SIDECAR_INVALID where an image's sidecar is missing or not of the profile; MIDS_NAME where a file cannot
            be counted because its name or place is not of the profile.
    """
    opened = Dataset(dataset)
    refuse_unread(opened)
    sessions: set[tuple[str, str]] = set()
    vendors, tesla, suffixes = set(), set(), set()
    for image in opened.images():
        name, sidecar = image.name, image.sidecar
        sessions.add((name.subject, name.session))
        suffixes.add((name.subject, name.suffix.value))
        vendors.add((name.subject, vendor_of(sidecar.manufacturer or "")))
        if sidecar.magnetic_field_strength_tesla:
            tesla.add((name.subject, nominal_tesla(sidecar.magnetic_field_strength_tesla)))
    labelled, muscles, origins = _labels(opened.label_maps())
    return Census(
        subjects=len({subject for subject, _ in sessions}),
        sessions=len(sessions),
        labelled_subjects=len(labelled),
        vendors=Counter(vendor for _, vendor in vendors),
        tesla=Counter(value for _, value in tesla),
        suffixes=Counter(suffix for _, suffix in suffixes),
        muscles=Counter(muscle for _, muscle in muscles),
        origins=Counter(origin for _, origin in origins),
    )


def refuse_unread(opened: Dataset) -> None:
    """Returns where every image of the data set can be counted.

    Raises:
        MyofedError: MIDS_NAME where a file's name or place is not of the profile.
    """
    if any(unread.path.name.endswith(NIFTI_ENDINGS) for unread in opened.unread):
        raise MyofedError(
            "MIDS_NAME",
            "expected images with names and places of the profile only, found another: the count would lack it",
            hint="myofed-node validate DATASET names the file",
            exit_code=ExitCode.INVALID_DATASET,
        )


def labelled_subjects(dataset: Path) -> tuple[str, ...]:
    """Labels of the subjects that have a label map, sorted; none where there is no data set."""
    return tuple(sorted({label_map.name.subject for label_map in Dataset(dataset).label_maps()}))


def vendor_of(manufacturer: str) -> str:
    """The card's name for a Manufacturer; `other` for all that the card does not list."""
    text = manufacturer.strip().lower()
    return next((vendor for start, vendor in VENDORS.items() if text.startswith(start)), "other")


def nominal_tesla(value: float) -> float:
    """The nominal field strength nearest to a header's value: an exact one would name a magnet."""
    return min(NOMINAL_TESLA, key=lambda nominal: abs(nominal - value))


def _labels(label_maps: Iterable[LabelMap]) -> tuple[set[str], set[tuple[str, str]], set[tuple[str, str]]]:
    """Subjects, (subject, single muscle) and (subject, origin) pairs of all label maps."""
    labelled, muscles, origins = set(), set(), set()
    for label_map in label_maps:
        subject = label_map.name.subject
        if label_map.origin is None:
            raise sidecar_invalid("LabelOrigin beside a label map")
        origins.add((subject, label_map.origin))
        try:
            single = [value for value in label_map.names if is_single_muscle(value)]
        except KeyError:
            raise sidecar_invalid("values of muscles.tsv or muscle_groups.tsv beside a label map") from None
        labelled.add(subject)
        muscles |= {(subject, structure_of_label_value(value)[0].id) for value in single}
    return labelled, muscles, origins
