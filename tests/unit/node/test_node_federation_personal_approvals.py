"""An approval by named people: nothing before the rule holds, nothing after a signature is gone, no name outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import permutations
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from people_factories import DPO, PI, add_person, site_of_two
from pydantic import ValidationError
from site_factories import NOW, PASSPHRASE, FakeCoordinator, audited_actions, enrol, refusal_code, study, write_labels
from test_node_federation_approvals import SUBJECTS, message

from myofed_node.config import DEMO_POLICY, OPERATOR_ALONE, ApprovalRule, SitePolicy
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.federation.personal_approvals import OPERATOR, Collected, PersonalSignature, unfilled
from myofed_node.people import People
from myofed_node.personal_signing import make_signature, statement_of
from myofed_node.site_setup import Site
from myofed_node.study_desk import Signed, StudyDesk
from myofed_schemas.approval import DeclineReason, SiteRole
from myofed_schemas.canonical import canonical_json
from myofed_schemas.study import SignedDecision, SignedManifest

ROLES: tuple[SiteRole, ...] = (PI, DPO, "ethics-committee", OPERATOR)


@dataclass
class Hospital:
    """A site whose rule asks for two people, one of each role, and the coordinator it talks to."""

    site: Site
    coordinator: FakeCoordinator
    now: datetime = NOW

    @property
    def desk(self) -> StudyDesk:
        return StudyDesk(self.site, CoordinatorApi(self.coordinator))  # type: ignore[arg-type]

    def offer(self, **changes: object) -> SignedManifest:
        signed = self.coordinator.offer(study(**changes))
        self.desk.approvals.store_manifest(signed)
        return signed

    def signature(
        self, person: str, *, role: SiteRole | None = None, decline: DeclineReason | None = None
    ) -> PersonalSignature:
        said = statement_of(self.desk, "thigh", person=person, role=role, decline=decline, now=self.now)
        return make_signature(self.desk, said, person=person, passphrase=lambda: PASSPHRASE)

    def sign(self, person: str, **how: object) -> Signed:
        return self.desk.sign(self.signature(person, **how), now=self.now)  # type: ignore[arg-type]

    def works(self, manifest: SignedManifest) -> str:
        try:
            self.desk.approvals.check(message(manifest.manifest))
        except Exception as error:  # noqa: BLE001  the code, whatever it is
            return str(getattr(error, "code", "?"))
        return "OK"

    def sent_decisions(self) -> list[SignedDecision]:
        bodies = [body for _, path, body, _ in self.coordinator.sent if path == "/site/decision"]
        return [SignedDecision.model_validate_json(body) for body in bodies]


def hospital_of(root: Path, rule: ApprovalRule | None = None) -> Hospital:
    site, coordinator = site_of_two(root, rule), FakeCoordinator()
    enrol(site, coordinator)
    for label in SUBJECTS:
        write_labels(site.folder.dataset, label)
    coordinator.models[study().initial_weights_sha256] = b"weights"
    return Hospital(site, coordinator)


@pytest.fixture
def hospital(tmp_path: Path) -> Hospital:
    made = hospital_of(tmp_path / "site")
    add_person(made.site, "j.smith", PI)
    add_person(made.site, "a.jones", DPO)
    return made


def test_operator_alone_approves_nothing_where_people_must_sign(hospital: Hospital) -> None:
    """The default of a site for patients: without --as nothing is decided, split or sent."""
    signed = hospital.offer()
    call = lambda: hospital.desk.approve("thigh", by="op", now=NOW)  # noqa: E731
    assert refusal_code(call) == "APPROVAL_NEEDS_PEOPLE"
    assert hospital.works(signed) == "NOT_APPROVED"
    assert hospital.sent_decisions() == []
    assert not list(hospital.site.folder.study("thigh").glob("split-*"))
    assert SitePolicy().approval_rule == ApprovalRule()
    assert DEMO_POLICY.approval_rule == OPERATOR_ALONE


def test_one_signature_of_two_trains_nothing_and_sends_nothing(hospital: Hospital) -> None:
    """The decision leaves with the last signature that the rule asks for, not before."""
    signed = hospital.offer()
    first = hospital.sign("j.smith")
    assert (first.decided, first.waits_for) == (None, (DPO,))
    assert hospital.desk.list().studies[0].waits_for == (DPO,)
    assert hospital.works(signed) == "NOT_APPROVED"
    assert hospital.sent_decisions() == []
    second = hospital.sign("a.jones")
    assert second.decided is not None
    assert second.decided.delivered
    assert hospital.works(signed) == "OK"


def test_decision_that_leaves_has_roles_and_digests_and_no_name(hospital: Hospital) -> None:
    """Neither a name, nor a key, nor a signature of a person is among the bytes that were sent."""
    hospital.offer()
    hospital.sign("j.smith")
    hospital.sign("a.jones")
    (decision,) = hospital.sent_decisions()
    assert {s.role for s in decision.decision.signed_by or ()} == {PI, DPO}
    sent = b"".join(body for _, _, body, _ in hospital.coordinator.sent)
    for person in People(hospital.site.folder).list():
        assert person.name.encode() not in sent
        assert person.public_key.encode() not in sent
    kept = (hospital.site.folder.study("thigh") / "signatures-1.json").read_text()
    assert "j.smith" in kept
    assert all(
        s.signature not in sent.decode("latin-1")
        for s in hospital.desk.approvals.people._collected(hospital.site.folder.study("thigh") / "signatures-1.json")
    )


def _gone(hospital: Hospital) -> None:
    (hospital.site.folder.study("thigh") / "signatures-1.json").unlink()


def _damaged(hospital: Hospital) -> None:
    (hospital.site.folder.study("thigh") / "signatures-1.json").write_bytes(b"{}")


def _disabled(hospital: Hospital) -> None:
    People(hospital.site.folder).disable("a.jones", by="op", now=NOW)


def _record_gone(hospital: Hospital) -> None:
    (hospital.site.folder.people / "a.jones.person.json").unlink()


def _other_key(hospital: Hospital) -> None:
    person = People(hospital.site.folder).show("a.jones")
    key = Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
    path = hospital.site.folder.people / "a.jones.person.json"
    path.write_bytes(canonical_json(person.model_copy(update={"public_key": key})))


def _stricter(hospital: Hospital) -> None:
    rule = ApprovalRule(required_roles=(PI, DPO, "ethics-committee"))
    policy = hospital.site.config.policy.model_copy(update={"approvals": rule})
    hospital.site = Site(hospital.site.folder, hospital.site.config.model_copy(update={"policy": policy}))


@pytest.mark.parametrize("harm", [_gone, _damaged, _disabled, _record_gone, _other_key, _stricter])
def test_approval_whose_signatures_do_not_hold_any_more_is_refused_at_the_next_message(
    hospital: Hospital, harm: Callable[[Hospital], None]
) -> None:
    """Everything is read again at each message: lost, damaged, disabled, exchanged, or a stricter rule."""
    signed = hospital.offer()
    hospital.sign("j.smith")
    hospital.sign("a.jones")
    harm(hospital)
    assert hospital.works(signed) == "APPROVAL_SIGNATURES"


def test_approval_of_the_operator_does_not_hold_under_a_rule_of_people(hospital: Hospital) -> None:
    """A site that approved under the operator's rule approves again once its rule asks for people."""
    signed = hospital.offer()
    lax = hospital.site.config.policy.model_copy(update={"approvals": OPERATOR_ALONE})
    strict, config = hospital.site, hospital.site.config
    hospital.site = Site(strict.folder, config.model_copy(update={"policy": lax}))
    hospital.desk.approve("thigh", by="op", now=NOW)
    assert hospital.works(signed) == "OK"
    hospital.site = strict
    assert hospital.works(signed) == "APPROVAL_SIGNATURES"


