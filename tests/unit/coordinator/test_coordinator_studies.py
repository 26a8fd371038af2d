"""Studies: what may not be created or decided, then the way from a draft to enough approvals."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from coordinator_factories import NOW, FakeSite, make_manifest, make_weights

from myofed_coordinator.services import Services
from myofed_coordinator.signing import new_signer, verify
from myofed_coordinator.studies.leads import Doer
from myofed_schemas.errors import MyofedError
from myofed_schemas.study import SignedDecision, StudyManifest

Enrol = Callable[[str], FakeSite]
WEIGHTS = make_weights()


def create(services: Services, manifest: StudyManifest, weights: bytes = WEIGHTS) -> StudyManifest:
    return services.studies.create(manifest, weights, actor=Doer("lead"), now=NOW).manifest


def decide(services: Services, signed: SignedDecision, *, site: str = "hospital-a") -> None:
    services.studies.record_decision(signed, site=site, now=NOW)


def code_of(action: Callable[[], object]) -> str:
    with pytest.raises(MyofedError) as caught:
        action()
    return caught.value.code


def test_weights_with_another_digest_are_refused(services: Services, enrol: Enrol) -> None:
    """The manifest's digest of the initial weights is the file's, or there is no study."""
    enrol("hospital-a")
    manifest = make_manifest(WEIGHTS, sites=("hospital-a",))
    assert code_of(lambda: create(services, manifest, make_weights(seed=2))) == "WEIGHTS_DIGEST"
    assert services.studies.list_studies() == []


def test_weights_of_another_shape_are_refused(services: Services, enrol: Enrol) -> None:
    """Every tensor has the name, shape and dtype that the sites will approve."""
    enrol("hospital-a")
    manifest = make_manifest(WEIGHTS, sites=("hospital-a",))
    first, second = manifest.state_dict
    other = manifest.model_copy(update={"state_dict": (first.model_copy(update={"shape": (2, 1, 9)}), second)})
    assert code_of(lambda: create(services, other)) == "WEIGHTS_SHAPE"
    fewer = manifest.model_copy(update={"state_dict": (first,)})
    assert code_of(lambda: create(services, fewer)) == "WEIGHTS_KEYS"


def test_study_with_a_site_that_is_not_enrolled_is_refused(services: Services, enrol: Enrol) -> None:
    """A manifest names approved sites only."""
    enrol("hospital-a")
    manifest = make_manifest(WEIGHTS, sites=("hospital-a", "hospital-z"))
    assert code_of(lambda: create(services, manifest)) == "STUDY_SITE_UNKNOWN"


@pytest.mark.parametrize("version", [1, 3])
def test_version_that_is_not_the_next_is_refused(services: Services, enrol: Enrol, version: int) -> None:
    """A change under an old number and a gap are both refused; versions are 1, 2, 3."""
    enrol("hospital-a")
    create(services, make_manifest(WEIGHTS, sites=("hospital-a",)))
    changed = make_manifest(WEIGHTS, sites=("hospital-a",), rounds=9, version=version)
    assert code_of(lambda: create(services, changed)) == "STUDY_VERSION"


def test_decision_of_another_site_is_refused(services: Services, enrol: Enrol) -> None:
    """The certificate's site and the decision's are the same."""
    site, _ = enrol("hospital-a"), enrol("hospital-b")
    manifest = create(services, make_manifest(WEIGHTS, sites=("hospital-a", "hospital-b")))
    assert code_of(lambda: decide(services, site.decide(manifest), site="hospital-b")) == "DECISION_WRONG_SITE"


def test_decision_signed_with_another_key_is_refused(services: Services, enrol: Enrol) -> None:
    """Only the site's enrolled identity key decides for it, and a forged decision changes nothing."""
    site = enrol("hospital-a")
    manifest = create(services, make_manifest(WEIGHTS, sites=("hospital-a",)))
    site.identity = new_signer()
    assert code_of(lambda: decide(services, site.decide(manifest))) == "BAD_SIGNATURE"
    assert services.studies.show("thigh-muscles").decisions == {"hospital-a": "open"}


def test_decision_about_another_digest_is_refused(services: Services, enrol: Enrol) -> None:
    """What was approved is byte for byte what we signed."""
    site = enrol("hospital-a")
    manifest = create(services, make_manifest(WEIGHTS, sites=("hospital-a",)))
    assert code_of(lambda: decide(services, site.decide(manifest, digest="0" * 64))) == "DECISION_WRONG_DIGEST"


