"""Exact values of every subject of the data set by the dimensions of the cube; they never leave this machine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from myofed_node.dataset_census import nominal_tesla, refuse_unread, vendor_of
from myofed_node.disclosure.base_table import Subject
from myofed_node.mids.dataset import Dataset
from myofed_node.mids.image import Image, LabelMap
from myofed_node.mids.nifti_file import sidecar_invalid
from myofed_schemas.cube import DimensionName
from myofed_schemas.cube_vocabulary import SEVERAL, UNKNOWN, VENDOR_VALUES, age_value
from myofed_schemas.muscle_sets import is_single_muscle
from myofed_schemas.subject_facts import SubjectFacts, SubjectRegister


def subject_table(dataset: Path, register: SubjectRegister) -> tuple[Subject, ...]:
    """One row for each subject with at least one image, by pseudonym's order; the rows do not name it.

    Args:
        dataset: An ORMIR-MIDS data set; one without images gives no row.
        register: Facts; a subject without any is `unknown` in them.

    Raises:
        MyofedError: SIDECAR_INVALID, MIDS_NAME.
    """
    opened = Dataset(dataset)
    refuse_unread(opened)
    facts = {each.subject: each for each in register.subjects}
    images: dict[str, list[Image]] = {}
    for image in opened.images():
        images.setdefault(image.name.subject, []).append(image)
    maps: dict[str, list[LabelMap]] = {}
    for label_map in opened.label_maps():
        maps.setdefault(label_map.name.subject, []).append(label_map)
    return tuple(
        _subject(images[label], maps.get(label, []), facts.get(label, SubjectFacts(subject=label)))
        for label in sorted(images)
    )


def _subject(images: list[Image], maps: list[LabelMap], facts: SubjectFacts) -> Subject:
    sessions = sorted({image.name.session for image in images})
    last = [image for image in images if image.name.session == sessions[-1]]
    values: dict[DimensionName, tuple[str, ...]] = {
        "diagnosis": (facts.diagnosis or UNKNOWN,),
        "genetic": (facts.genetic,),
        "sex": (facts.sex,),
        "age": (_age(facts, sessions),),
        "ambulation": (facts.ambulation,),
        "vendor": (_one(VENDOR_VALUES[vendor_of(image.sidecar.manufacturer or "")] for image in last),),
        "field-strength": (_one(_tesla(image) for image in last),),
        "sequence": tuple(sorted({image.name.suffix.value for image in images})),
        "labels": (_labels(maps),),
        "visits": ("3+" if len(sessions) > 2 else str(len(sessions)),),
    }
    return values


def _age(facts: SubjectFacts, sessions: list[str]) -> str:
    """At the last exam of which the age is known: of the data set's sessions, else of any."""
    known = [visit for visit in facts.visits if visit.session in sessions] or facts.visits
    return age_value(known[-1].age_band) if known else UNKNOWN


def _one(values: Iterable[str]) -> str:
    found = set(values)
    return found.pop() if len(found) == 1 else SEVERAL


def _tesla(image: Image) -> str:
    value = image.sidecar.magnetic_field_strength_tesla
    return f"{nominal_tesla(value):g}T" if value else UNKNOWN


def _labels(maps: list[LabelMap]) -> str:
    try:
        singles = [is_single_muscle(value) for each in maps for value in each.names]
    except KeyError:
        raise sidecar_invalid("values of muscles.tsv or muscle_groups.tsv beside a label map") from None
    if not singles:
        return "none"
    return "single-muscles" if any(singles) else "groups"