def test_another_person_of_the_role_takes_the_place_of_one_who_left(hospital: Hospital) -> None:
    """The study goes on once the rule is filled again."""
    signed = hospital.offer()
    hospital.sign("j.smith")
    hospital.sign("a.jones")
    _disabled(hospital)
    add_person(hospital.site, "b.brown", DPO)
    assert hospital.sign("b.brown").decided is not None
    assert hospital.works(signed) == "OK"


def test_one_who_declines_declines_for_the_site_and_voids_what_was_signed(hospital: Hospital) -> None:
    """The reason's code leaves; to approve then, everybody signs again."""
    signed = hospital.offer()
    hospital.sign("j.smith")
    declined = hospital.sign("a.jones", decline="DECLINED_LEGAL_BASIS")
    assert declined.decided is not None
    decision = hospital.sent_decisions()[-1].decision
    assert (decision.decision, decision.reason) == ("declined", "DECLINED_LEGAL_BASIS")
    assert [s.role for s in decision.signed_by or ()] == [DPO]
    assert hospital.works(signed) == "DECLINED"
    hospital.now += timedelta(seconds=1)
    assert hospital.sign("a.jones").waits_for == (PI,)
    assert hospital.works(signed) == "DECLINED"
    assert hospital.sign("j.smith").decided is not None
    assert hospital.works(signed) == "OK"


