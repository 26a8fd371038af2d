"""Signing in, sessions and API tokens, on both databases: what is refused comes first."""

from __future__ import annotations

from datetime import timedelta

import pytest
from coordinator_factories import HOUR, NOW, make_person
from sqlalchemy import select, update

from myofed_coordinator.accounts.login import PER_ACCOUNT, PER_ADDRESS, Arrival
from myofed_coordinator.accounts.models import AccountRow, ApiTokenRow, SessionRow
from myofed_coordinator.accounts.permissions import Permission, Person, Role
from myofed_coordinator.accounts.sessions import IDLE, LASTS, TOKEN_PERSON, csrf_of
from myofed_coordinator.accounts.wire import Credentials, NewAccount, NewToken, RolesChange
from myofed_coordinator.services import Services
from myofed_schemas.errors import MyofedError

HERE = Arrival("10.0.0.1")
MINUTE = timedelta(minutes=1)


def failing(services: Services, given: Credentials, arrival: Arrival = HERE, *, minutes: int = 0) -> str:
    """The code with which this login is refused."""
    with pytest.raises(MyofedError) as refused:
        services.login.sign_in(given, arrival, now=NOW + minutes * MINUTE)
    return refused.value.code


def test_every_wrong_login_gets_the_same_answer(services: Services) -> None:
    """Nobody learns by asking which accounts exist, which are disabled, or which part was wrong."""
    ann = make_person(services.accounts, "ann.lee", Role.AUDITOR, now=NOW)
    out = make_person(services.accounts, "bob", Role.AUDITOR, now=NOW)
    services.accounts.disable("bob", actor="token", now=NOW)
    services.accounts.add(NewAccount(account="new", roles=(Role.AUDITOR,)), actor="token", now=NOW)
    wrong = [
        ann.credentials(now=NOW, account="nobody"),
        ann.credentials(now=NOW, account="new"),
        ann.credentials(now=NOW, password="wrong password"),
        ann.credentials(now=NOW, code=""),
        ann.credentials(now=NOW, code="000000"),
        ann.credentials(now=NOW - 2 * MINUTE),
        ann.credentials(now=NOW + 2 * MINUTE),
        out.credentials(now=NOW),
    ]
    assert {failing(services, given) for given in wrong} == {"LOGIN_FAILED"}


