"""`model recalibrate`: only for a study that says so, on images alone, with its lineage beside it, and nothing sent."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from learning_factories import architecture, manifest
from safetensors.torch import load
from site_factories import NOW, FakeCoordinator, demo_site, enrol, refusal_code
from test_node_learning_data import write_subject
from typer.testing import CliRunner

from myofed_node.cli import app
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.learning.local import evaluate_model
from myofed_node.learning.models import initial_weights, state_dict_spec
from myofed_node.own_model import evaluate_models
from myofed_node.recalibrated_model import Recalibration, known_manifest, read_manifest, recalibrate_model
from myofed_node.site_setup import Site
from myofed_node.study_desk import StudyDesk
from myofed_schemas.study import StudyManifest

AFFINE = architecture(norm="instance-affine")
LOCAL = tuple(t.name for t in state_dict_spec(AFFINE) if ".adn.N." in t.name)
WEIGHTS = initial_weights(AFFINE, seed=7)


def fedbn(**changes: object) -> StudyManifest:
    fields: dict[str, object] = {
        "architecture": AFFINE,
        "state_dict": state_dict_spec(AFFINE),
        "initial_weights_sha256": hashlib.sha256(WEIGHTS).hexdigest(),
        "strategy": "fedbn",
        "strategy_options": {"release": "recalibrated"},
        "local_tensors": LOCAL,
        "sites": ("alpha",),
        "demo": True,
        "min_subjects": 3,
    }
    return manifest(**(fields | changes))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "released.safetensors"
    path.write_bytes(WEIGHTS)
    return path


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Six subjects, nobody labelled."""
    made = demo_site(tmp_path / "a")
    for seed in range(6):
        write_subject(made.folder.dataset, f"p{seed}", seed=seed)
    shutil.move(made.folder.dataset / "derivatives", tmp_path / "labels")
    return made


def test_study_that_releases_its_model_as_it_is_is_refused(site: Site, model: Path) -> None:
    """Also one without local tensors, weights that do not fit, a network that the site's policy does not allow."""
    aggregated = fedbn(strategy_options={"release": "aggregated"})
    plain = manifest(sites=("alpha",))
    for study in (aggregated, plain):
        code = refusal_code(lambda study=study: recalibrate_model(site, study, model, now=NOW))  # type: ignore[misc]
        assert code == "RELEASE_NOT_RECALIBRATED"
    model.write_bytes(b"x" * 20)
    assert refusal_code(lambda: recalibrate_model(site, fedbn(), model, now=NOW)) == "WEIGHTS_FORMAT"
    odd = fedbn().image.model_copy(update={"size_px": (33, 33)})
    changed = fedbn().model_copy(update={"image": odd})
    assert refusal_code(lambda: recalibrate_model(site, changed, model, now=NOW)) == "NETWORK_INPUT"
    missing = model.with_name("none")
    assert refusal_code(lambda: recalibrate_model(site, fedbn(), missing, now=NOW)) == "MODEL_UNREADABLE"


def test_site_without_images_is_refused(tmp_path: Path, model: Path) -> None:
    """There is nothing to look at."""
    empty = demo_site(tmp_path / "empty")
    assert refusal_code(lambda: recalibrate_model(empty, fedbn(), model, now=NOW)) == "NO_IMAGES"


