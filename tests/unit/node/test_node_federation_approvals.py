"""What the site's people decided, and the check of every message against it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from site_factories import NOW, FakeCoordinator, demo_site, enrol, study

from myofed_node.audit import SiteAudit
from myofed_node.config import SitePolicy
from myofed_node.federation.approvals import Approvals
from myofed_node.keys import identity_public_key
from myofed_node.learning.split import assign_roles
from myofed_node.site_setup import Site
from myofed_schemas.canonical import canonical_json
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import Instruction
from myofed_schemas.study import SignedManifest, Split, StudyManifest

SUBJECTS = tuple(f"S{number}" for number in range(8))


@dataclass
class Desk:
    """A site, its coordinator, and what was offered."""

    site: Site
    coordinator: FakeCoordinator

    @property
    def approvals(self) -> Approvals:
        return Approvals(self.site.folder, self.site.config)

    def offer(self, **changes: object) -> SignedManifest:
        signed = self.coordinator.offer(study(**changes))
        self.approvals.store_manifest(signed)
        return signed

    def approve(self, **changes: object) -> SignedManifest:
        signed = self.offer(**changes)
        self.approvals.approve("thigh", by="tester", now=NOW, subjects=SUBJECTS)
        return signed

    def actions(self) -> list[str]:
        return [entry.action for entry in SiteAudit(self.site.folder).entries()]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    site, coordinator = demo_site(tmp_path / "site"), FakeCoordinator()
    enrol(site, coordinator)
    return Desk(site, coordinator)


def message(manifest: StudyManifest, **changes: object) -> Instruction:
    values: dict[str, object] = {
        "kind": "train",
        "study_id": manifest.study_id,
        "manifest_digest": manifest.digest(),
        "run_id": "run-00000001",
        "round": 1,
        "weights_sha256": "0" * 64,
    }
    return Instruction.model_validate(values | changes)


def code_of(action: object, *arguments: object, **named: object) -> str:
    with pytest.raises(MyofedError) as caught:
        action(*arguments, **named)  # type: ignore[operator]
    return caught.value.code


def test_manifest_that_the_coordinator_did_not_sign_is_refused(desk: Desk) -> None:
    """Another key, another signature, another digest: nothing is stored."""
    genuine, other = desk.coordinator.offer(study()), FakeCoordinator().offer(study())
    changed = genuine.model_copy(update={"manifest": study(rounds=9)})
    redigested = changed.model_copy(update={"digest": changed.manifest.digest()})
    codes = [code_of(desk.approvals.store_manifest, signed) for signed in (other, changed, redigested)]
    assert codes == ["MANIFEST_SIGNATURE", "MANIFEST_CHANGED", "MANIFEST_SIGNATURE"]
    assert desk.approvals.studies() == []


def test_manifest_for_others_is_refused(desk: Desk) -> None:
    """A site keeps no study that does not name it."""
    signed = desk.coordinator.offer(study(sites=("beta",)))
    assert code_of(desk.approvals.store_manifest, signed) == "MANIFEST_NOT_FOR_US"


def test_version_that_came_before_with_other_content_is_refused(desk: Desk) -> None:
    """A version is sent once; the same one again changes nothing."""
    first = desk.offer()
    assert desk.approvals.store_manifest(first) is False
    assert code_of(desk.approvals.store_manifest, desk.coordinator.offer(study(rounds=9))) == "MANIFEST_VERSION_REUSED"


def test_study_that_nobody_approved_is_not_worked_for(desk: Desk) -> None:
    """Unknown, only offered, declined: three codes, no work."""
    asked = study()
    assert code_of(desk.approvals.check, message(asked)) == "NOT_APPROVED"
    desk.offer()
    assert code_of(desk.approvals.check, message(asked)) == "NOT_APPROVED"
    desk.approvals.decline("thigh", by="tester", now=NOW)
    assert code_of(desk.approvals.check, message(asked)) == "DECLINED"
    assert code_of(desk.approvals.roles, "thigh") == "NOT_APPROVED"


def test_approved_study_is_worked_for_on_the_split_made_at_approval(desk: Desk) -> None:
    """Everybody has one role, and a second approval does not move anybody."""
    signed = desk.approve()
    approved = desk.approvals.check(message(signed.manifest))
    assert approved.manifest == signed.manifest
    everyone = {*approved.roles.train, *approved.roles.validation, *approved.roles.test}
    assert everyone == set(SUBJECTS)
    desk.approvals.approve("thigh", by="tester", now=NOW, subjects=(*SUBJECTS, "NEW"))
    assert desk.approvals.roles("thigh") == approved.roles


def test_message_about_another_manifest_is_refused(desk: Desk) -> None:
    """The digest of the message, of the decision and of the stored document must be one."""
    signed = desk.approve()
    assert code_of(desk.approvals.check, message(study(rounds=9))) == "MANIFEST_CHANGED"
    desk.approvals.check(message(signed.manifest))


def test_one_changed_byte_in_the_stored_manifest_stops_the_work(desk: Desk) -> None:
    """Also where the file is missing or no manifest at all."""
    signed = desk.approve()
    path = desk.site.folder.study("thigh") / "manifest-1.json"
    whole = path.read_bytes()
    for damaged in (whole.replace(b'"batch_size":', b'"batch_size":1', 1), whole[:-1], b""):
        path.write_bytes(damaged)
        assert code_of(desk.approvals.check, message(signed.manifest)) == "MANIFEST_CHANGED"
    path.unlink()
    assert code_of(desk.approvals.check, message(signed.manifest)) == "MANIFEST_CHANGED"


def test_decision_that_this_site_did_not_sign_is_refused(desk: Desk) -> None:
    """A decision file written by another hand opens nothing."""
    signed = desk.approve()
    path = desk.site.folder.study("thigh") / "decision.json"
    path.write_bytes(path.read_bytes().replace(b'"version":1', b'"version":2'))
    assert code_of(desk.approvals.check, message(signed.manifest)) == "DECISION_ALTERED"


def test_lost_split_stops_the_work(desk: Desk) -> None:
    """Without the split made at approval, test subjects could be trained on."""
    signed = desk.approve()
    (desk.site.folder.study("thigh") / "split-1.json").unlink()
    assert code_of(desk.approvals.check, message(signed.manifest)) == "SPLIT_MISSING"


def test_revoked_approval_is_over_at_the_next_message(desk: Desk) -> None:
    """And there is nothing to revoke twice."""
    signed = desk.approve()
    desk.approvals.revoke("thigh", by="tester", now=NOW)
    assert code_of(desk.approvals.check, message(signed.manifest)) == "REVOKED"
    assert code_of(desk.approvals.revoke, "thigh", by="tester", now=NOW) == "NOT_APPROVED"
    assert desk.actions()[-2:] == ["STUDY_APPROVED", "STUDY_REVOKED"]


def test_version_that_came_after_the_person_read_is_not_approved(desk: Desk) -> None:
    """Who names the digest that was read never approves another manifest by mistake."""
    read = desk.offer()
    desk.offer(version=2)
    with pytest.raises(MyofedError) as caught:
        desk.approvals.approve("thigh", by="tester", now=NOW, subjects=SUBJECTS, digest=read.digest[:12])
    assert caught.value.code == "MANIFEST_NOT_THE_ONE_READ"
    assert desk.approvals.show("thigh").newest.manifest.version == 2
    with pytest.raises(MyofedError):
        desk.approvals.check(message(read.manifest))


def test_approval_of_a_version_is_none_of_the_next(desk: Desk) -> None:
    """A new version waits for its own decision; a run of the old one may end."""
    old = desk.approve()
    new = desk.offer(version=2, rounds=9)
    (state,) = desk.approvals.studies()
    assert state.waits
    assert state.newest == new
    assert code_of(desk.approvals.check, message(new.manifest)) == "MANIFEST_CHANGED"
    desk.approvals.check(message(old.manifest))


@pytest.mark.parametrize(
    ("changes", "subjects", "code"),
    [
        ({"demo": False}, SUBJECTS, "POLICY_DEMO"),
        ({"min_subjects": 9}, SUBJECTS, "POLICY_TOO_FEW_SUBJECTS"),
        ({}, SUBJECTS[:2], "POLICY_TOO_FEW_SUBJECTS"),
        ({"min_subjects": 1}, ("S1", "S1", "S2"), "SPLIT_DUPLICATE"),
    ],
)
def test_study_against_the_policy_cannot_be_approved(
    desk: Desk, changes: dict[str, object], subjects: tuple[str, ...], code: str
) -> None:
    """Not even by the site's own people: nothing is decided, nothing written."""
    desk.offer(**changes)
    assert code_of(desk.approvals.approve, "thigh", by="tester", now=NOW, subjects=subjects) == code
    assert desk.approvals.signed_decision("thigh") is None
    assert "STUDY_APPROVED" not in desk.actions()


