"""What runs leave at a site goes; what replay protection and privacy need stays."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from site_factories import NOW, FakeCoordinator, demo_site, enrol, study

from myofed_node.federation.approvals import Approvals
from myofed_node.federation.privacy_ledger import PrivacyLedger, Spending
from myofed_node.federation.retention import MARGIN, forget_everywhere, forget_over
from myofed_node.federation.round_log import SILENT_FOR, RoundLog
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import Instruction

FIRST, SECOND = "run-00000001", "run-00000002"


def ran(folder: Path, run_id: str, *, at: datetime = NOW) -> RoundLog:
    """A round of this run was asked for, and left all that a run can leave."""
    log = RoundLog(folder / "rounds.jsonl")
    asked = Instruction(
        kind="train", study_id="thigh", manifest_digest="0" * 64, run_id=run_id, round=1, weights_sha256="0" * 64
    )
    log.begin(asked, study(rounds=3), approved_at="2026-01-01T00:00:00Z", at=utc_text(at))
    for path in (
        folder / "seen" / f"{run_id}-0001.safetensors",
        folder / "carried" / f"{run_id}-0001.safetensors",
        folder / "local-tensors" / run_id / "0001.safetensors",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    question = run_id[-1] * 64
    PrivacyLedger(folder).spend(
        Spending(
            at=utc_text(at),
            version=1,
            run_id=run_id,
            round=1,
            question=question,
            answer="0" * 64,
            noise=1.0,
            rate=1.0,
            uses=1,
        ),
        b"answer",
    )
    return log


def left(folder: Path) -> set[str]:
    """Names of files of runs below the study's folder, by run."""
    found = [p for name in ("seen", "carried", "local-tensors", "private-answers") for p in (folder / name).rglob("*")]
    return {str(path.relative_to(folder)) for path in found if path.is_file()}


def of_run(run_id: str) -> set[str]:
    return {
        f"seen/{run_id}-0001.safetensors",
        f"carried/{run_id}-0001.safetensors",
        f"local-tensors/{run_id}/0001.safetensors",
        f"private-answers/{run_id[-1] * 64}",
    }


def test_later_run_takes_what_the_earlier_one_left(tmp_path: Path) -> None:
    """The log of rounds and the privacy ledger keep every line."""
    ran(tmp_path, FIRST)
    log = ran(tmp_path, SECOND)
    before = [(tmp_path / name).read_bytes() for name in ("rounds.jsonl", "privacy.jsonl")]
    assert left(tmp_path) == of_run(FIRST) | of_run(SECOND)
    assert forget_over(tmp_path, log, now=NOW) == {FIRST}
    assert left(tmp_path) == of_run(SECOND)
    assert [(tmp_path / name).read_bytes() for name in ("rounds.jsonl", "privacy.jsonl")] == before


def test_run_that_was_silent_for_long_leaves_nothing(tmp_path: Path) -> None:
    """And is refused from then on, so that nobody is judged by weights that are gone."""
    log = ran(tmp_path, FIRST)
    assert forget_over(tmp_path, log, now=NOW + SILENT_FOR) == set()
    assert left(tmp_path) == of_run(FIRST)
    assert forget_over(tmp_path, log, now=NOW + SILENT_FOR + MARGIN + timedelta(seconds=1)) == {FIRST}
    assert left(tmp_path) == set()


def test_broken_ledger_of_one_study_keeps_its_answers_and_holds_up_no_other(tmp_path: Path) -> None:
    """Everything else of it goes."""
    site, coordinator = demo_site(tmp_path / "a"), FakeCoordinator()
    enrol(site, coordinator)
    approvals = Approvals(site.folder, site.config)
    for name in ("aaa", "thigh"):
        approvals.store_manifest(coordinator.offer(study(study_id=name)))
        ran(site.folder.study(name), FIRST)
    (site.folder.study("aaa") / "privacy.jsonl").write_bytes(b"{}\n")
    with pytest.raises(MyofedError) as caught:
        forget_everywhere(site.folder, now=NOW + 2 * SILENT_FOR)
    assert caught.value.code == "PRIVACY_LEDGER_BROKEN"
    assert left(site.folder.study("aaa")) == {f"private-answers/{'1' * 64}"}
    assert left(site.folder.study("thigh")) == set()
    (site.folder.study("aaa") / "privacy.jsonl").write_bytes(b"")
    forget_everywhere(site.folder, now=NOW + 2 * SILENT_FOR)


def test_site_without_studies_has_nothing_to_forget(tmp_path: Path) -> None:
    """A new site beats as well."""
    site = demo_site(tmp_path / "a")
    forget_everywhere(site.folder, now=NOW)
    assert not site.folder.studies.exists() or list(site.folder.studies.iterdir()) == []