def test_failure_that_is_not_about_one_subject_ends_it(
    site: Site, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A data set that cannot be read is no data set of few subjects."""
    from myofed_schemas.errors import MyofedError

    def unreadable(*_arguments: object, **_named: object) -> torch.Tensor:
        raise MyofedError("DATASET_UNREADABLE", "expected a data set, found none")

    monkeypatch.setattr("myofed_node.recalibrated_model.unlabelled_slices", unreadable)
    assert refusal_code(lambda: recalibrate_model(site, fedbn(), model, now=NOW)) == "DATASET_UNREADABLE"


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"manifest": 1}', b"\xff"])
def test_file_that_holds_no_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    """Nor one that is not there."""
    path = tmp_path / "manifest.json"
    path.write_bytes(content)
    for file in (path, tmp_path / "none"):
        assert refusal_code(lambda file=file: read_manifest(file)) == "MANIFEST_UNREADABLE"  # type: ignore[misc]


def test_only_local_tensors_move_and_the_lineage_tells_from_what(site: Site, model: Path) -> None:
    """A damaged subject is left out and counted; the same call gives the same bytes; no subject is named."""
    write_subject(site.folder.dataset, "broken")
    shutil.rmtree(site.folder.dataset / "derivatives")
    next((site.folder.dataset / "sub-broken").rglob("*.nii.gz")).write_bytes(b"no image")
    made = recalibrate_model(site, fedbn(), model, now=NOW)
    before, after = load(WEIGHTS), load(made.weights)
    assert {name for name in before if not torch.equal(before[name], after[name])} <= set(LOCAL)
    assert made.weights != WEIGHTS
    assert recalibrate_model(site, fedbn(), model, now=NOW) == made
    lineage = made.lineage
    assert lineage.sha256 == hashlib.sha256(made.weights).hexdigest()
    assert lineage.parent_sha256 == hashlib.sha256(WEIGHTS).hexdigest()
    assert lineage.manifest_digest == fedbn().digest()
    assert (lineage.subjects, lineage.tensors, lineage.test_subjects_left_out) == (5, len(LOCAL), False)
    assert [(item.code, item.subjects) for item in lineage.left_out] == [("IMAGE_UNREADABLE", 1)]
    assert "p0" not in lineage.model_dump_json()
    assert "broken" not in lineage.model_dump_json()


def test_subjects_who_test_are_not_looked_at_and_evaluate_takes_the_model(
    site: Site, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a split of the study here, what is measured afterwards was never seen, not even without labels."""
    shutil.move(tmp_path / "labels", site.folder.dataset / "derivatives")
    coordinator = FakeCoordinator()
    enrol(site, coordinator)
    coordinator.offer(fedbn())
    coordinator.models[fedbn().initial_weights_sha256] = WEIGHTS
    desk = StudyDesk(site, CoordinatorApi(coordinator))  # type: ignore[arg-type]
    desk.fetch()
    desk.approve("tiny-study", by="pi", now=NOW)
    tested = set(desk.approvals.roles("tiny-study").test)
    import myofed_node.recalibrated_model as module

    seen, original = [], module.unlabelled_slices

    def looked_at(dataset: Path, subject: str, **named: object) -> torch.Tensor:
        seen.append(subject)
        return original(dataset, subject, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "unlabelled_slices", looked_at)
    made = recalibrate_model(site, known_manifest(site, "tiny-study"), model, now=NOW)
    assert set(seen) == {f"p{seed}" for seed in range(6)} - tested
    assert tested
    assert made.lineage.test_subjects_left_out
    own = tmp_path / "own.safetensors"
    own.write_bytes(made.weights)
    found = evaluate_models(site, "tiny-study", models=[own])
    assert found.scores[0][0] == made.lineage.sha256
    assert found.test_subjects == len(tested)
    scores = evaluate_model(made.weights, manifest=fedbn(), dataset=site.folder.dataset, subjects=sorted(tested))
    assert found.scores[0][1] == scores


def test_command_writes_weights_and_lineage_and_sends_nothing(site: Site, model: Path, tmp_path: Path) -> None:
    """By the study's manifest as the coordinator prints it; with neither or both names of the study it is a usage error."""
    handed = tmp_path / "study.json"
    handed.write_text(json.dumps({"title": "as shown", "manifest": fedbn().model_dump(mode="json")}))
    out = tmp_path / "own.safetensors"
    command = ["model", "recalibrate", str(model), "--site", str(site.folder.root), "--out", str(out)]
    assert "STUDY_NOT_NAMED" in CliRunner().invoke(app, command).output
    both = [*command, "--study", "tiny-study", "--manifest", str(handed)]
    assert CliRunner().invoke(app, both).exit_code == 2
    assert "STUDY_UNKNOWN" in CliRunner().invoke(app, [*command, "--study", "tiny-study"]).output
    assert not out.exists()
    result = CliRunner().invoke(app, [*command, "--manifest", str(handed), "--json"])
    assert result.exit_code == 0, result.output
    lineage = Recalibration.model_validate_json((tmp_path / "own.safetensors.json").read_bytes())
    assert json.loads(result.stdout)["sha256"] == lineage.sha256 == hashlib.sha256(out.read_bytes()).hexdigest()
    assert not site.folder.ledger.exists()
    text = CliRunner().invoke(app, [*command, "--manifest", str(handed)]).output
    assert "images of 5 or more subjects; all subjects were looked at" in text
    assert "keep it here" in text