def test_decision_about_an_unknown_version_is_refused(services: Services, enrol: Enrol) -> None:
    """There is nothing to decide about a version that was never made."""
    site = enrol("hospital-a")
    manifest = create(services, make_manifest(WEIGHTS, sites=("hospital-a",)))
    assert code_of(lambda: decide(services, site.decide(manifest, version=2))) == "STUDY_UNKNOWN"


def test_decision_of_a_site_that_is_not_named_is_refused(services: Services, enrol: Enrol) -> None:
    """A site has no word in other sites' studies, and is not told that they exist."""
    enrol("hospital-a")
    other = enrol("hospital-b")
    manifest = create(services, make_manifest(WEIGHTS, sites=("hospital-a",)))
    assert code_of(lambda: decide(services, other.decide(manifest), site="hospital-b")) == "STUDY_UNKNOWN"
    assert services.studies.of_site("hospital-b") == []


def test_approval_of_a_replaced_version_is_refused(services: Services, enrol: Enrol) -> None:
    """Once version 2 exists, nobody approves version 1; it can still be revoked."""
    site = enrol("hospital-a")
    old = create(services, make_manifest(WEIGHTS, sites=("hospital-a",)))
    create(services, make_manifest(WEIGHTS, sites=("hospital-a",), version=2))
    assert code_of(lambda: decide(services, site.decide(old))) == "DECISION_OLD_VERSION"
    decide(services, site.decide(old, "revoked"))
    assert services.studies.show("thigh-muscles", version=1).decisions == {"hospital-a": "revoked"}


def test_earlier_decision_does_not_undo_a_later_one(services: Services, enrol: Enrol) -> None:
    """A replayed approval from before a revocation is refused."""
    site = enrol("hospital-a")
    manifest = create(services, make_manifest(WEIGHTS, sites=("hospital-a",)))
    early = site.decide(manifest, decided_at="2026-11-22T10:00:00Z")
    decide(services, early)
    decide(services, site.decide(manifest, "revoked", decided_at="2026-11-22T11:00:00Z"))
    decide(services, early)
    another = site.decide(manifest, decided_at="2026-11-22T10:30:00Z")
    assert code_of(lambda: decide(services, another)) == "DECISION_OUT_OF_ORDER"
    assert services.studies.approved_sites("thigh-muscles", version=1) == ()


def test_study_starts_only_with_enough_approvals(services: Services, enrol: Enrol) -> None:
    """Below the quorum the start is refused; a declined or revoked site does not count."""
    first, second = enrol("hospital-a"), enrol("hospital-b")
    manifest = create(services, make_manifest(WEIGHTS, sites=("hospital-a", "hospital-b")))
    decide(services, first.decide(manifest))
    decide(services, second.decide(manifest, "declined"), site="hospital-b")
    assert code_of(lambda: services.studies.ready_to_start("thigh-muscles")) == "NOT_APPROVED"
    decide(services, second.decide(manifest), site="hospital-b")
    assert services.studies.ready_to_start("thigh-muscles").manifest == manifest
    services.enrolment.revoke("hospital-b", actor="admin", now=NOW)
    assert services.studies.approved_sites("thigh-muscles", version=1) == ("hospital-a",)


def test_new_version_needs_new_approvals(services: Services, enrol: Enrol) -> None:
    """No approval is carried over to a changed manifest."""
    site = enrol("hospital-a")
    manifest = create(services, make_manifest(WEIGHTS, sites=("hospital-a",)))
    decide(services, site.decide(manifest))
    create(services, make_manifest(WEIGHTS, sites=("hospital-a",), version=2, rounds=5))
    assert services.studies.show("thigh-muscles").decisions == {"hospital-a": "open"}


def test_manifest_is_signed_by_the_coordinator(services: Services, enrol: Enrol) -> None:
    """What a named site fetches carries a signature that holds, and the same call again gives the same document."""
    enrol("hospital-a")
    manifest = make_manifest(WEIGHTS, sites=("hospital-a",))
    signed = services.studies.create(manifest, WEIGHTS, actor=Doer("lead"), now=NOW)
    assert services.studies.of_site("hospital-a") == [signed]
    verify(signed.manifest, signature=signed.signature, public_key=signed.signer)
    assert services.studies.create(manifest, WEIGHTS, actor=Doer("lead"), now=NOW) == signed
    assert [e.action for e in services.audit.entries()].count("STUDY_CREATED") == 1
