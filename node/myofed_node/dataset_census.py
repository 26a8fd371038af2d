"""What a site's data set holds, counted by subject: exact figures that never leave this machine."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from myofed_schemas.anatomy import muscle_of_label_value
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.mids import ImageName
from myofed_schemas.sidecar import Sidecar

LABELS = Path("derivatives", "labels")
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
        muscles: Muscle id -> subjects whose label maps name it.
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
        MyofedError: SIDECAR_INVALID where an image's sidecar is missing or not of the profile.
    """
    sessions: set[tuple[str, str]] = set()
    vendors, tesla, suffixes = set(), set(), set()
    for path in sorted(dataset.glob("sub-*/ses-*/mr-*/*.nii.gz")):
        name = ImageName.parse(path.name.removesuffix(".nii.gz"))
        sidecar = _sidecar(path)
        sessions.add((name.subject, name.session))
        suffixes.add((name.subject, name.suffix.value))
        vendors.add((name.subject, vendor_of(sidecar.manufacturer or "")))
        if sidecar.magnetic_field_strength_tesla:
            tesla.add((name.subject, nominal_tesla(sidecar.magnetic_field_strength_tesla)))
    muscles, origins = _labels(dataset / LABELS)
    return Census(
        subjects=len({subject for subject, _ in sessions}),
        sessions=len(sessions),
        labelled_subjects=len({subject for subject, _ in muscles}),
        vendors=Counter(vendor for _, vendor in vendors),
        tesla=Counter(value for _, value in tesla),
        suffixes=Counter(suffix for _, suffix in suffixes),
        muscles=Counter(muscle for _, muscle in muscles),
        origins=Counter(origin for _, origin in origins),
    )


def labelled_subjects(dataset: Path) -> tuple[str, ...]:
    """Labels of the subjects that have a label map, sorted."""
    found = (dataset / LABELS).glob("sub-*/ses-*/*/*_dseg.nii.gz")
    return tuple(sorted({path.name.split("_", 1)[0].removeprefix("sub-") for path in found}))


def vendor_of(manufacturer: str) -> str:
    """The card's name for a Manufacturer; `other` for all that the card does not list."""
    text = manufacturer.strip().lower()
    return next((vendor for start, vendor in VENDORS.items() if text.startswith(start)), "other")


def nominal_tesla(value: float) -> float:
    """The nominal field strength nearest to a header's value: an exact one would name a magnet."""
    return min(NOMINAL_TESLA, key=lambda nominal: abs(nominal - value))


def _sidecar(image: Path) -> Sidecar:
    try:
        return Sidecar.model_validate_json(image.with_name(image.name.replace(".nii.gz", ".json")).read_bytes())
    except (FileNotFoundError, ValidationError):
        raise _invalid("an image") from None


def _labels(folder: Path) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """(subject, muscle) and (subject, origin) pairs of all label maps."""
    muscles, origins = set(), set()
    for path in sorted(folder.glob("sub-*/ses-*/*/*_dseg.json")):
        subject = path.name.split("_", 1)[0].removeprefix("sub-")
        try:
            document = json.loads(path.read_bytes())
            values = [int(value) for value in document["Labels"]]
            origins.add((subject, str(document["LabelOrigin"])))
            muscles |= {(subject, muscle_of_label_value(value)[0].id) for value in values}
        except (ValueError, KeyError, TypeError):
            raise _invalid("a label map") from None
    return muscles, origins


def _invalid(what: str) -> MyofedError:
    return MyofedError(
        "SIDECAR_INVALID",
        f"expected a sidecar of profile myofed-1 beside {what}, found none that can be read",
        hint="myofed-node validate DATASET names the file",
        exit_code=ExitCode.INVALID_DATASET,
    )
