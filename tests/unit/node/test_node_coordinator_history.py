"""The coordinator's own chain as a site vouches for it: no signature for a history that was changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from site_factories import NOW, FakeCoordinator, audited_actions, demo_site, enrol, entry_digest, refusal_code

from myofed_node import doctor_checks
from myofed_node.audit import SiteAudit
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.coordinator_history import ChangedHistory, accept_history, open_evidence, witness_coordinator
from myofed_node.keys import load_identity_key
from myofed_node.signed_heads import kept
from myofed_node.site_setup import Site
from myofed_node.status import site_status, status_lines
from myofed_schemas.audit import ProvenHead, WitnessedHead
from myofed_schemas.canonical import canonical_json


@pytest.fixture
def coordinator() -> FakeCoordinator:
    return FakeCoordinator()


@pytest.fixture
def site(tmp_path: Path, coordinator: FakeCoordinator) -> Site:
    made = demo_site(tmp_path / "a")
    enrol(made, coordinator)
    return made


def _witness(site: Site, coordinator: FakeCoordinator) -> int:
    return witness_coordinator(site.folder, CoordinatorApi(coordinator), now=NOW)  # type: ignore[arg-type]


def _grow(coordinator: FakeCoordinator, *, to: int) -> None:
    coordinator.own_entries += [entry_digest(n) for n in range(len(coordinator.own_entries) + 1, to + 1)]


def _rewrite(coordinator: FakeCoordinator, *, begin: int, to: int) -> None:
    """From this entry on it is another history, with honest proofs of its own."""
    coordinator.own_entries[begin - 1 :] = [entry_digest(n, "rewritten") for n in range(begin, to + 1)]


def _refused(site: Site, coordinator: FakeCoordinator, code: str = "COORDINATOR_HISTORY_CHANGED") -> None:
    """It is refused, and nothing of this site's signature left."""
    before = kept(site.folder.coordinator_head)
    coordinator.sent.clear()
    assert refusal_code(lambda: _witness(site, coordinator)) == code
    assert [method for method, *_ in coordinator.sent] == ["GET"]
    assert kept(site.folder.coordinator_head) == before


def test_head_is_signed_once(site: Site, coordinator: FakeCoordinator) -> None:
    """With the identity key, over the same canonical JSON; the same head is not sent again, the next one is, from there."""
    assert [_witness(site, coordinator) for _ in range(2)] == [5, 5]
    (sent,) = [body for method, _, body, _ in coordinator.sent if method == "POST"]
    witnessed = WitnessedHead.model_validate_json(sent)
    key = load_identity_key(site.folder).public_key()
    key.verify(bytes.fromhex(witnessed.witness), canonical_json(coordinator.own_head().head))
    _grow(coordinator, to=9)
    assert _witness(site, coordinator) == 9
    assert coordinator.paths()[0] == "GET /site/coordinator-head/0"
    assert coordinator.paths()[-2:] == ["GET /site/coordinator-head/5", "POST /site/coordinator-head"]
    assert doctor_checks.coordinator_history(site.folder) == "witnessed up to 9"


def test_head_that_went_back_is_not_witnessed(site: Site, coordinator: FakeCoordinator) -> None:
    """A shorter chain, or another one of the same length, gets no signature of this site."""
    assert _witness(site, coordinator) == 5
    coordinator.own_entries.pop()
    _refused(site, coordinator, "COORDINATOR_HEAD_WENT_BACK")
    coordinator.own_entries.append(entry_digest(5, "rewritten"))
    _refused(site, coordinator, "COORDINATOR_HEAD_WENT_BACK")
    assert audited_actions(site).count("COORDINATOR_HEAD_WENT_BACK") == 2


@pytest.mark.parametrize("begin", [1, 3, 5])
def test_rewritten_longer_chain_is_not_witnessed(site: Site, coordinator: FakeCoordinator, begin: int) -> None:
    """It is in the site's chain, in `status` and `doctor`, and both signed heads lie in a file; the first evidence is kept."""
    _witness(site, coordinator)
    before = kept(site.folder.coordinator_head)
    _rewrite(coordinator, begin=begin, to=12)
    shown = coordinator.own_head(since=5)
    _refused(site, coordinator)
    _rewrite(coordinator, begin=begin, to=13)
    _refused(site, coordinator)
    evidence = open_evidence(site.folder)
    assert evidence is not None
    found = ChangedHistory.model_validate_json(evidence.read_bytes())
    assert (found.witnessed, found.shown) == (before, shown)
    assert audited_actions(site) == ["COORDINATOR_HISTORY_CHANGED"] * 2
    assert refusal_code(lambda: doctor_checks.coordinator_history(site.folder)) == "COORDINATOR_HISTORY_CHANGED"
    status = site_status(site)
    assert status.coordinator_history == "COORDINATOR_HISTORY_CHANGED"
    assert any("COORDINATOR_HISTORY_CHANGED" in line for line in status_lines(status))


def test_history_that_comes_back_is_witnessed_again(site: Site, coordinator: FakeCoordinator) -> None:
    """The true chain in its place proves itself; the evidence stays, and binds nobody any more."""
    _witness(site, coordinator)
    right = list(coordinator.own_entries)
    _rewrite(coordinator, begin=2, to=9)
    _refused(site, coordinator)
    coordinator.own_entries = right
    _grow(coordinator, to=7)
    assert _witness(site, coordinator) == 7
    assert open_evidence(site.folder) is None
    assert list(site.folder.root.glob("coordinator-history-5-*.json"))
    assert site_status(site).coordinator_history == "OK"


