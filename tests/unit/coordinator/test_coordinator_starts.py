"""Four eyes, on both databases: who cannot start a run alone, and how two people do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from coordinator_factories import NOW, FakeSite, make_manifest, make_weights

from myofed_coordinator.accounts.makers import HELD_FOR
from myofed_coordinator.accounts.permissions import Person, Role
from myofed_coordinator.accounts.wire import NewAccount, RolesChange
from myofed_coordinator.runs.starts import PENDING_FOR, Eyes, StartsService, eyes_of
from myofed_coordinator.services import Services, open_runs, open_services
from myofed_coordinator.studies.leads import Doer, lead_row
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError

Enrol = Callable[[str], FakeSite]
WEIGHTS = make_weights()
ANN = Eyes("ann.lee", "account")
BOB = Eyes("bob", "account")
OPERATOR = Eyes("root", "machine")
TOKEN = Eyes("token", "token")


@pytest.fixture
def site(services: Services, enrol: Enrol) -> FakeSite:
    """hospital-a, which approved version 1 of thigh-muscles; everybody of these tests leads the study."""
    made = enrol("hospital-a")
    offer(services, made, version=1)
    with services.database.write() as session:
        for account in ("ann.lee", "bob", "dan", "eve"):
            session.add(lead_row("thigh-muscles", Doer(account), owner=False, by="lead", at=utc_text(NOW)))
    return made


def offer(services: Services, site: FakeSite, *, version: int) -> None:
    manifest = make_manifest(WEIGHTS, sites=(site.name,), version=version)
    services.studies.create(manifest, WEIGHTS, actor=Doer("lead"), now=NOW)
    services.studies.record_decision(site.decide(manifest), site=site.name, now=NOW)


def starts_of(services: Services) -> StartsService:
    return StartsService(services, open_runs(services))


def actions(services: Services) -> list[tuple[str, str]]:
    return [(e.actor, e.action) for e in services.audit.entries() if e.action.startswith(("START_", "RUN_"))]


def test_start_without_approvals_is_not_even_asked_for(services: Services, enrol: Enrol) -> None:
    """Nothing waits that could not start."""
    site = enrol("hospital-a")
    services.studies.create(make_manifest(WEIGHTS, sites=(site.name,)), WEIGHTS, actor=Doer("ann.lee"), now=NOW)
    for study, code in (("thigh-muscles", "NOT_APPROVED"), ("nothing", "STUDY_UNKNOWN")):
        with pytest.raises(MyofedError, match=code):
            starts_of(services).ask(study, ANN, now=NOW)
    assert starts_of(services).list_starts(now=NOW) == []


@pytest.mark.parametrize(
    ("asker", "confirmer"),
    [
        (ANN, ANN),
        (ANN, Eyes("ann.lee", "machine")),
        (TOKEN, TOKEN),
        (OPERATOR, OPERATOR),
        (OPERATOR, TOKEN),
        (TOKEN, OPERATOR),
        (TOKEN, Eyes("second", "machine")),
    ],
)
def test_nobody_confirms_the_own_start(services: Services, site: FakeSite, asker: Eyes, confirmer: Eyes) -> None:
    """Neither under one name by two ways, nor an operator with the token that lies on the operator's machine."""
    start = starts_of(services).ask("thigh-muscles", asker, now=NOW)
    with pytest.raises(MyofedError, match="START_SAME_PERSON"):
        starts_of(services).confirm(start.start_id, confirmer, now=NOW)
    assert starts_of(services).show(start.start_id, now=NOW).state == "pending"
    assert open_runs(services).list() == []


@pytest.mark.parametrize(
    ("asker", "confirmer"),
    [(ANN, BOB), (ANN, OPERATOR), (OPERATOR, ANN), (OPERATOR, Eyes("second", "machine")), (TOKEN, ANN)],
)
def test_two_people_start_a_run(services: Services, site: FakeSite, asker: Eyes, confirmer: Eyes) -> None:
    """The run is ordered once, and the chain says who asked and who confirmed."""
    start = starts_of(services).ask("thigh-muscles", asker, now=NOW)
    assert (start.state, start.run_id) == ("pending", None)
    assert open_runs(services).list() == []
    done = starts_of(services).confirm(start.start_id, confirmer, now=NOW)
    assert (done.state, done.asked_by, done.decided_by) == ("started", asker.name, confirmer.name)
    assert [run.run_id for run in open_runs(services).list()] == [done.run_id]
    assert actions(services) == [
        (asker.name, "START_ASKED"),
        (confirmer.name, "START_CONFIRMED"),
        (asker.name, "RUN_STARTED"),
    ]
    with pytest.raises(MyofedError, match="START_DECIDED"):
        starts_of(services).confirm(start.start_id, confirmer, now=NOW)


