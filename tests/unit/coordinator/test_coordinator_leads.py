"""Whose study it is, on both databases: who may not write, start, stop or ask for it, then who may, and what the chain says."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from coordinator_factories import NOW, FakeSite, make_card, make_manifest, make_weights

from myofed_coordinator.accounts.permissions import Permission, Person, Role, granted
from myofed_coordinator.accounts.wire import NewAccount
from myofed_coordinator.negotiations.asked import AskedParticipation
from myofed_coordinator.runs.starts import Eyes, StartsService, eyes_of
from myofed_coordinator.services import Services, open_runs
from myofed_coordinator.studies.leads import Doer, doer_of
from myofed_coordinator.studies.models import LeadRow
from myofed_schemas.duo import ResearchPurpose
from myofed_schemas.errors import MyofedError

Enrol = Callable[[str], FakeSite]
WEIGHTS = make_weights()
STUDY = "thigh-muscles"
LEA, LOU = Doer("lea"), Doer("lou")
ADA = Doer("ada", leads_any=True)
MACHINE = Doer("root", "machine")
TOKEN = Doer("token", "token")


@pytest.fixture
def site(services: Services, enrol: Enrol) -> FakeSite:
    """hospital-a, which approved version 1 of lea's study; lea and lou are study leads."""
    made = enrol("hospital-a")
    for account in ("lea", "lou"):
        services.accounts.add(NewAccount(account=account, roles=(Role.STUDY_LEAD,)), actor="root", now=NOW)
    write(services, LEA)
    services.studies.record_decision(
        made.decide(services.studies.show(STUDY).signed.manifest), site="hospital-a", now=NOW
    )
    return made


def write(services: Services, doer: Doer | str, *, version: int = 1) -> None:
    services.studies.create(
        make_manifest(WEIGHTS, sites=("hospital-a",), version=version), WEIGHTS, actor=doer, now=NOW
    )


def start(services: Services, doer: Doer) -> None:
    StartsService(services, open_runs(services)).ask(STUDY, Eyes(doer.name, doer.origin, doer.leads_any), now=NOW)


def stop(services: Services, doer: Doer) -> None:
    runs = open_runs(services)
    active = [r.run_id for r in runs.list() if r.state == "submitted"]
    run_id = active[0] if active else runs.start(STUDY, actor="lea", now=NOW).run_id
    runs.stop(run_id, actor=doer, now=NOW)


def ask(services: Services, doer: Doer, *, study_id: str = STUDY) -> None:
    services.catalog.publish(make_card("hospital-a"), site="hospital-a", now=NOW)
    asked = AskedParticipation(
        site="hospital-a",
        dataset="thigh-dixon",
        study_id=study_id,
        purpose=ResearchPurpose(methods=True),
        message="Would you take part?",
    )
    roles = {Role.STUDY_LEAD} | ({Role.ADMINISTRATOR} if doer.leads_any else set())
    services.negotiations.ask(asked, person=Person(doer.name, frozenset(roles)), now=NOW)


DEEDS: dict[str, Callable[[Services, Doer], None]] = {
    "write": lambda services, doer: write(services, doer, version=2),
    "start": start,
    "stop": stop,
    "ask-participation": ask,
}


def code_of(action: Callable[[], object]) -> str:
    with pytest.raises(MyofedError) as caught:
        action()
    return caught.value.code


def told(services: Services) -> list[tuple[str, str, object]]:
    """What the chain says of leads: who, what, and whom or for what."""
    return [
        (e.actor, e.action, e.detail.get("lead", e.detail.get("for")))
        for e in services.audit.entries()
        if e.action in {"STUDY_LEAD_ADDED", "STUDY_LEAD_REMOVED", "STUDY_TAKEN_OVER"}
    ]


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("stranger", [LOU, Doer("LEA"), Doer("lea.x")])
def test_study_of_somebody_else_is_left_alone(services: Services, site: FakeSite, deed: str, stranger: Doer) -> None:
    """Another study lead changes, starts, stops and asks for nothing of it, and leaves nothing behind."""
    assert code_of(lambda: DEEDS[deed](services, stranger)) == "STUDY_NOT_YOURS"
    last = services.studies.last_manifest(STUDY)
    assert last is not None
    assert last.version == 1
    assert StartsService(services, open_runs(services)).list_starts(now=NOW) == []
    assert all(run.state == "submitted" for run in open_runs(services).list())
    assert told(services) == []


@pytest.mark.parametrize("deed", DEEDS)
def test_its_owner_does_it(services: Services, site: FakeSite, deed: str) -> None:
    """And the chain has nothing to say about a take-over."""
    DEEDS[deed](services, LEA)
    assert told(services) == []


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("doer", [ADA, MACHINE, TOKEN])
def test_administrator_stands_in_and_the_chain_says_so(
    services: Services, site: FakeSite, deed: str, doer: Doer
) -> None:
    """Also whoever types at the coordinator's machine; nobody becomes a lead by it."""
    if deed == "ask-participation" and doer is not ADA:
        doer = ADA  # no command asks for participation
    DEEDS[deed](services, doer)
    assert told(services) == [(doer.name, "STUDY_TAKEN_OVER", deed)]
    assert [lead.name for lead in services.leads.of_study(STUDY)] == ["lea"]


def test_login_at_the_machine_is_not_the_account_of_its_name(services: Services, enrol: Enrol) -> None:
    """Whom a provider calls as the operator's login is called does not own the operator's studies."""
    enrol("hospital-a")
    write(services, MACHINE)
    assert code_of(lambda: write(services, Doer("root"), version=2)) == "STUDY_NOT_YOURS"
    write(services, MACHINE, version=2)
    assert told(services) == []


