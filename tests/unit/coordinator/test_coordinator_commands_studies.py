"""What the commands about runs say in words."""

from __future__ import annotations

from typer.testing import CliRunner
from wall_examples import make_run

from myofed_coordinator.cli import app
from myofed_coordinator.home import HomeFolder
from myofed_schemas.federation import ExclusionCount, FinalEvaluation, RoundReport, SiteError


def test_run_is_shown_with_the_sites_that_failed_and_the_subjects_left_out(home: HomeFolder) -> None:
    """Round by round, and of the final evaluation."""
    folder = make_run(home.runs)
    counts = {"hospital-a": (ExclusionCount(code="LABEL_GRID", subjects=5),)}
    report = RoundReport(
        round=1,
        started_at="2026-11-22T10:00:00Z",
        seconds=1.0,
        sites=("hospital-a",),
        errors=(SiteError(site="hospital-b", code="WORKER_LOST"),),
        loss=None,
        dice=0.5,
        dice_per_site={},
        weights_sha256="0" * 64,
        exclusions=counts,
    )
    final = FinalEvaluation(dice=0.25, dice_per_site={}, errors=(), exclusions=counts)
    folder.write_status(folder.status().model_copy(update={"rounds": (report,), "final": final}))
    shown = CliRunner().invoke(app, ["runs", "show", folder.run_id, "--home", str(home.root)])
    assert shown.exit_code == 0
    told = "hospital-a left out 5 or more LABEL_GRID"
    assert f"round 1: 1 sites, Dice 0.500, 1.0 s; hospital-b WORKER_LOST; {told}" in shown.output
    assert "final evaluation: Dice 0.250; hospital-a left out 5 or more LABEL_GRID" in shown.output
