"""A virtual site does what a node does: refuses other weights, keeps what is its own, tells no Dice of too few."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from simulation_factories import NAMES, job, quiet, study, write_sites

from myofed_coordinator.federation.weights import weights_digest
from myofed_node.learning.exclusions import RECORDS, read_exclusions
from myofed_node.learning.split import split_subjects
from myofed_schemas.federation import Instruction
from myofed_schemas.study_options import Privacy
from myofed_simulation.errand import Answer, Desk, Errand
from myofed_simulation.plan import Folders
from myofed_simulation.run import Prepared, prepare
from myofed_simulation.virtual_site import carry_out


def prepared(folders: Folders, out: Path, **changes: object) -> Prepared:
    """A run whose first question lies on its desk."""
    asked = job(folders, out / "out", study(out, **changes))
    ready = prepare(asked, told=quiet())
    Desk(ready.run).outgoing.write_bytes(asked.weights)
    return ready


def errand(ready: Prepared, **changes: object) -> Errand:
    """The first round at the first site."""
    manifest = ready.manifest
    asked = {
        "kind": "train",
        "study_id": manifest.study_id,
        "manifest_digest": manifest.digest(),
        "run_id": ready.run.run_id,
        "round": 1,
        "weights_sha256": manifest.initial_weights_sha256,
    } | changes.pop("instruction", {})
    values = {
        "site": ready.sites[0],
        "instruction": Instruction.model_validate(asked),
        "folder": str(ready.run.root),
        "cache_bytes": 1 << 20,
        "min_scored": 1,
        "device": "cpu",
        "at": "2026-11-24T00:00:00Z",
    }
    return Errand.model_validate(values | changes)


def answer(asked: Errand) -> Answer:
    return Answer.model_validate_json(carry_out(asked.model_dump_json()))


def test_weights_with_another_digest_are_refused(tmp_path: Path, folders: Folders) -> None:
    """A damaged disk is found out at the site, as a damaged message is."""
    ready = prepared(folders, tmp_path)
    assert answer(errand(ready, instruction={"weights_sha256": "0" * 64})) == Answer(code="WEIGHTS_DIGEST")


def test_site_without_validation_subjects_says_so(tmp_path: Path, folders: Folders) -> None:
    """As a node does."""
    ready = prepared(folders, tmp_path, split={"test_percent": 25, "validation_percent": 0, "salt": "s"})
    assert answer(errand(ready, instruction={"kind": "evaluate"})).code == "NO_VALIDATION_SUBJECTS"


def test_dice_over_too_few_subjects_stays_at_the_site(tmp_path: Path, folders: Folders) -> None:
    """One validation subject, and a policy that asks for two."""
    ready = prepared(folders, tmp_path)
    told, silent = answer(errand(ready)).metrics, answer(errand(ready, min_scored=2)).metrics
    assert told is not None
    assert silent is not None
    assert {score.muscle for score in told.scores} == {"VL", "GR"}
    assert silent.scores == ()


def test_update_lies_on_disk_with_the_answers_digest(tmp_path: Path, folders: Folders) -> None:
    """Weights never are in a message."""
    ready = prepared(folders, tmp_path)
    found = answer(errand(ready))
    assert found.code == "OK"
    assert weights_digest(Desk(ready.run).arrival(NAMES[0]).read_bytes()) == found.update_sha256
    assert len(found.model_dump_json()) < 1000


def test_half_precision_of_the_transport_rounds_the_update(tmp_path: Path, folders: Folders) -> None:
    """What the manifest makes of an update is part of the simulation."""
    for name in "ab":
        (tmp_path / name).mkdir()
    plain = prepared(folders, tmp_path / "a")
    half = prepared(folders, tmp_path / "b", transport={"encoding": "float16"})
    answer(errand(plain))
    answer(errand(half))
    sizes = [Desk(ready.run).arrival(NAMES[0]).stat().st_size for ready in (plain, half)]
    assert sizes[1] < 0.75 * sizes[0]


def test_noised_update_of_a_round_asked_again_is_the_same_and_spent_once(tmp_path: Path, folders: Folders) -> None:
    """A run that was killed must not draw new noise for the same question: two draws tell more than one."""
    privacy = Privacy(level="update", clip_norm=1.0, noise_multiplier=1.0, delta=1e-5, epsilon=50.0)
    ready = prepared(folders, tmp_path, privacy=privacy.model_dump())
    first, second = answer(errand(ready)), answer(errand(ready))
    assert first.update_sha256 is not None
    assert first == second


@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_evaluation_tells_scores_and_no_weights(tmp_path: Path, folders: Folders, device: str) -> None:
    """The last question of a run."""
    found = answer(errand(prepared(folders, tmp_path), instruction={"kind": "evaluate"}, device=device))
    assert found.update_sha256 is None
    assert found.metrics is not None
    assert found.metrics.scores


def test_sites_do_not_see_each_others_folders(tmp_path: Path) -> None:
    """What one keeps lies below its own name."""
    source = write_sites(tmp_path / "data", NAMES[:2])
    ready = prepared(source, tmp_path)
    answer(errand(ready))
    assert [path.name for path in (ready.run.root / "sites").iterdir()] == [NAMES[0]]


def test_damaged_subject_is_left_out_as_at_a_node(tmp_path: Path, folders: Folders) -> None:
    """By its code, counted, and written down for each kind of task; the others train."""
    ready = prepared(folders, tmp_path, min_subjects=1)
    site = ready.sites[0]
    data = tmp_path / "data"
    shutil.copytree(site.dataset, data)
    roles = split_subjects(site.subjects, ready.manifest.split)
    for image in (data / f"sub-{roles.validation[0]}").rglob("*.nii.gz"):
        image.write_bytes(b"no image")
    damaged = site.model_copy(update={"dataset": str(data)})
    trained = answer(errand(ready, site=damaged))
    assert trained.metrics is not None
    assert [(c.code, c.subjects) for c in trained.metrics.exclusions] == [("IMAGE_UNREADABLE", 1)]
    record = read_exclusions(Desk(ready.run).site(site.name) / RECORDS["train"])
    assert record is not None
    assert [exclusion.subject for exclusion in record.excluded] == [roles.validation[0]]
