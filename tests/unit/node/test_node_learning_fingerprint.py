"""What a site would tell of its images: withheld where few share it, and right where many do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from site_factories import demo_site
from test_node_learning_data import write_subject
from typer.testing import CliRunner

from myofed_node.cli import app
from myofed_node.learning.fingerprint import SubjectFacts, fingerprint, suppressed
from myofed_schemas.catalog import DisclosurePolicy
from myofed_schemas.errors import MyofedError

DEMO = DisclosurePolicy(k=3, round_to=1, demo=True)
REAL = DisclosurePolicy(k=10, round_to=5, demo=False)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Four subjects."""
    for seed in range(4):
        write_subject(tmp_path / "dataset", f"p{seed}", seed=seed)
    return tmp_path / "dataset"


def test_few_subjects_tell_nothing(dataset: Path) -> None:
    """Four of them under the floor of ten: no count, no number, no category."""
    found = fingerprint(dataset, site="alpha", policy=REAL)
    told = found.model_dump(exclude={"site", "policy", "schema_version"})
    assert told.pop("subjects")["value"] is None
    assert not any(told.values())


def test_data_set_that_cannot_be_read_is_refused(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is about one subject leaves one out."""

    def unreadable(*_arguments: object, **_named: object) -> object:
        raise MyofedError("DATASET_UNREADABLE", "expected a data set, found none")

    monkeypatch.setattr("myofed_node.learning.fingerprint.channel_images", unreadable)
    with pytest.raises(MyofedError) as refusal:
        fingerprint(dataset, site="alpha", policy=DEMO)
    assert refusal.value.code == "DATASET_UNREADABLE"


def test_numbers_are_those_of_the_images(dataset: Path) -> None:
    """96 voxels of 3 mm, slices of 20 mm, thighs of 36 voxels, two echoes; a fifth subject is damaged and not counted."""
    write_subject(dataset, "broken")
    next((dataset / "sub-broken").rglob("*.nii.gz")).write_bytes(b"no image")
    found = fingerprint(dataset, site="alpha", policy=DEMO)
    assert found.subjects.value == 4
    assert {p.value for p in found.spacing_mm} == {3.0}
    assert {p.value for p in found.slice_mm} == {20.0}
    assert {p.value for p in found.size_px} == {96.0}
    assert {p.value for p in found.thigh_mm} == {110.0}
    assert found.echo_times_ms == (1.1, 2.3)
    assert found.channels == ("in-phase",)
    assert found.structures == ("VL", "GR")


def test_category_of_one_subject_is_not_told() -> None:
    """Its echo time, sequence and muscle stay."""
    numbers = dict.fromkeys(("spacing_mm", "slice_mm", "size_px", "thigh_mm", "intensity_50", "intensity_spread"), 1.0)
    many = [SubjectFacts(numbers, frozenset({1.2}), frozenset({"in-phase"}), frozenset({"VL"}))] * 10
    rare = SubjectFacts(numbers, frozenset({9.9}), frozenset({"t1w"}), frozenset({"GR"}))
    found = suppressed([*many, rare], site="alpha", policy=REAL)
    assert (found.echo_times_ms, found.channels, found.structures) == ((1.2,), ("in-phase",), ("VL",))


def test_command_shows_what_would_leave_and_no_pseudonym(tmp_path: Path, dataset: Path) -> None:
    """As text and as JSON."""
    site = demo_site(tmp_path / "site")
    site.folder.dataset.rmdir()
    dataset.rename(site.folder.dataset)
    runner = CliRunner()
    shown = runner.invoke(app, ["fingerprint", "--site", str(site.folder.root), "--json"])
    assert shown.exit_code == 0
    assert json.loads(shown.stdout)["subjects"]["value"] == 4
    text = runner.invoke(app, ["fingerprint", "--site", str(site.folder.root)])
    assert "spacing_mm: 10 %: 3, 50 %: 3, 90 %: 3" in text.stderr
    for label in ("p0", "p1", "p2", "p3"):
        assert label not in shown.stdout + text.stderr
