"""A whole simulated run: the coordinator's own rounds, the same bits whatever the order, and after a kill as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from simulation_factories import job, quiet, study, write_sites

from myofed_coordinator.federation.engine import Reply
from myofed_coordinator.federation.weights import weights_digest
from myofed_coordinator.runs.folder import RunFolder, read_events
from myofed_demo.presets import PRESETS
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import RoundReport
from myofed_schemas.study import StudyManifest
from myofed_simulation import flower_engine, phantoms, run
from myofed_simulation.plan import Folders, Phantoms, Plan, RunRecord
from myofed_simulation.pool_engine import PoolEngine
from myofed_simulation.run import Job, simulate


class BackwardsEngine(PoolEngine):
    """Nobody answers before everybody is done, and the last one asked answers first."""

    def replies(self, tickets: Sequence[str]) -> Iterator[Reply]:
        for ticket in tickets:
            self._under_way[ticket].result()
        yield from super().replies(list(reversed(tickets)))


def killed_after(answers: int) -> type[PoolEngine]:
    """An engine whose process dies when so many sites have answered."""

    class DyingEngine(PoolEngine):
        left = answers

        def replies(self, tickets: Sequence[str]) -> Iterator[Reply]:
            for reply in super().replies(tickets):
                if DyingEngine.left == 0:
                    raise KeyboardInterrupt
                DyingEngine.left -= 1
                yield reply

    return DyingEngine


def refusal(asked: Job) -> MyofedError:
    with pytest.raises(MyofedError) as error:
        simulate(asked, told=quiet())
    return error.value


@pytest.fixture(scope="module")
def first(folders: Folders, tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, RunRecord]:
    """A run of five sites."""
    home = tmp_path_factory.mktemp("first")
    asked = job(folders, home / "out", study(home))
    return asked, simulate(asked, told=quiet())


def test_folder_of_somebody_else_is_not_written_into(tmp_path: Path, folders: Folders) -> None:
    """What lies there stays as it is."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    assert refusal(job(folders, tmp_path / "out", study(tmp_path))).code == "SIMULATION_FOLDER"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_place_that_is_no_folder_is_a_code(tmp_path: Path, folders: Folders, place: str) -> None:
    """No traceback, and the file is as it was."""
    (tmp_path / "file").write_text("mine")
    assert refusal(job(folders, tmp_path / place, study(tmp_path))).code == "SIMULATION_FOLDER"
    assert (tmp_path / "file").read_text() == "mine"


def test_another_plan_needs_another_folder(first: tuple[Job, RunRecord]) -> None:
    """A run never goes on with other settings than it began with."""
    asked = first[0]
    assert refusal(replace(asked, plan=asked.plan.model_copy(update={"seed": 2}))).code == "SIMULATION_OTHER_RUN"


def test_other_data_than_the_run_began_with_is_refused(tmp_path: Path) -> None:
    """A label map that a reader corrected meanwhile would make a run that nobody can repeat."""
    source = write_sites(tmp_path / "data", ("hospital-a", "hospital-b"))
    asked = job(source, tmp_path / "out", study(tmp_path, rounds=1))
    simulate(asked, told=quiet())
    changed = next((tmp_path / "data" / "hospital-a" / "derivatives").rglob("*.nii.gz"))
    changed.write_bytes(changed.read_bytes() + b"\0")
    assert refusal(asked).code == "SIMULATION_OTHER_RUN"


def test_flower_without_ray_is_refused_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folders: Folders
) -> None:
    """Before anything is written."""
    monkeypatch.setattr(flower_engine, "find_spec", lambda _: None)
    found = refusal(replace(job(folders, tmp_path / "out", study(tmp_path)), engine="flower"))
    assert found.code == "SIMULATION_NO_RAY"
    assert "myofed[simulation]" in found.hint
    assert not (tmp_path / "out").exists()


def test_run_leaves_model_rounds_and_a_record_that_agree(first: tuple[Job, RunRecord]) -> None:
    """The model has the record's digest, and every round is a line with its weights' digest."""
    asked, record = first
    lines = asked.out.rounds.read_text().splitlines()
    reports = [RoundReport.model_validate_json(line) for line in lines]
    assert RunRecord.model_validate_json(asked.out.record.read_bytes()) == record
    assert weights_digest(asked.out.model.read_bytes()) == record.model_sha256
    assert tuple(report.weights_sha256 for report in reports) == record.rounds_sha256
    assert [report.sites for report in reports] == [record.manifest.sites] * 2
    assert weights_digest(asked.out.initial.read_bytes()) == record.manifest.initial_weights_sha256


def test_record_holds_no_label_of_a_subject(first: tuple[Job, RunRecord], folders: Folders) -> None:
    """Counts and digests only; the record may be published with a paper."""
    text = first[0].out.record.read_text()
    labels = [path.name.removeprefix("sub-") for site in folders.sites for path in Path(site.dataset).glob("sub-*")]
    assert labels
    assert not [label for label in labels if f'"{label}"' in text or f"sub-{label}" in text]