def test_split_that_leaves_too_few_to_train_cannot_be_approved(desk: Desk) -> None:
    """A round's loss is a mean over those who train: at a real site at least five."""
    strict = desk.site.config.policy.model_copy(update={"min_scored_subjects": 7})
    desk.offer()
    approvals = Approvals(desk.site.folder, desk.site.config.model_copy(update={"policy": strict}))
    assert code_of(approvals.approve, "thigh", by="tester", now=NOW, subjects=SUBJECTS) == "POLICY_TOO_FEW_TRAINING"
    assert not list(desk.site.folder.study("thigh").glob("split-*.json"))
    desk.approvals.approve("thigh", by="tester", now=NOW, subjects=SUBJECTS)
    assert code_of(approvals.check, message(study())) == "POLICY_TOO_FEW_TRAINING"


def test_decision_of_a_demo_site_is_marked(desk: Desk) -> None:
    """The coordinator sees it under the site's signature."""
    desk.approve()
    signed = desk.approvals.signed_decision("thigh")
    assert signed is not None
    assert signed.decision.demo is True


def test_policy_that_became_stricter_stops_an_approved_study(desk: Desk) -> None:
    """The policy is asked at every message."""
    signed = desk.approve()
    stricter = desk.site.config.model_copy(update={"policy": SitePolicy()})
    assert code_of(Approvals(desk.site.folder, stricter).check, message(signed.manifest)) == "POLICY_DEMO"