def let_in(services: Services, account: str, *, by: str, role: Role = Role.ADMINISTRATOR) -> None:
    services.accounts.add(NewAccount(account=account, roles=(role,)), actor=by, now=NOW)


def touched(services: Services, account: str, *, by: str, how: str) -> None:
    """The account, which the machine's operator added long ago, has come into these hands."""
    long_ago = NOW - 2 * HELD_FOR
    wanted = NewAccount(account=account, roles=(Role.AUDITOR,))
    if how == "added":
        let_in(services, account, by=by)
        return
    services.accounts.add(wanted, actor="root", now=long_ago)
    if how == "reset":
        services.accounts.reset(account, actor=by, now=NOW)
    else:
        services.accounts.set_roles(account, RolesChange(roles=(Role.ADMINISTRATOR,)), actor=by, now=NOW)


@pytest.mark.parametrize("how", ["added", "reset", "roles"])
@pytest.mark.parametrize(("asker", "confirmer"), [(ANN, BOB), (BOB, ANN)])
def test_account_in_the_hands_of_the_other_side_is_no_second_pair_of_eyes(
    services: Services, site: FakeSite, asker: Eyes, confirmer: Eyes, how: str
) -> None:
    """Whoever saw the set-up link of an account may be behind it; after thirty days it counts as its person's."""
    let_in(services, "ann.lee", by="root")
    touched(services, "bob", by="ann.lee", how=how)
    starts = starts_of(services)
    start = starts.ask("thigh-muscles", asker, now=NOW)
    with pytest.raises(MyofedError, match="START_NOT_INDEPENDENT"):
        starts.confirm(start.start_id, confirmer, now=NOW)
    assert open_runs(services).list() == []
    late = NOW + HELD_FOR
    start = starts.ask("thigh-muscles", asker, now=late)
    assert starts.confirm(start.start_id, confirmer, now=late).state == "started"


@pytest.mark.parametrize(
    ("asker", "confirmer"), [("dan", "ann.lee"), ("ann.lee", "dan"), ("bob", "eve"), ("eve", "bob"), ("dan", "eve")]
)
def test_accounts_of_accounts_are_no_second_pair_of_eyes(
    services: Services, site: FakeSite, asker: str, confirmer: str
) -> None:
    """Ann adds Bob and Eve, Bob adds Dan: all four may be Ann."""
    for account, by in (("ann.lee", "root"), ("bob", "ann.lee"), ("eve", "ann.lee"), ("dan", "bob")):
        let_in(services, account, by=by)
    start = starts_of(services).ask("thigh-muscles", Eyes(asker, "account"), now=NOW)
    with pytest.raises(MyofedError, match="START_NOT_INDEPENDENT"):
        starts_of(services).confirm(start.start_id, Eyes(confirmer, "account"), now=NOW)
    second = Eyes("second", "machine")
    assert starts_of(services).confirm(start.start_id, second, now=NOW).state == "started"


@pytest.mark.parametrize(
    ("made_by", "asker", "confirmer"),
    [
        ("root", OPERATOR, BOB),
        ("root", BOB, OPERATOR),
        ("token", TOKEN, BOB),
        ("token", OPERATOR, BOB),
        ("root", TOKEN, BOB),
        ("root", BOB, TOKEN),
    ],
)
def test_operator_and_token_do_not_look_through_accounts_that_they_made(
    services: Services, site: FakeSite, made_by: str, asker: Eyes, confirmer: Eyes
) -> None:
    """They count as one, here too."""
    let_in(services, "bob", by=made_by)
    start = starts_of(services).ask("thigh-muscles", asker, now=NOW)
    with pytest.raises(MyofedError, match="START_NOT_INDEPENDENT"):
        starts_of(services).confirm(start.start_id, confirmer, now=NOW)