def test_revocation_needs_nobody_and_its_signatures_do_not_come_back(hospital: Hospital) -> None:
    """The operator stops a study at once; an approval after that is a new one of all."""
    signed = hospital.offer()
    hospital.sign("j.smith")
    hospital.sign("a.jones")
    hospital.desk.revoke("thigh", by="op", now=NOW)
    assert hospital.works(signed) == "REVOKED"
    hospital.now += timedelta(seconds=1)
    assert hospital.sign("j.smith").decided is None
    assert hospital.works(signed) == "REVOKED"


def test_signature_from_before_a_revocation_does_not_come_back(hospital: Hospital) -> None:
    """Neither brought again, nor by putting the file of voided signatures back in its place."""
    signed = hospital.offer()
    old = hospital.signature("j.smith")
    hospital.sign("j.smith")
    hospital.sign("a.jones")
    hospital.desk.revoke("thigh", by="op", now=NOW)
    later = NOW + timedelta(days=1)
    assert refusal_code(lambda: hospital.desk.sign(old, now=later)) == "APPROVAL_STATEMENT"
    folder = hospital.site.folder.study("thigh")
    (folder / "signatures-1-void-1.json").rename(folder / "signatures-1.json")
    hospital.now = later
    assert hospital.sign("j.smith").waits_for == (DPO,)
    assert hospital.works(signed) == "REVOKED"


def test_signatures_of_one_version_are_none_of_the_next(hospital: Hospital) -> None:
    """Any change is approved again by all."""
    hospital.offer()
    hospital.sign("j.smith")
    hospital.sign("a.jones")
    second = hospital.offer(version=2, rounds=9)
    assert hospital.works(second) == "MANIFEST_CHANGED"
    assert hospital.sign("j.smith").waits_for == (DPO,)


