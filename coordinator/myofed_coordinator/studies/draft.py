"""A study as a person writes it (YAML), completed into a manifest."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import yaml
from pydantic import ValidationError

from myofed_coordinator.faults import in_words
from myofed_coordinator.models import weights
from myofed_schemas.errors import FieldFault, FieldsError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.field_faults import field_faults, names_of
from myofed_schemas.study import StudyManifest

COMPLETED_HERE = ("version", "state_dict", "initial_weights_sha256")
"""Fields that a draft may leave out: counted up, and read from the weights."""


def study_id_of(text: bytes) -> str:
    """The study that a draft names.

    Raises:
        MyofedError: STUDY_INVALID.
    """
    study_id = _mapping(text).get("study_id")
    if not isinstance(study_id, str):
        raise _invalid("study_id is missing")
    return study_id


def complete(text: bytes, *, initial_weights: bytes, version: int) -> StudyManifest:
    """The manifest of this draft with these initial weights.

    A field that the draft does give is kept, so that a wrong one is found out and not silently replaced.

    Args:
        text: YAML mapping of the fields of StudyManifest.
        initial_weights: Safetensors file.
        version: Used where the draft names none.

    Raises:
        MyofedError: STUDY_INVALID names the fields at fault; WEIGHTS_* when the weights are unusable.
    """
    return _manifest(text, _facts_of(initial_weights), version=version)


def next_manifest(text: bytes, *, initial_weights: bytes, last: StudyManifest | None) -> StudyManifest:
    """The manifest that this draft makes now: the last version again where nothing changed, else the next one.

    A command called twice, or a page sent twice, must not replace what sites have approved by the same study.

    Args:
        text: YAML mapping of the fields of StudyManifest.
        initial_weights: Safetensors file.
        last: The newest version of the study; None for a new one.

    Raises:
        MyofedError: STUDY_INVALID; WEIGHTS_*.
    """
    facts = _facts_of(initial_weights)
    if last is None:
        return _manifest(text, facts, version=1)
    if _manifest(text, facts, version=last.version) == last:
        return last
    return _manifest(text, facts, version=last.version + 1)


def _facts_of(initial_weights: bytes) -> dict[str, object]:
    """What a manifest says of its weights."""
    return {
        "state_dict": [spec.model_dump() for spec in weights.tensor_specs(initial_weights)],
        "initial_weights_sha256": weights.sha256_of(initial_weights),
    }


def _manifest(text: bytes, facts: Mapping[str, object], *, version: int) -> StudyManifest:
    try:
        return StudyManifest.model_validate({"version": version, **facts, **_mapping(text)})
    except ValidationError as error:
        fields = field_faults(error.errors(), known=_known())
        raise _invalid(in_words(error, whole="study"), fields) from error


def _mapping(text: bytes) -> Mapping[str, object]:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _invalid("not YAML") from error
    if not isinstance(document, Mapping):
        raise _invalid("expected a mapping of fields")
    return document


@cache
def _known() -> frozenset[str]:
    return names_of(StudyManifest.model_json_schema())


def _invalid(what: str, fields: tuple[FieldFault, ...] = ()) -> FieldsError:
    return FieldsError(
        "STUDY_INVALID",
        f"the study does not hold: {what}",
        fields,
        hint="docs/study.md explains every field and holds an example",
        exit_code=ExitCode.BAD_INPUT,
    )
