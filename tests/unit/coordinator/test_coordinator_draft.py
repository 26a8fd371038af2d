"""Study drafts in YAML: what is refused, and what is completed from the weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from coordinator_factories import make_manifest, make_weights
from safetensors.numpy import save

from myofed_coordinator.studies.draft import COMPLETED_HERE, complete, next_manifest, study_id_of
from myofed_schemas.errors import MyofedError
from myofed_schemas.study import StudyManifest

WEIGHTS = make_weights()


def draft(**changes: object) -> bytes:
    manifest = make_manifest(WEIGHTS, sites=("hospital-a",)).model_dump(mode="json")
    fields = {key: value for key, value in manifest.items() if key not in COMPLETED_HERE}
    return yaml.safe_dump({**fields, **changes}).encode()


@pytest.mark.parametrize("text", [b"- a list", b"a: b: c", b"title: no id", b""])
def test_text_that_is_no_study_is_refused(text: bytes) -> None:
    """Neither broken YAML nor a document of another kind becomes a study."""
    with pytest.raises(MyofedError, match="STUDY_INVALID"):
        study_id_of(text)


def test_unknown_field_is_refused_by_name() -> None:
    """A misspelt setting is named; it is never silently left out."""
    with pytest.raises(MyofedError, match=r"STUDY_INVALID.*roundz"):
        complete(draft(roundz=3), initial_weights=WEIGHTS, version=1)


def test_field_that_the_draft_gives_is_not_replaced() -> None:
    """A wrong digest in the draft stays wrong, so that the study's creation finds it."""
    manifest = complete(draft(initial_weights_sha256="0" * 64), initial_weights=WEIGHTS, version=1)
    assert manifest.initial_weights_sha256 == "0" * 64


def test_draft_that_changes_nothing_is_the_last_version() -> None:
    """Called twice, the same draft and weights replace nothing; a changed field or other weights are the next version."""
    first = next_manifest(draft(), initial_weights=WEIGHTS, last=None)
    assert first.version == 1
    assert next_manifest(draft(), initial_weights=WEIGHTS, last=first) == first
    assert next_manifest(draft(rounds=7), initial_weights=WEIGHTS, last=first).version == 2
    assert next_manifest(draft(), initial_weights=make_weights(seed=2), last=first).version == 2


def test_draft_is_completed_from_the_weights() -> None:
    """Version, tensors and digest come from the call; everything else from the draft."""
    manifest = complete(draft(), initial_weights=WEIGHTS, version=4)
    assert manifest == make_manifest(WEIGHTS, sites=("hospital-a",), version=4)


def test_example_of_the_documentation_becomes_a_manifest_and_names_every_field() -> None:
    """docs/study.md cannot fall behind the manifest."""
    page = (Path(__file__).parents[3] / "docs" / "study.md").read_text()
    text, options = (part.split("```")[0].encode() for part in page.split("```yaml\n")[1:3])
    manifest = complete(text, initial_weights=WEIGHTS, version=1)
    assert study_id_of(text) == manifest.study_id
    named = {**yaml.safe_load(text), **yaml.safe_load(options)}
    assert set(named) == set(StudyManifest.model_fields) - {*COMPLETED_HERE, "schema_version"}


def test_options_of_the_documentation_fit_the_example() -> None:
    """The second example is what it says: options to put into the first, for as many sites as they ask for."""
    page = (Path(__file__).parents[3] / "docs" / "study.md").read_text()
    text, options = (yaml.safe_load(part.split("```")[0]) for part in page.split("```yaml\n")[1:3])
    sites = [f"hospital-{letter}" for letter in "abcde"]
    weights = save({name: np.zeros(2, np.float32) for name in (*options["local_tensors"], "model.0.conv.weight")})
    manifest = complete(
        yaml.safe_dump({**text, **options, "sites": sites}).encode(), initial_weights=weights, version=1
    )
    assert {name for name in options if getattr(manifest, name) is None} == set()
