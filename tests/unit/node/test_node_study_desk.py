"""Studies at one site: fetched when genuine, decided by people, delivered when the way is open."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from site_factories import NOW, FakeCoordinator, demo_site, enrol, study, write_labels

from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.manifest_words import manifest_lines
from myofed_node.study_desk import StudyDesk, initial_weights
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.study import SignedDecision

WEIGHTS = b"weights"


@pytest.fixture
def coordinator() -> FakeCoordinator:
    made = FakeCoordinator()
    made.models[hashlib.sha256(WEIGHTS).hexdigest()] = WEIGHTS
    return made


@pytest.fixture
def desk(tmp_path: Path, coordinator: FakeCoordinator) -> StudyDesk:
    site = demo_site(tmp_path / "a")
    enrol(site, coordinator)
    for number in range(5):
        write_labels(site.folder.dataset, f"S{number}")
    return StudyDesk(site, CoordinatorApi(coordinator))  # type: ignore[arg-type]


def _code(call: object, *arguments: object, **named: object) -> str:
    with pytest.raises(MyofedError) as caught:
        call(*arguments, **named)  # type: ignore[operator]
    return caught.value.code


def _stopped() -> MyofedError:
    return MyofedError("NODE_NOT_RUNNING", "expected", exit_code=ExitCode.NOT_RUNNING)


def test_manifest_of_another_signer_is_not_kept(desk: StudyDesk, coordinator: FakeCoordinator) -> None:
    """Whoever sits between cannot offer a study."""
    coordinator.key, genuine = FakeCoordinator().key, coordinator.key
    coordinator.offer(study())
    assert _code(desk.fetch) == "MANIFEST_SIGNATURE"
    assert desk.list().studies == ()
    coordinator.key = genuine


def test_study_that_nobody_approved_does_not_train(desk: StudyDesk, coordinator: FakeCoordinator) -> None:
    """Fetched is not approved, declined is not approved, an older version's approval is none."""
    coordinator.offer(study())
    desk.fetch()
    assert _code(desk.approved_manifest, "thigh") == "NOT_APPROVED"
    desk.decline("thigh", by="pi", now=NOW)
    assert _code(desk.approved_manifest, "thigh") == "NOT_APPROVED"
    desk.approve("thigh", by="pi", now=NOW)
    coordinator.offer(study(version=2))
    desk.fetch()
    assert _code(desk.approved_manifest, "thigh") == "NOT_APPROVED"
    assert desk.list().studies[0].decision == "waiting"


def test_study_below_the_sites_policy_is_not_approved(desk: StudyDesk, coordinator: FakeCoordinator) -> None:
    """Nothing is decided or sent."""
    coordinator.offer(study(demo=False))
    desk.fetch()
    assert _code(desk.approve, "thigh", by="pi", now=NOW) == "POLICY_DEMO"
    assert desk.list().studies[0].decision == "waiting"
    assert "POST /site/decision" not in coordinator.paths()


def test_decision_that_the_coordinator_refuses_is_told(desk: StudyDesk, coordinator: FakeCoordinator) -> None:
    """Only an absent coordinator is waited for; a refusal is the caller's to see."""
    coordinator.offer(study())
    desk.fetch()
    coordinator.refusals["/site/decision"] = (409, "DECISION_OLD_VERSION")
    assert _code(desk.approve, "thigh", by="pi", now=NOW) == "DECISION_OLD_VERSION"


def _approve_while_away(desk: StudyDesk, coordinator: FakeCoordinator) -> None:
    coordinator.raises["/site/decision"] = _stopped()
    coordinator.raises[f"/site/models/{study().initial_weights_sha256}"] = _stopped()
    assert not desk.approve("thigh", by="pi", now=NOW).delivered
    coordinator.raises.clear()


def test_fetch_brings_initial_weights_once_and_only_of_an_approved_study(
    desk: StudyDesk, coordinator: FakeCoordinator
) -> None:
    """A study that nobody approved puts nothing on the site's disk but its manifest."""
    manifest = coordinator.offer(study()).manifest
    assert desk.fetch() == 1
    assert desk.fetch() == 0
    assert _code(initial_weights, desk.site, manifest) == "WEIGHTS_MISSING"
    _approve_while_away(desk, coordinator)
    coordinator.sent.clear()
    assert desk.fetch() == 0
    assert desk.fetch() == 0
    assert initial_weights(desk.site, manifest) == WEIGHTS
    assert sum("/models/" in path for path in coordinator.paths()) == 1


def test_weights_that_are_missing_or_changed_are_refused(desk: StudyDesk, coordinator: FakeCoordinator) -> None:
    """A site trains from the weights that the manifest names, or not at all."""
    manifest = coordinator.offer(study()).manifest
    assert _code(initial_weights, desk.site, manifest) == "WEIGHTS_MISSING"
    desk.fetch()
    desk.approve("thigh", by="pi", now=NOW)
    (desk.site.folder.models / f"{manifest.initial_weights_sha256}.safetensors").write_bytes(b"changed")
    assert _code(initial_weights, desk.site, manifest) == "WEIGHTS_DIGEST"