@pytest.mark.parametrize("made_by", ["root", "token"])
def test_people_whom_the_machine_let_in_start_a_run_together(services: Services, site: FakeSite, made_by: str) -> None:
    """Else nobody could in the first month; the operator of the machine holds everything there anyway."""
    for account in ("ann.lee", "bob"):
        let_in(services, account, by=made_by)
    start = starts_of(services).ask("thigh-muscles", ANN, now=NOW)
    assert starts_of(services).confirm(start.start_id, BOB, now=NOW).state == "started"


def test_start_is_over_after_a_week_and_when_the_study_has_changed(services: Services, site: FakeSite) -> None:
    """What was confirmed is what was asked for, not something newer, and not long ago."""
    starts = starts_of(services)
    start = starts.ask("thigh-muscles", ANN, now=NOW)
    late = NOW + PENDING_FOR
    assert starts.show(start.start_id, now=late).state == "expired"
    for deed in (
        lambda: starts.confirm(start.start_id, BOB, now=late),
        lambda: starts.decline(start.start_id, BOB, reason="late", now=late),
    ):
        with pytest.raises(MyofedError, match="START_DECIDED"):
            deed()
    assert starts.ask("thigh-muscles", ANN, now=late).start_id != start.start_id
    offer(services, site, version=2)
    with pytest.raises(MyofedError, match="START_CHANGED"):
        starts.confirm(start.start_id, BOB, now=NOW)


def test_start_that_waits_is_not_asked_for_twice(services: Services, site: FakeSite) -> None:
    """The second one who asks sees the first one's wish and may confirm it."""
    starts = starts_of(services)
    first = starts.ask("thigh-muscles", ANN, now=NOW)
    assert starts.ask("thigh-muscles", BOB, now=NOW + timedelta(minutes=1)) == first
    assert starts.confirm(first.start_id, BOB, now=NOW).state == "started"


def test_confirmation_that_cannot_start_leaves_the_start_waiting(services: Services, site: FakeSite) -> None:
    """Another run of the study is active: nothing is decided."""
    starts = starts_of(services)
    start = starts.ask("thigh-muscles", ANN, now=NOW)
    open_runs(services).start("thigh-muscles", actor="admin", now=NOW)
    with pytest.raises(MyofedError, match="RUN_ACTIVE"):
        starts.confirm(start.start_id, BOB, now=NOW)
    assert starts.show(start.start_id, now=NOW).state == "pending"
    assert "START_CONFIRMED" not in [action for _, action in actions(services)]


def test_declined_start_tells_who_and_why(services: Services, site: FakeSite) -> None:
    """The text is kept for people; the chain holds its digest."""
    starts = starts_of(services)
    start = starts.ask("thigh-muscles", ANN, now=NOW)
    done = starts.decline(start.start_id, BOB, reason="wrong quarter", now=NOW)
    assert (done.state, done.decided_by, done.reason) == ("declined", "bob", "wrong quarter")
    entry = next(e for e in services.audit.entries() if e.action == "START_DECLINED")
    assert "wrong quarter" not in entry.model_dump_json()
    with pytest.raises(MyofedError, match="START_UNKNOWN"):
        starts.decline("start-00000000", BOB, reason="none", now=NOW)
    assert [s.start_id for s in starts.list_starts(now=NOW)] == [start.start_id]


def test_four_eyes_set_off_start_at_once(services: Services, site: FakeSite) -> None:
    """As in a demonstration; who asked stands as who decided."""
    alone = open_services(services.home, services.config.model_copy(update={"four_eyes": False}))
    try:
        done = starts_of(alone).ask("thigh-muscles", OPERATOR, now=NOW)
        assert (done.state, done.decided_by) == ("started", "root")
        with pytest.raises(MyofedError, match="RUN_ACTIVE"):
            starts_of(alone).ask("thigh-muscles", OPERATOR, now=NOW)
    finally:
        alone.close()


def test_eyes_of_a_person_follow_the_way_in() -> None:
    """The administrator's token is the machine's, whoever holds it."""
    assert eyes_of(Person("token", frozenset({Role.ADMINISTRATOR}))) == TOKEN
    assert eyes_of(Person("bob", frozenset({Role.ADMINISTRATOR}))) == BOB