@pytest.mark.parametrize(
    "show",
    [
        lambda shown, _: shown.model_copy(update={"proof": None}),
        lambda shown, _: shown.model_copy(update={"proof": shown.proof.model_copy(update={"consistency": ()})}),
        lambda shown, _: shown.model_copy(update={"proof": shown.proof.model_copy(update={"since": 0})}),
        lambda shown, c: c.signed_head(shown.head.model_copy(update={"root": None}), shown.proof),
        lambda shown, c: c.signed_head(shown.head.model_copy(update={"digest": "a" * 64}), shown.proof),
        lambda shown, c: c.signed_head(shown.head.model_copy(update={"sequence": 10}), shown.proof),
    ],
)
def test_head_without_a_proof_that_holds_is_not_witnessed(
    site: Site, coordinator: FakeCoordinator, monkeypatch: pytest.MonkeyPatch, show: Callable[..., ProvenHead]
) -> None:
    """No proof, a part of one, one from another head; no root, another digest, another sequence under a good signature."""
    _witness(site, coordinator)
    _grow(coordinator, to=9)
    honest = coordinator.own_head
    monkeypatch.setattr(coordinator, "own_head", lambda *, since: show(honest(since=since), coordinator))
    _refused(site, coordinator)


def test_first_head_has_to_be_its_trees_last_leaf(
    site: Site, coordinator: FakeCoordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where nothing was witnessed before."""
    shown = coordinator.own_head()
    wrong = coordinator.signed_head(shown.head.model_copy(update={"digest": "a" * 64}), shown.proof)
    monkeypatch.setattr(coordinator, "own_head", lambda **_: wrong)
    _refused(site, coordinator)
    assert open_evidence(site.folder) is not None
    monkeypatch.undo()
    assert _witness(site, coordinator) == 5
    assert open_evidence(site.folder) is None


def test_head_of_another_chain_is_not_witnessed(
    site: Site, coordinator: FakeCoordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A head that the coordinator co-signed for a site is none of its own, and another owner's name is no way around."""
    _witness(site, coordinator)
    _grow(coordinator, to=9)
    shown = coordinator.own_head(since=5)
    other = coordinator.signed_head(shown.head.model_copy(update={"owner": "alpha"}), shown.proof)
    monkeypatch.setattr(coordinator, "own_head", lambda **_: other)
    _refused(site, coordinator, "COSIGNATURE_INVALID")


def test_head_under_another_key_is_not_witnessed(site: Site, coordinator: FakeCoordinator) -> None:
    """Only what the enrolled coordinator signed."""
    coordinator.key = FakeCoordinator().key
    _refused(site, coordinator, "COSIGNATURE_INVALID")
    assert not site.folder.coordinator_head.exists()


@pytest.mark.parametrize("to", [5, 9])
def test_head_of_an_earlier_release_is_gone_on_from(site: Site, coordinator: FakeCoordinator, to: int) -> None:
    """It has no root: its entry is shown to be at its place, whether or not the chain grew meanwhile."""
    _old(site, coordinator)
    _grow(coordinator, to=to)
    assert _witness(site, coordinator) == to
    now = kept(site.folder.coordinator_head)
    assert now is not None
    assert now.head.root is not None


def test_rewritten_chain_is_not_witnessed_after_an_upgrade(site: Site, coordinator: FakeCoordinator) -> None:
    """The first exchange after it is honest, too."""
    _old(site, coordinator)
    _rewrite(coordinator, begin=2, to=9)
    _refused(site, coordinator)


def _old(site: Site, coordinator: FakeCoordinator) -> None:
    old = coordinator.own_head().head.model_copy(update={"root": None})
    site.folder.coordinator_head.write_bytes(canonical_json(coordinator.signed_head(old).signed))


def test_changed_history_is_accepted_by_a_person(site: Site, coordinator: FakeCoordinator) -> None:
    """After a restored backup: the old head is set aside, who did it stands in the chain, and the next head is a first one."""
    _witness(site, coordinator)
    old = site.folder.coordinator_head.read_bytes()
    _rewrite(coordinator, begin=4, to=9)
    _refused(site, coordinator)
    assert accept_history(site.folder, by="eva", now=NOW).sequence == 5
    assert site_status(site).coordinator_history == "OK"
    assert doctor_checks.coordinator_history(site.folder) == "nothing witnessed yet"
    assert (site.folder.root / "coordinator-head-20260101000000.json").read_bytes() == old
    assert _witness(site, coordinator) == 9
    last = list(SiteAudit(site.folder).entries())[-1]
    assert (last.action, last.actor, last.detail) == ("COORDINATOR_HISTORY_ACCEPTED", "eva", {"witnessed": 5})


def test_nothing_is_accepted_where_nothing_was_witnessed(site: Site) -> None:
    """There is no head to give up."""
    assert refusal_code(lambda: accept_history(site.folder, by="eva", now=NOW)) == "HEAD_NONE"


def test_damaged_head_does_not_hide_the_sites_status(site: Site) -> None:
    """It has its code."""
    site.folder.coordinator_head.write_bytes(b"{")
    assert site_status(site).coordinator_history == "COSIGNATURE_INVALID"
