"""Damaged data sets: a sample of the proof `validate-mutated`, and that its judge would see what it looks for."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from proofs import mutated_datasets as proof

from broken.good import FOLDER, STEM
from myofed_node.mids.validation.validate import validate

SAMPLE = 200
"""One in a hundred of the full proof."""
IMAGE = str(FOLDER / f"{STEM}_T2w.nii.gz")


def test_damaged_data_sets_give_findings_or_are_what_they_were() -> None:
    """No exception, no waiting, no name repeated, nothing wrong let pass."""
    batch = proof.run_batch(seed=7, first=0, size=SAMPLE)
    assert batch.failed == []
    assert batch.datasets == SAMPLE
    assert batch.found >= proof.LEAST_FOUND * SAMPLE


def test_same_number_gives_the_same_damage(made_once: Path) -> None:
    """A failure of the long proof can be made again."""
    whole = {IMAGE: (made_once / IMAGE).read_bytes()}
    assert proof.damage(whole, 1, 5) == proof.damage(whole, 1, 5) != proof.damage(whole, 1, 6)


@pytest.mark.parametrize(
    ("place", "fault"),
    [(42, "another shape passes"), (70, "another voxel type passes"), (295, "another geometry passes")],
)
def test_judge_sees_an_image_that_is_another(made_once: Path, place: int, fault: str) -> None:
    """Were the validator blind, the proof would fail."""
    report, before = validate(made_once), (made_once / IMAGE).read_bytes()
    assert report.findings == ()
    changed = bytearray(gzip.decompress(before))
    changed[place] ^= 4
    one = proof.Damage(IMAGE, "header bits", gzip.compress(bytes(changed)))
    assert fault in proof._faults(report, report, one, before)


@pytest.mark.parametrize(
    ("name", "content"),
    [("participants.tsv", b"participant_id\nsub-B\n"), ("dataset_description.json", b"[]"), ("README.md", b"other")],
)
def test_judge_sees_a_table_and_a_sidecar_that_are_others(made_once: Path, name: str, content: bytes) -> None:
    """A README may say anything."""
    report, before = validate(made_once), (made_once / name).read_bytes()
    faults = proof._faults(report, report, proof.Damage(name, "cut", content), before)
    assert bool(faults) == (name != "README.md")


def test_judge_sees_a_planted_identity_that_is_not_found(made_once: Path) -> None:
    """The plant is in the file, and no finding names it."""
    report = validate(made_once)
    content = json.dumps({"Profile": "x", "PatientName": "Fantasia"}).encode()
    one = proof.Damage("dataset_description.json", "plant", content)
    assert "a planted identity is not found" in proof._faults(report, report, one, b"{}")


def test_whole_proof_adds_its_batches_up() -> None:
    """As `make prove NAME=validate-mutated` runs it, with little."""
    (tried,), failed = proof.mutated_datasets(20, processes=1)
    assert failed == []
    assert tried["datasets"] == sum(tried["damages_by_way"].values()) == 20
    assert 0 < tried["with_findings"] <= 20