def test_study_without_an_author_is_nobodys_until_an_administrator_assigns_one(
    services: Services, site: FakeSite
) -> None:
    """Nobody writes, starts or asks, not even an administrator; a run of it can be stopped."""
    with services.database.write() as session:
        session.delete(session.get_one(LeadRow, (STUDY, "lea", "account")))
    for doer in (LEA, ADA):
        for deed in ("write", "start", "ask-participation"):
            with pytest.raises(MyofedError, match="STUDY_NO_LEAD") as caught:
                DEEDS[deed](services, doer)
            assert "study lead add thigh-muscles ACCOUNT" in caught.value.hint
    assert code_of(lambda: stop(services, LEA)) == "STUDY_NO_LEAD"
    stop(services, ADA)
    assert code_of(lambda: services.leads.add(STUDY, "lea", by=LEA, now=NOW)) == "STUDY_NO_LEAD"
    (owner,) = services.leads.add(STUDY, "lou", by=ADA, now=NOW)
    assert (owner.name, owner.owner, owner.added_by) == ("lou", True, "ada")
    write(services, LOU, version=2)


def test_only_the_owner_and_administrators_say_who_leads(services: Services, site: FakeSite) -> None:
    """A co-lead does what a lead does, but hands the study to nobody."""
    assert code_of(lambda: services.leads.add(STUDY, "lou", by=LOU, now=NOW)) == "STUDY_NOT_OWNER"
    assert [(x.name, x.owner) for x in services.leads.add(STUDY, "lou", by=LEA, now=NOW)] == [
        ("lea", True),
        ("lou", False),
    ]
    services.accounts.add(NewAccount(account="max", roles=(Role.STUDY_LEAD,)), actor="root", now=NOW)
    for refused in (
        lambda: services.leads.add(STUDY, "max", by=LOU, now=NOW),
        lambda: services.leads.remove(STUDY, "lea", by=LOU, now=NOW),
    ):
        assert code_of(refused) == "STUDY_NOT_OWNER"
    write(services, LOU, version=2)
    services.leads.add(STUDY, "lou", by=LEA, now=NOW)
    assert [x.name for x in services.leads.remove(STUDY, "lou", by=LOU, now=NOW)] == ["lea"]
    assert code_of(lambda: write(services, LOU, version=3)) == "STUDY_NOT_YOURS"
    assert told(services) == [("lea", "STUDY_LEAD_ADDED", "lou"), ("lou", "STUDY_LEAD_REMOVED", "lou")]


def test_who_cannot_lead_is_not_added_and_the_last_one_stays(services: Services, site: FakeSite) -> None:
    """An account that is not there, shut out, or no study lead; a study that is not there."""
    services.accounts.add(NewAccount(account="aud", roles=(Role.AUDITOR,)), actor="root", now=NOW)
    services.accounts.disable("lou", actor="root", now=NOW)
    leads = services.leads
    assert code_of(lambda: leads.add(STUDY, "aud", by=LEA, now=NOW)) == "STUDY_LEAD_ROLE"
    assert code_of(lambda: leads.add(STUDY, "lou", by=LEA, now=NOW)) == "STUDY_LEAD_ROLE"
    assert code_of(lambda: leads.add(STUDY, "who", by=LEA, now=NOW)) == "ACCOUNT_UNKNOWN"
    assert code_of(lambda: leads.remove(STUDY, "aud", by=LEA, now=NOW)) == "STUDY_LEAD_UNKNOWN"
    assert code_of(lambda: leads.remove(STUDY, "lea", by=ADA, now=NOW)) == "STUDY_LAST_LEAD"
    for unknown in (
        lambda: leads.of_study("nothing"),
        lambda: leads.add("nothing", "lea", by=ADA, now=NOW),
        lambda: leads.remove("nothing", "lea", by=ADA, now=NOW),
    ):
        assert code_of(unknown) == "STUDY_UNKNOWN"
    assert told(services) == []


def test_administrator_puts_another_owner_in_place(services: Services, site: FakeSite) -> None:
    """Who wrote it has left the consortium."""
    services.leads.add(STUDY, "lou", by=MACHINE, now=NOW)
    services.leads.remove(STUDY, "lea", by=ADA, now=NOW)
    assert [(x.name, x.owner) for x in services.leads.of_study(STUDY)] == [("lou", False)]
    services.leads.add(STUDY, "lea", by=ADA, now=NOW)
    assert [(x.name, x.owner) for x in services.leads.of_study(STUDY)] == [("lea", True), ("lou", False)]


def test_participation_for_a_study_that_is_not_written_yet_is_anybodys(services: Services, enrol: Enrol) -> None:
    """Sites are asked before there is a manifest."""
    enrol("hospital-a")
    ask(services, LOU, study_id="to-come")
    assert services.negotiations.of_site("hospital-a")[0].signed.request.study_id == "to-come"


def test_narrow_token_of_an_administrator_stands_in_for_nobody() -> None:
    """A script with start-runs alone does not take studies over."""
    both = frozenset({Role.ADMINISTRATOR, Role.STUDY_LEAD})
    narrow = Person("ada", both, scope=frozenset({Permission.START_RUNS}))
    assert not eyes_of(narrow).stands_in
    assert doer_of(Person("ada", both)).stands_in
    assert doer_of(Person("token", frozenset({Role.ADMINISTRATOR}))).origin == "token"
    holders = {role for role in Role if Permission.LEAD_ANY_STUDY in granted({role})}
    assert holders == {Role.ADMINISTRATOR}