def test_decision_reaches_the_coordinator_signed(desk: StudyDesk, coordinator: FakeCoordinator) -> None:
    """What is sent is what was decided here, and it is sent once."""
    coordinator.offer(study())
    desk.fetch()
    decided = desk.approve("thigh", by="pi", now=NOW)
    assert decided.delivered
    (sent,) = (request for request in coordinator.sent if request[1] == "/site/decision")
    method, path, body, named = sent
    assert (method, path, named) == ("POST", "/site/decision", "thigh")
    assert SignedDecision.model_validate_json(body) == decided.decision
    assert b'"pi"' not in body
    assert desk.deliver_all() == 0


@pytest.mark.parametrize("away", ["stopped", "503"])
def test_decision_made_while_the_way_is_closed_is_delivered_later(
    desk: StudyDesk, coordinator: FakeCoordinator, away: str
) -> None:
    """It counts here at once; the service delivers it."""
    coordinator.offer(study())
    desk.fetch()
    if away == "503":
        coordinator.refusals["/site/decision"] = (503, "")
    else:
        coordinator.raises["/site/decision"] = _stopped()
    assert not desk.approve("thigh", by="pi", now=NOW).delivered
    assert desk.approved_manifest("thigh").study_id == "thigh"
    assert not desk.list().studies[0].delivered
    coordinator.refusals.clear()
    coordinator.raises.clear()
    assert desk.deliver_all() == 1
    assert desk.list().studies[0].delivered


def test_one_refused_study_or_decision_holds_no_other_back(desk: StudyDesk, coordinator: FakeCoordinator) -> None:
    """All are tried; the first refusal is told."""
    genuine, coordinator.key = coordinator.key, FakeCoordinator().key
    coordinator.offer(study(study_id="forged"))
    coordinator.key = genuine
    coordinator.offer(study())
    coordinator.offer(study(study_id="calf"))
    assert _code(desk.fetch) == "MANIFEST_SIGNATURE"
    assert {overview.study_id for overview in desk.list().studies} == {"thigh", "calf"}
    coordinator.raises["/site/decision"] = _stopped()
    for study_id in ("calf", "thigh"):
        desk.approve(study_id, by="pi", now=NOW)
    coordinator.raises.clear()
    coordinator.refusals["/site/decision"] = (409, "DECISION_OLD_VERSION")
    coordinator.sent.clear()
    assert _code(desk.deliver_all) == "DECISION_OLD_VERSION"
    assert coordinator.paths().count("POST /site/decision") == 2


def test_revoked_study_is_delivered_as_such(desk: StudyDesk, coordinator: FakeCoordinator) -> None:
    """The later word replaces the earlier one."""
    coordinator.offer(study())
    desk.fetch()
    desk.approve("thigh", by="pi", now=NOW)
    assert desk.revoke("thigh", by="pi", now=NOW).delivered
    assert desk.list().studies[0].decision == "revoked"


def test_manifest_in_words_says_what_leaves_and_its_digest() -> None:
    """A person approves what the words and the digest say."""
    text = "\n".join(manifest_lines(study()))
    assert "leaves this site" in text
    assert study().digest() in text


def test_who_reads_a_study_is_told_that_an_approval_would_be_refused(
    desk: StudyDesk, coordinator: FakeCoordinator
) -> None:
    """With the code that approving gives; nothing is said of a study that is approved, or that could be."""
    coordinator.offer(study())
    desk.fetch()
    assert desk.refusal("thigh") is None
    policy = desk.site.config.policy.model_copy(update={"max_batch": 1, "max_local_steps": 1})
    strict = replace(desk, site=replace(desk.site, config=desk.site.config.model_copy(update={"policy": policy})))
    refusal = strict.refusal("thigh")
    assert refusal is not None
    with pytest.raises(MyofedError) as caught:
        strict.approve("thigh", by="pi", now=NOW)
    assert (caught.value.code, caught.value.message) == (refusal.code, refusal.message)
    desk.approve("thigh", by="pi", now=NOW)
    assert strict.refusal("thigh") is None


def test_small_site_is_told_before_it_approves_that_no_dice_of_its_own_leaves(
    desk: StudyDesk, coordinator: FakeCoordinator
) -> None:
    """Before the split by what it gives on average, after it by what it gave; a large enough site is told nothing."""
    coordinator.offer(study(split={"test_percent": 40, "validation_percent": 20, "salt": "x"}))
    desk.fetch()
    assert desk.notes("thigh") == (), "a demo policy lets a Dice over one subject leave"
    policy = desk.site.config.policy.model_copy(update={"min_scored_subjects": 2})
    careful = replace(desk, site=replace(desk.site, config=desk.site.config.model_copy(update={"policy": policy})))
    (note,) = careful.notes("thigh")
    assert note.startswith(
        "few subjects: about 1 validate, fewer than policy.min_scored_subjects (2): no Dice of a muscle"
    )
    assert desk.approve("thigh", by="pi", now=NOW).notes == ()
    roles = desk.approvals.roles("thigh")
    policy = policy.model_copy(update={"min_scored_subjects": 6})
    careful = replace(desk, site=replace(desk.site, config=desk.site.config.model_copy(update={"policy": policy})))
    assert [note.split(",")[0] for note in careful.notes("thigh")] == [
        f"few subjects: {len(roles.validation)} validate",
        f"few subjects: {len(roles.test)} test",
    ]
