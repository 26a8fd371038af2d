"""The commands that train and measure: files written, JSON of the promised form."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from site_factories import demo_site
from typer.testing import CliRunner

import myofed_node.own_model
from myofed_node.cli import app
from myofed_node.own_model import OwnModel, Scores
from myofed_schemas.federation import MuscleScore, TaskMetrics

WEIGHTS = b"trained"
SHA = hashlib.sha256(WEIGHTS).hexdigest()


def test_own_model_is_written_where_asked_and_else_among_the_sites_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named by its digest in the site."""
    site = demo_site(tmp_path / "a").folder
    trained = OwnModel(WEIGHTS, TaskMetrics(examples=2, steps=10, loss=0.5, scores=()))
    monkeypatch.setattr(myofed_node.own_model, "train_own_model", lambda _site, _study: trained)
    command = ["train-local", "--study", "thigh", "--site", str(site.root)]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert (site.models / f"{SHA}.safetensors").read_bytes() == WEIGHTS
    result = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "own"), "--json"])
    document = json.loads(result.stdout)
    assert (document["sha256"], document["metrics"]["steps"]) == (SHA, 10)
    assert (tmp_path / "own").read_bytes() == WEIGHTS


def test_personal_model_is_made_of_the_named_file_and_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--from` asks for it; without it a run means nothing."""
    site = demo_site(tmp_path / "a").folder
    asked: list[tuple[Path, str | None]] = []

    def train_personal_model(_site: object, _study: str, *, model: Path, run_id: str | None) -> OwnModel:
        asked.append((model, run_id))
        return OwnModel(WEIGHTS, TaskMetrics(examples=2, steps=20, loss=0.5, scores=()))

    monkeypatch.setattr(myofed_node.own_model, "train_personal_model", train_personal_model)
    command = ["train-local", "--study", "thigh", "--site", str(site.root), "--run", "run-12345678"]
    assert CliRunner().invoke(app, command).exit_code == 2
    assert CliRunner().invoke(app, [*command, "--from", "federated"]).exit_code == 0
    assert asked == [(Path("federated"), "run-12345678")]
    assert (site.models / f"{SHA}.safetensors").read_bytes() == WEIGHTS


def test_evaluation_lists_models_in_order_with_their_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mean over muscles; a model without a test subject says so."""
    site = demo_site(tmp_path / "a").folder
    scores = (MuscleScore(muscle="VL", dice_sum=1.6, subjects=2), MuscleScore(muscle="RF", dice_sum=1.2, subjects=2))
    found = Scores("c" * 64, 2, (("a" * 64, scores), ("b" * 64, ())))
    monkeypatch.setattr(myofed_node.own_model, "evaluate_models", lambda _site, _study, *, models: found)
    command = ["evaluate", "--study", "thigh", "--model", "m1", "--model", "m2", "--site", str(site.root)]
    document = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert [model["sha256"] for model in document["models"]] == ["a" * 64, "b" * 64]
    assert document["models"][0]["mean_dice"] == pytest.approx(0.7)
    assert document["split_sha256"] == "c" * 64
    text = CliRunner().invoke(app, command).stderr
    assert "mean Dice 0.700" in text
    assert "no test subject" in text


def test_initial_model_is_written_with_its_digest(tmp_path: Path) -> None:
    """The digest is that of the file; an unknown muscle is a usage error."""
    out = tmp_path / "initial.safetensors"
    result = CliRunner().invoke(app, ["model", "init", "--muscles", "VL", "--out", str(out), "--seed", "3", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert CliRunner().invoke(app, ["model", "init", "--muscles", "XX", "--out", str(out)]).exit_code == 2
    assert CliRunner().invoke(app, ["model", "init", "--seed", str(2**64), "--out", str(out)]).exit_code == 2