def test_same_plan_gives_the_same_bits_when_replies_come_in_another_order(
    first: tuple[Job, RunRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five sites, the last to be asked answers first: SHA-256 of every round's weights is the same."""
    asked, record = first
    monkeypatch.setattr(run, "PoolEngine", BackwardsEngine)
    again = simulate(job(asked.plan.source, tmp_path / "out", asked.plan.study), told=quiet())
    assert again.rounds_sha256 == record.rounds_sha256
    assert again.model_sha256 == record.model_sha256


def test_another_training_seed_gives_other_weights(first: tuple[Job, RunRecord], tmp_path: Path) -> None:
    """The comparison above compares something."""
    asked, record = first
    training = asked.plan.study.training.model_copy(update={"seed": 4})
    other = asked.plan.study.model_copy(update={"training": training, "rounds": 1})
    again = simulate(job(asked.plan.source, tmp_path / "out", other), told=quiet())
    assert again.rounds_sha256[0] != record.rounds_sha256[0]


@pytest.fixture(scope="module")
def local_study(tmp_path_factory: pytest.TempPathFactory) -> StudyManifest:
    """Affine parameters of the norms stay at each site."""
    home = tmp_path_factory.mktemp("fedbn")
    local = [t.name for t in study(home).state_dict if len(t.shape) == 1 and t.name.endswith("weight")]
    return study(home, strategy="fedbn", local_tensors=local, strategy_options={"release": "aggregated"})


@pytest.fixture(scope="module")
def undisturbed(folders: Folders, local_study: StudyManifest, tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    """That study's run without a kill."""
    return simulate(job(folders, tmp_path_factory.mktemp("whole") / "out", local_study), told=quiet())


@pytest.mark.parametrize("answers", [2, 7, 12])
def test_killed_run_goes_on_after_its_last_round_with_the_same_bits(
    tmp_path: Path,
    folders: Folders,
    monkeypatch: pytest.MonkeyPatch,
    answers: int,
    local_study: StudyManifest,
    undisturbed: RunRecord,
) -> None:
    """In the first round, in the second, or in the last evaluation; tensors that stay at a site go on as well."""
    asked = job(folders, tmp_path / "cut", local_study)
    with monkeypatch.context() as patch:
        patch.setattr(run, "PoolEngine", killed_after(answers))
        with pytest.raises(KeyboardInterrupt):
            simulate(asked, told=quiet())
    cut = RunRecord.model_validate_json(asked.out.record.read_bytes())
    assert (cut.state, len(cut.rounds_sha256)) == ("running", answers // 5)
    record = simulate(asked, told=quiet())
    assert record.rounds_sha256 == undisturbed.rounds_sha256
    events = read_events(RunFolder(asked.out.root / record.run_id))
    assert [e.event for e in events if e.round == 1].count("ROUND_FINISHED") == 1


def test_completed_run_is_not_done_again(first: tuple[Job, RunRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same command a second time trains nobody."""
    monkeypatch.setattr(run, "PoolEngine", killed_after(0))
    assert simulate(first[0], told=quiet()).rounds_sha256 == first[1].rounds_sha256


def test_run_that_fails_says_so_with_its_code(
    tmp_path: Path, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No site can finish, so the quorum is lost; the record has the same code, also when asked a second time."""
    asked = job(folders, tmp_path / "out", study(tmp_path, max_update_norm=1e-9))
    assert refusal(asked).code == "QUORUM_LOST"
    record = RunRecord.model_validate_json(asked.out.record.read_bytes())
    assert (record.state, record.code) == ("failed", "QUORUM_LOST")
    assert refusal(asked).code == "QUORUM_LOST"


def test_sample_of_sites_trains_as_the_schedule_says(tmp_path: Path, folders: Folders) -> None:
    """The very code of a real federation chooses them, and 8-bit differences are what travels."""
    manifest = study(
        tmp_path, schedule={"sites_per_round": 2, "sampling_seed": 5}, transport={"encoding": "delta-int8"}
    )
    asked = job(folders, tmp_path / "out", manifest)
    record = simulate(asked, told=quiet())
    reports = [RoundReport.model_validate_json(line) for line in asked.out.rounds.read_text().splitlines()]
    assert [len(report.sites) for report in reports] == [2, 2]
    carried = list((asked.out.root / record.run_id / "sites").rglob("carried/*.safetensors"))
    assert len(carried) == 4


def test_synthetic_patients_are_made_for_the_asked_sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One command, no data at hand."""
    monkeypatch.setattr(phantoms, "preset_of_site", lambda _: PRESETS["ge-3t"])
    manifest = study(tmp_path, rounds=1, sites=["hospital-a"], min_sites=1)
    plan = Plan(study=manifest, source=Phantoms(sites=2, subjects=3), seed=1)
    source = write_sites(tmp_path / "unused", ("hospital-a",))
    asked = replace(job(source, tmp_path / "out", manifest), plan=plan)
    record = simulate(asked, told=quiet())
    assert [(site.site, site.subjects) for site in record.sites] == [("hospital-a", 3), ("virtual-0002", 3)]