def test_decision_is_signed_with_the_sites_identity_and_stands_in_the_audit_chain(desk: Desk) -> None:
    """The coordinator can verify it with the key the site enrolled with."""
    signed = desk.approve()
    decision = desk.approvals.signed_decision("thigh")
    assert decision is not None
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(identity_public_key(desk.site.folder)))
    key.verify(bytes.fromhex(decision.signature), canonical_json(decision.decision))
    assert (decision.decision.digest, decision.decision.site) == (signed.digest, "alpha")
    assert desk.actions()[-1] == "STUDY_APPROVED"


def test_unknown_study_cannot_be_decided(desk: Desk) -> None:
    """There is nothing to read, so there is nothing to decide."""
    assert code_of(desk.approvals.approve, "other", by="tester", now=NOW, subjects=SUBJECTS) == "STUDY_UNKNOWN"


def test_new_version_keeps_the_roles_of_known_subjects(desk: Desk) -> None:
    """A coordinator that asks with another salt and other percentages draws nobody anew; who came later is drawn."""
    desk.approve()
    first = desk.approvals.roles("thigh")
    desk.offer(version=2, split=Split(test_percent=50, validation_percent=30, salt="chosen"))
    desk.approvals.approve("thigh", by="tester", now=NOW, subjects=(*SUBJECTS, "NEW"))
    second = desk.approvals.roles("thigh")
    assert set(first.train) <= set(second.train)
    assert set(first.validation) <= set(second.validation)
    assert set(first.test) <= set(second.test)
    assert len([*second.train, *second.validation, *second.test]) == len(SUBJECTS) + 1


def test_split_is_drawn_with_the_sites_own_key(desk: Desk) -> None:
    """A site of an earlier release gets one, 0600; a key that others can read is refused."""
    desk.site.folder.split_key.unlink()
    desk.approve()
    assert desk.site.folder.split_key.stat().st_mode & 0o777 == 0o600
    expected = assign_roles(SUBJECTS, study().split, key=desk.site.folder.split_key.read_bytes())
    assert desk.approvals.roles("thigh") == expected
    desk.offer(version=2)
    desk.site.folder.split_key.chmod(0o644)
    assert code_of(desk.approvals.approve, "thigh", by="tester", now=NOW, subjects=SUBJECTS) == "KEY_PERMISSIONS"
