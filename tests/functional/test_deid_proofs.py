"""Seeded small samples of the proofs of de-identification: hostile files, and batches that are killed."""

from __future__ import annotations

from pathlib import Path

import pytest
from proofs.kills import Reference, differences, half_files, killed_batches
from proofs.mutant_judge import judge_mutant
from proofs.mutant_seeds import seeds
from proofs.mutants import MUTATORS, mutant
from proofs.mutated import mutated_files

pytestmark = [pytest.mark.functional, pytest.mark.slow]
SAMPLE = 1000


def test_a_thousand_hostile_files_neither_stop_a_run_nor_come_out_with_an_identity() -> None:
    """One in a hundred of `make prove NAME=deid-mutated`: every mutant has one outcome, and no released one leaks."""
    tried, failed = mutated_files(SAMPLE, seed=1)
    assert failed == []
    (counts,) = tried
    assert counts["files"] == SAMPLE
    assert counts["released"] + sum(counts["withheld_by_code"].values()) == SAMPLE
    assert counts["released"] >= SAMPLE // 10


def test_a_killed_batch_that_runs_again_ends_like_an_undisturbed_one() -> None:
    """Three of the hundred kills of `make prove NAME=deid-kills`, on fewer files."""
    tried, failed = killed_batches(3, seed=1, files_a_patient=12)
    assert failed == []
    assert tried[0]["kills"] == 3


def test_the_judge_of_kills_finds_half_files_and_files_too_many(tmp_path: Path) -> None:
    """At a kill a cut image is told, and at the end a missing, a changed and a staged file are."""
    image = "2.25.1/2.25.2/2.25.3.dcm"
    reference = Reference({image: (b"whole", 0o600)}, {"2.25.1/2.25.2/2.25.4.dcm": {b"a", b"b"}}, 1, 0.1)
    (tmp_path / image).parent.mkdir(parents=True)
    (tmp_path / image).write_bytes(b"whol")
    assert half_files(tmp_path, reference) == ["an image that no undisturbed run makes"]
    (tmp_path / image).write_bytes(b"whole")
    (tmp_path / "2.25.1/2.25.2/2.25.4.dcm").write_bytes(b"b")
    assert half_files(tmp_path, reference) == []
    assert differences({}, reference) == ["not there: 2.25.3.dcm"]
    changed = {image: (b"whol", 0o600), ".unverified-x/lock": (b"", 0o600)}
    assert differences(changed, reference) == ["there, but should not be: lock", "other content: 2.25.3.dcm"]


def test_a_mutant_is_the_same_whenever_it_is_made() -> None:
    """A failure that names a number can be made again."""
    assert [mutant(1, number) for number in range(50)] == [mutant(1, number) for number in range(50)]
    assert mutant(1, 7).content != mutant(2, 7).content


def test_every_way_to_damage_a_file_is_used() -> None:
    """No mutator waits for a number that never comes."""
    used = {way for number in range(SAMPLE) for way in mutant(1, number).how}
    assert set(MUTATORS) <= used


@pytest.mark.parametrize("seed", [seed for seed in seeds() if seed.name != "deflated"], ids=lambda seed: seed.name)
def test_the_judge_of_mutants_finds_what_an_untouched_file_says(seed) -> None:
    """A tool that copied its input would be found out by every seed: names, dates and UIDs."""
    content = bytes(seed.numbered(1))
    faults = judge_mutant(content, content, dates=seed.dates).faults
    assert any(fault.startswith("a value of") for fault in faults)
    assert any(fault.startswith("a date stands unchanged") for fault in faults)
    missing = [
        word
        for word in seed.words
        if word.isascii() and not any(f"of {len(word)} characters" in fault for fault in faults)
    ]
    assert missing == []