def test_statement_about_anything_else_is_refused(hospital: Hospital) -> None:
    """Another site, version, digest or role, one from the future, and a signature over another statement."""
    hospital.offer()
    good = hospital.signature("j.smith")
    later = (NOW + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for change in ({"site": "beta"}, {"version": 2}, {"digest": "0" * 64}, {"signed_at": later}):
        other = good.model_copy(update={"statement": good.statement.model_copy(update=change)})
        assert refusal_code(lambda given=other: hospital.desk.sign(given, now=NOW)) == "APPROVAL_STATEMENT"  # type: ignore[misc]
    role = good.statement.model_copy(update={"role": DPO})
    asked = good.model_copy(update={"statement": role})
    assert refusal_code(lambda: hospital.desk.sign(asked, now=NOW)) == "PERSON_ROLE"
    earlier = good.statement.model_copy(update={"signed_at": "2020-01-01T00:00:00Z"})
    assert (
        refusal_code(lambda: hospital.desk.sign(good.model_copy(update={"statement": earlier}), now=NOW))
        == "APPROVAL_SIGNATURE"
    )
    assert (
        refusal_code(lambda: hospital.desk.sign(good.model_copy(update={"person": "a.jones"}), now=NOW))
        == "PERSON_ROLE"
    )
    assert audited_actions(hospital.site)[2:] == []


def test_role_that_the_rule_does_not_name_approves_nothing(hospital: Hospital) -> None:
    """It may decline all the same: one is enough to say no."""
    hospital.offer()
    add_person(hospital.site, "e.ethics", "ethics-committee")
    assert refusal_code(lambda: hospital.sign("e.ethics")) == "PERSON_ROLE"
    assert hospital.sign("e.ethics", decline="DECLINED_ETHICS").decided is not None


def test_nobody_signs_a_study_that_the_policy_refuses(hospital: Hospital) -> None:
    """Signatures are not collected for what cannot be approved."""
    hospital.offer(demo=False)
    assert refusal_code(lambda: hospital.sign("j.smith")) == "POLICY_DEMO"
    assert "STUDY_SIGNED" not in audited_actions(hospital.site)


def test_operator_can_be_one_of_the_roles(tmp_path: Path) -> None:
    """The operator's signature is made with the site's key, beside the person's."""
    hospital = hospital_of(tmp_path / "site", ApprovalRule(required_roles=(OPERATOR, DPO)))
    add_person(hospital.site, "a.jones", DPO)
    signed = hospital.offer()
    assert refusal_code(lambda: hospital.desk.approve("thigh", by="op", now=NOW)) == "APPROVAL_NEEDS_PEOPLE"
    assert hospital.desk.sign_as_operator("thigh", by="op", now=NOW).waits_for == (DPO,)
    assert hospital.sign("a.jones").decided is not None
    assert hospital.works(signed) == "OK"


def test_deeds_of_people_are_in_the_audit_chain(hospital: Hospital) -> None:
    """Who signed, in which role, and that the site approved then."""
    hospital.offer()
    hospital.sign("j.smith")
    hospital.sign("a.jones")
    assert audited_actions(hospital.site) == [
        "PERSON_ADDED", "PERSON_ADDED", "STUDY_SIGNED", "STUDY_SIGNED", "STUDY_APPROVED",
    ]  # fmt: skip


def test_person_of_two_roles_says_in_which_one(tmp_path: Path) -> None:
    """With distinct people the same person cannot fill both; without, it can, role by role."""
    rule = ApprovalRule(required_roles=(PI, DPO), distinct_people=False)
    hospital = hospital_of(tmp_path / "site", rule)
    add_person(hospital.site, "j.smith", PI, DPO)
    hospital.offer()
    assert refusal_code(lambda: hospital.sign("j.smith")) == "PERSON_ROLE"
    assert hospital.sign("j.smith", role=PI).waits_for == (DPO,)
    assert hospital.sign("j.smith", role=DPO).decided is not None


def test_rule_that_nobody_could_fill_is_refused() -> None:
    """A role twice needs two people; the operator signs once."""
    with pytest.raises(ValidationError, match="distinct_people"):
        ApprovalRule(required_roles=(PI, PI), distinct_people=False)
    with pytest.raises(ValidationError, match="operator"):
        ApprovalRule(required_roles=(OPERATOR, OPERATOR))


def _fills(roles: tuple[SiteRole, ...], votes: set[tuple[str, SiteRole]]) -> bool:
    """By trying everything."""
    return any(
        all(vote[1] == role for vote, role in zip(chosen, roles, strict=True))
        and len({person for person, _ in chosen}) == len(roles)
        for chosen in permutations(sorted(votes), len(roles))
    )


@given(
    st.lists(st.sampled_from((PI, DPO, "ethics-committee")), min_size=1, max_size=3),
    st.sets(st.tuples(st.sampled_from("abcd"), st.sampled_from((PI, DPO, "ethics-committee"))), max_size=6),
)
def test_rule_is_filled_exactly_where_distinct_people_can_be_found(
    roles: list[SiteRole], votes: set[tuple[str, SiteRole]]
) -> None:
    """The matching says what trying every choice of people says."""
    rule = ApprovalRule(required_roles=tuple(roles))
    assert (unfilled(rule, sorted(votes)) == ()) == _fills(rule.required_roles, votes)


def test_record_of_a_person_that_the_audit_chain_does_not_know_signs_nothing(hospital: Hospital) -> None:
    """Whoever writes files here and puts an own key under a person's name leaves a trace in the chain, or approves nothing."""
    signed = hospital.offer()
    said = statement_of(hospital.desk, "thigh", person="a.jones", role=None, decline=None, now=NOW)
    own, folder = Ed25519PrivateKey.generate(), hospital.site.folder
    swapped = (
        People(folder).show("a.jones").model_copy(update={"public_key": own.public_key().public_bytes_raw().hex()})
    )
    (folder.people / "a.jones.person.json").write_bytes(canonical_json(swapped))
    forged = PersonalSignature(statement=said, person="a.jones", signature=own.sign(canonical_json(said)).hex())
    path = folder.study("thigh") / "signatures-1.json"
    path.write_bytes(canonical_json(Collected(signatures=(forged,))))
    assert hospital.desk.approvals.people.missing(signed) == (PI, DPO)
