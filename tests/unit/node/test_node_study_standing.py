"""Where each study stands at a site: what is broken is said, and hides nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from site_factories import FakeCoordinator, demo_site, enrol, study

from myofed_node.federation.approvals import Approvals
from myofed_node.learning.exclusions import RECORDS, Exclusion, Exclusions
from myofed_node.site_setup import Site
from myofed_node.status import site_status, status_lines
from myofed_node.study_standing import study_standing, study_standings
from myofed_node.web.page import render_site
from myofed_schemas.canonical import canonical_json

PRIVACY = {"level": "update", "clip_norm": 1.0, "noise_multiplier": 8.0, "delta": 1e-5, "epsilon": 4.0}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """One with two studies, of which one asks for privacy."""
    made, coordinator = demo_site(tmp_path / "a"), FakeCoordinator()
    enrol(made, coordinator)
    approvals = Approvals(made.folder, made.config)
    approvals.store_manifest(coordinator.offer(study(privacy=PRIVACY)))
    approvals.store_manifest(coordinator.offer(study(study_id="other")))
    return made


def left_out(site: Site, kind: str, *subjects: str, asked: int) -> None:
    excluded = tuple(Exclusion(subject=subject, code="IMAGE_UNREADABLE") for subject in subjects)
    path = site.folder.study("thigh") / RECORDS[kind]  # type: ignore[index]
    path.write_bytes(canonical_json(Exclusions(asked=asked, excluded=excluded)))


def test_broken_privacy_ledger_is_said_of_its_study_and_hides_nothing(site: Site) -> None:
    """The rest of the site, and the other study, are shown all the same: in the state, in words and on the page."""
    (site.folder.study("thigh") / "privacy.jsonl").write_bytes(b"{}\n")
    status = site_status(site)
    assert [(s.study_id, s.code) for s in status.studies] == [("other", "OK"), ("thigh", "PRIVACY_LEDGER_BROKEN")]
    assert (status.budgets, status.subjects) == ((), 0)
    assert "thigh is broken: PRIVACY_LEDGER_BROKEN" in "\n".join(status_lines(status))
    assert "PRIVACY_LEDGER_BROKEN" in render_site(site)


def test_study_whose_manifest_is_damaged_hides_nothing(site: Site) -> None:
    """Its title is not known then."""
    (site.folder.study("thigh") / "manifest-1.json").write_bytes(b"{")
    other, broken = study_standings(site)
    assert (other.code, other.title != "", other.version, other.decision) == ("OK", True, 1, "waiting")
    assert (broken.code, broken.title, broken.version, broken.decision) == ("MANIFEST_CHANGED", "", 0, None)
    assert "MANIFEST_CHANGED" in render_site(site)


def test_subjects_that_a_task_left_out_are_counted_by_code_and_task(site: Site) -> None:
    """The evaluation reads the validation subjects alone: what it left out does not stand for what training did."""
    left_out(site, "train", "A", "B", asked=14)
    left_out(site, "evaluate", asked=3)
    standing = study_standing(site, "thigh")
    trained, evaluated = standing.left_out
    assert (trained.task, trained.asked, [(c.code, c.subjects) for c in trained.excluded]) == (
        "train",
        14,
        [("IMAGE_UNREADABLE", 2)],
    )
    assert (evaluated.task, evaluated.asked, evaluated.excluded) == ("evaluate", 3, ())
    text = "\n".join(standing.lines())
    assert "left out of the last training of thigh: 2 of 14 subjects (IMAGE_UNREADABLE 2)" in text
    assert "left out of the final evaluation of thigh: none of 3 subjects" in text
    assert text in "\n".join(status_lines(site_status(site)))


def test_damaged_record_of_exclusions_is_a_code(site: Site) -> None:
    """And the other record is read."""
    left_out(site, "evaluate", "A", asked=3)
    (site.folder.study("thigh") / RECORDS["train"]).write_bytes(b"{")
    standing = study_standing(site, "thigh")
    assert standing.code == "EXCLUSIONS_DAMAGED"
    assert [task.task for task in standing.left_out] == ["evaluate"]
    assert standing.budget is not None