def test_unknown_account_costs_the_work_of_a_known_one(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of an answer says nothing: one comparison is made in each case."""
    ann = make_person(services.accounts, "ann.lee", Role.AUDITOR, now=NOW)
    compared: list[str | None] = []
    passwords = services.login._place.passwords
    real = passwords.matches

    def counted(password: str, stored: str | None) -> bool:
        compared.append(stored)
        return real(password, stored)

    monkeypatch.setattr(passwords, "matches", counted)
    failing(services, ann.credentials(now=NOW, account="nobody"))
    failing(services, ann.credentials(now=NOW, password="wrong"))
    assert [stored is None for stored in compared] == [True, False]


def test_code_is_used_once(services: Services) -> None:
    """Whoever saw a code over the shoulder cannot use it; the next one opens again."""
    ann = make_person(services.accounts, "ann.lee", Role.AUDITOR, now=NOW)
    services.login.sign_in(ann.credentials(now=NOW), HERE, now=NOW)
    assert failing(services, ann.credentials(now=NOW)) == "LOGIN_FAILED"
    late = NOW + timedelta(seconds=30)
    assert services.login.sign_in(ann.credentials(now=late), HERE, now=late).session
    assert failing(services, ann.credentials(now=NOW)) == "LOGIN_FAILED"


def test_code_of_the_neighbouring_half_minute_opens(services: Services) -> None:
    """A phone's clock may be 30 s off, either way."""
    ann = make_person(services.accounts, "ann.lee", Role.AUDITOR, now=NOW)
    early = ann.credentials(now=NOW - timedelta(seconds=30))
    assert services.login.sign_in(early, HERE, now=NOW).session
    assert services.login.sign_in(ann.credentials(now=NOW + timedelta(seconds=30)), HERE, now=NOW).session


def test_recovery_code_opens_once_and_is_entered_in_the_chain(services: Services) -> None:
    """Typed with or without its hyphens."""
    ann = make_person(services.accounts, "ann.lee", Role.AUDITOR, now=NOW)
    given = ann.credentials(now=NOW, code=ann.recovery_codes[0].replace("-", "").upper())
    assert services.login.sign_in(given, HERE, now=NOW).session
    assert failing(services, given) == "LOGIN_FAILED"
    assert "RECOVERY_CODE_USED" in [entry.action for entry in services.audit.entries()]


def test_password_alone_does_not_open_an_account_whose_roles_need_more(services: Services) -> None:
    """Whatever the table says: the check is made at each login, and told only to who knows the password."""
    ann = make_person(services.accounts, "ann.lee", Role.AUDITOR, now=NOW)
    with services.database.write() as session:
        session.execute(update(AccountRow).values(totp_secret=None, roles="administrator"))
    assert failing(services, ann.credentials(now=NOW, password="wrong")) == "LOGIN_FAILED"
    assert failing(services, ann.credentials(now=NOW)) == "SECOND_FACTOR_MISSING"


def test_guessing_at_an_account_is_slowed_down_from_all_addresses_together(services: Services) -> None:
    """After ten failures in 15 min also the right password waits on a new device; then it opens."""
    ann = make_person(services.accounts, "ann.lee", Role.AUDITOR, now=NOW)
    for number in range(PER_ACCOUNT):
        assert failing(services, ann.credentials(now=NOW, password="wrong"), Arrival(f"10.0.1.{number}"))
    assert failing(services, ann.credentials(now=NOW), Arrival("10.0.2.1")) == "TOO_MANY_ATTEMPTS"
    assert failing(services, ann.credentials(now=NOW, account="nobody"), HERE) == "LOGIN_FAILED"
    later = NOW + 15 * MINUTE
    assert services.login.sign_in(ann.credentials(now=later), HERE, now=later).session


def test_owner_on_a_known_device_is_never_shut_out_by_guesses(services: Services) -> None:
    """The device has a count of its own; a made-up or foreign device cookie has none."""
    ann = make_person(services.accounts, "ann.lee", Role.AUDITOR, now=NOW)
    bob = make_person(services.accounts, "bob", Role.AUDITOR, now=NOW)
    device = services.login.sign_in(ann.credentials(now=NOW), HERE, now=NOW).device
    foreign = services.login.sign_in(bob.credentials(now=NOW), HERE, now=NOW).device
    for number in range(PER_ACCOUNT):
        failing(services, ann.credentials(now=NOW, password="wrong"), Arrival(f"10.0.1.{number}"), minutes=1)
    late = NOW + MINUTE
    for cookie in ("", foreign, device[:-1], "ann.lee~x~y", "~~", f"ann.lee~{'0' * 32}~{'0' * 64}"):
        code = failing(services, ann.credentials(now=late), Arrival("10.0.9.9", device=cookie), minutes=1)
        assert code == "TOO_MANY_ATTEMPTS"
    assert services.login.sign_in(ann.credentials(now=late), Arrival("10.0.9.9", device=device), now=late).session
    for _ in range(PER_ACCOUNT):
        failing(services, ann.credentials(now=late, password="wrong"), Arrival("10.0.9.9", device=device), minutes=1)
    stolen = Arrival("10.0.9.9", device=device)
    assert failing(services, ann.credentials(now=late), stolen, minutes=1) == "TOO_MANY_ATTEMPTS"


def test_one_address_tries_many_accounts_in_vain(services: Services) -> None:
    """Twenty failures a minute, whatever the names; another address goes on."""
    ann = make_person(services.accounts, "ann.lee", Role.AUDITOR, now=NOW)
    for number in range(PER_ADDRESS):
        assert failing(services, ann.credentials(now=NOW, account=f"name{number}")) == "LOGIN_FAILED"
    assert failing(services, ann.credentials(now=NOW)) == "TOO_MANY_ATTEMPTS"
    assert services.login.sign_in(ann.credentials(now=NOW), Arrival("10.0.0.2"), now=NOW).session


def test_session_before_the_login_does_not_live_on(services: Services) -> None:
    """Session fixation: the id is always new, and the one that the browser brought opens nothing."""
    ann = make_person(services.accounts, "ann.lee", Role.AUDITOR, now=NOW)
    planted = services.sessions.open("token", method="token", replaces="", now=NOW)
    arrival = Arrival("10.0.0.1", session=planted)
    session = services.login.sign_in(ann.credentials(now=NOW), arrival, now=NOW).session
    assert session != planted
    assert services.sessions.person(planted, now=NOW) is None
    person = services.sessions.person(session, now=NOW)
    assert person == Person("ann.lee", frozenset({Role.AUDITOR}))


def test_session_ends_idle_and_after_twelve_hours(services: Services) -> None:
    """An hour without a request; twelve hours however many there are."""
    make_person(services.accounts, "ann.lee", Role.AUDITOR, now=NOW)
    session = services.sessions.open("ann.lee", method="password", replaces="", now=NOW)
    assert services.sessions.person(session, now=NOW + IDLE) is None
    for minutes in range(30, 12 * 60, 30):
        assert services.sessions.person(session, now=NOW + minutes * MINUTE) is not None
    assert services.sessions.person(session, now=NOW + LASTS) is None


def test_session_follows_its_account(services: Services) -> None:
    """Roles changed count at the next request; a made-up id is nobody; the id stands nowhere."""
    make_person(services.accounts, "ann.lee", Role.AUDITOR, now=NOW)
    session = services.sessions.open("ann.lee", method="password", replaces="", now=NOW)
    services.accounts.set_roles("ann.lee", RolesChange(roles=(Role.STUDY_LEAD,)), actor="token", now=NOW)
    person = services.sessions.person(session, now=NOW)
    assert person is not None
    assert person.may(Permission.WRITE_STUDIES)
    for made_up in ("", "x", session + "x"):
        assert services.sessions.person(made_up, now=NOW) is None
    with services.database.read() as opened:
        kept = [row.sha256 for row in opened.scalars(select(SessionRow))]
    assert session not in kept
    assert csrf_of(session) not in kept


def test_signing_out_ends_the_session_and_old_ones_leave_the_table(services: Services) -> None:
    """Both sign-in and sign-out are in the chain."""
    session = services.sessions.open("token", method="token", replaces="", now=NOW)
    assert services.sessions.person(session, now=NOW) == TOKEN_PERSON
    services.sessions.close(session, actor="token", now=NOW)
    services.sessions.close(session, actor="token", now=NOW)
    assert services.sessions.person(session, now=NOW) is None
    services.sessions.open("token", method="token", replaces="", now=NOW)
    services.sessions.open("token", method="token", replaces="", now=NOW + LASTS)
    with services.database.read() as opened:
        assert len(opened.scalars(select(SessionRow)).all()) == 1
    assert [e.action for e in services.audit.entries()].count("SIGNED_OUT") == 1


def make_token(services: Services, person: Person, *scope: Permission, days: int = 1) -> tuple[str, str]:
    made = services.tokens.make(person, NewToken(title="nightly", scope=scope, days=days), now=NOW)
    return made.token, made.record.token_id


def test_token_never_may_more_than_its_person(services: Services) -> None:
    """Neither when it is made nor after the person lost a role; disabled, it opens nothing."""
    make_person(services.accounts, "lea", Role.STUDY_LEAD, now=NOW)
    lea = Person("lea", frozenset({Role.STUDY_LEAD}))
    for scope in ((Permission.MANAGE_ACCOUNTS,), (Permission.SEE_RUNS, Permission.SEE_AUDIT)):
        with pytest.raises(MyofedError, match="TOKEN_SCOPE"):
            make_token(services, lea, *scope)
    token, _ = make_token(services, lea, Permission.SEE_RUNS, Permission.WRITE_STUDIES)
    found = services.tokens.person(token, now=NOW)
    assert found is not None
    assert [p for p in Permission if found.may(p)] == [Permission.WRITE_STUDIES, Permission.SEE_RUNS]
    services.accounts.set_roles("lea", RolesChange(roles=(Role.AUDITOR,)), actor="token", now=NOW)
    found = services.tokens.person(token, now=NOW)
    assert found is not None
    assert [p for p in Permission if found.may(p)] == [Permission.SEE_RUNS]
    services.accounts.disable("lea", actor="token", now=NOW)
    assert services.tokens.person(token, now=NOW) is None


def test_token_ends_at_its_time_and_when_its_person_ends_it(services: Services) -> None:
    """Nobody else ends it; a made-up one is nobody's; it stands nowhere."""
    make_person(services.accounts, "lea", Role.STUDY_LEAD, now=NOW)
    lea = Person("lea", frozenset({Role.STUDY_LEAD}))
    token, token_id = make_token(services, lea, Permission.SEE_RUNS)
    assert services.tokens.person(token, now=NOW + 24 * HOUR) is None
    assert services.tokens.person(token + "x", now=NOW) is None
    with pytest.raises(MyofedError, match="TOKEN_UNKNOWN"):
        services.tokens.revoke(token_id, account="ann.lee", now=NOW)
    assert [t.token_id for t in services.tokens.list_tokens("lea", now=NOW)] == [token_id]
    assert services.tokens.list_tokens("lea", now=NOW + 24 * HOUR) == services.tokens.list_tokens("ann", now=NOW) == []
    with services.database.read() as opened:
        assert token not in [row.sha256 for row in opened.scalars(select(ApiTokenRow))]
    services.tokens.revoke(token_id, account="lea", now=NOW)
    assert services.tokens.person(token, now=NOW) is None
    assert [e.action for e in services.audit.entries()][-2:] == ["TOKEN_MADE", "TOKEN_REVOKED"]


def test_expired_tokens_leave_the_table_and_unknown_permissions_grant_nothing(services: Services) -> None:
    """A permission of another version of this program is no permission."""
    make_person(services.accounts, "lea", Role.STUDY_LEAD, now=NOW)
    lea = Person("lea", frozenset({Role.STUDY_LEAD}))
    make_token(services, lea, Permission.SEE_RUNS)
    new = NewToken(title="later", scope=(Permission.SEE_RUNS,), days=1)
    token = services.tokens.make(lea, new, now=NOW + 24 * HOUR).token
    with services.database.write() as session:
        assert len(session.scalars(select(ApiTokenRow)).all()) == 1
        session.execute(update(ApiTokenRow).values(scope="fly,see-runs"))
    found = services.tokens.person(token, now=NOW + 24 * HOUR)
    assert found is not None
    assert found.scope == {Permission.SEE_RUNS}


def test_password_hashed_at_other_costs_is_hashed_anew(services: Services) -> None:
    """Stronger settings reach every person who signs in."""
    ann = make_person(services.accounts, "ann.lee", Role.AUDITOR, now=NOW)
    with services.database.read() as session:
        before = session.get_one(AccountRow, "ann.lee").password
    stronger = type(services.login._place.passwords._hasher)(time_cost=2, memory_cost=8, parallelism=1)
    services.login._place.passwords._hasher = stronger
    services.login.sign_in(ann.credentials(now=NOW), HERE, now=NOW)
    with services.database.read() as session:
        after = session.get_one(AccountRow, "ann.lee").password
    assert before is not None
    assert after is not None
    assert ("t=1" in before, "t=2" in after) == (True, True)
