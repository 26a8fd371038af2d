"""Every kind of model on every site's test subjects, as aggregates."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from simulation_factories import NAMES, job, quiet, study, write_sites

from myofed_schemas.federation import MuscleScore
from myofed_simulation.matrix import Cell, Matrix, cross_site_matrix, summary
from myofed_simulation.run import Job, prepare, simulate

THREE = NAMES[:3]


def cell(kind: str, model: str | None, site: str, **dice: float) -> Cell:
    scores = tuple(MuscleScore(muscle=name, dice_sum=2 * value, subjects=2) for name, value in dice.items())
    mean = sum(dice.values()) / len(dice) if dice else None
    return Cell.model_validate({"kind": kind, "model": model, "site": site, "dice": mean, "scores": scores})


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, Matrix]:
    """Three sites, every kind."""
    home = tmp_path_factory.mktemp("matrix")
    manifest = study(
        home,
        rounds=1,
        strategy="fedbn",
        strategy_options={"release": "aggregated"},
        local_tensors=[t.name for t in study(home).state_dict if len(t.shape) == 1 and t.name.endswith("weight")],
    )
    asked = job(write_sites(home / "data", THREE), home / "out", manifest)
    simulate(asked, told=quiet())
    return asked, cross_site_matrix(asked, prepare(asked, told=quiet()), leave_one_out=True, told=quiet())


def test_every_model_meets_every_site_that_it_is_for(done: tuple[Job, Matrix]) -> None:
    """Site-only on all pairs, federated and left-out on each site, personalised at home."""
    matrix = done[1]
    assert Counter(cell.kind for cell in matrix.cells) == {
        "federated": 3,
        "site-only": 9,
        "personalised": 3,
        "left-out": 3,
    }
    assert all(cell.model == cell.site for cell in matrix.cells if cell.kind in {"personalised", "left-out"})
    assert [row.kind for row in matrix.summaries] == ["site-only", "federated", "personalised", "left-out"]


def test_left_out_site_took_no_part_in_its_run(done: tuple[Job, Matrix]) -> None:
    """Its reports name the others."""
    asked = done[0]
    for name in THREE:
        report = next((asked.out.root / "left-out" / name).glob("run-*/round-0001.json")).read_text()
        assert name not in report
        assert sum(other in report for other in THREE) == 2


def test_matrix_asked_for_again_trains_nobody_and_is_the_same(done: tuple[Job, Matrix]) -> None:
    """Models lie on disk; a kill between two of them costs one."""
    asked, matrix = done
    models = {path: path.stat().st_mtime_ns for path in (asked.out.root / "models").iterdir()}
    assert len(models) == 6
    again = cross_site_matrix(asked, prepare(asked, told=quiet()), leave_one_out=True, told=quiet())
    assert again == matrix == Matrix.model_validate_json((asked.out.root / "matrix.json").read_bytes())
    assert {path: path.stat().st_mtime_ns for path in models} == models


def test_matrix_holds_sums_and_no_label_of_a_subject(done: tuple[Job, Matrix]) -> None:
    """Nothing of one subject but where a site has one test subject and the plan allows it."""
    text = (done[0].out.root / "matrix.json").read_text()
    assert not [path.name for path in Path(done[0].out.root.parent / "data").rglob("sub-*") if path.name[4:] in text]


def test_too_few_test_subjects_leave_no_dice(done: tuple[Job, Matrix], tmp_path: Path) -> None:
    """The plan's smallest number of scored subjects holds here, too."""
    asked = done[0]
    table = cross_site_matrix(
        Job(asked.plan.model_copy(update={"min_scored": 2}), asked.weights, asked.out, "pool", asked.means),
        prepare(asked, told=quiet()),
        leave_one_out=False,
        told=quiet(),
    )
    assert {cell.dice for cell in table.cells} == {None}
    assert all(row.worst is None and row.worst_muscle is None for row in table.summaries)


def test_summary_tells_home_from_elsewhere_and_the_worst() -> None:
    """Two sites: .9 and .7 at home, .5 and .3 on the other's subjects; GR is the worse muscle."""
    cells = [
        cell("site-only", "hospital-a", "hospital-a", VL=1.0, GR=0.8),
        cell("site-only", "hospital-a", "hospital-b", VL=0.6, GR=0.4),
        cell("site-only", "hospital-b", "hospital-b", VL=0.8, GR=0.6),
        cell("site-only", "hospital-b", "hospital-a", VL=0.4, GR=0.2),
        cell("federated", None, "hospital-a", VL=0.1),
    ]
    row = summary("site-only", cells)
    assert row.home == pytest.approx(0.8)
    assert row.foreign == pytest.approx(0.4)
    assert (row.worst, row.worst_site) == (pytest.approx(0.3), "hospital-a")
    assert (row.worst_muscle, row.worst_muscle_dice) == ("GR", pytest.approx(0.5))


def test_dice_of_a_left_out_site_is_one_of_elsewhere() -> None:
    """It never was at home."""
    row = summary("left-out", [cell("left-out", "hospital-a", "hospital-a", VL=0.5)])
    assert (row.home, row.foreign) == (None, 0.5)
