"""Accounts, on both databases: what opens nothing comes first, then how somebody gets in."""

from __future__ import annotations

from base64 import b32decode
from datetime import timedelta

import pytest
from coordinator_factories import HOUR, NOW, make_person
from pydantic import ValidationError
from sqlalchemy import select

from myofed_coordinator.accounts.models import AccountRow, RecoveryCodeRow, SessionRow
from myofed_coordinator.accounts.permissions import Person, Role
from myofed_coordinator.accounts.second_factor import code_at
from myofed_coordinator.accounts.service import OFFER_VALID, SETUP_VALID, deed_on
from myofed_coordinator.accounts.wire import NewAccount, RolesChange
from myofed_coordinator.config import load_config
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.services import Services, open_services
from myofed_schemas.errors import MyofedError

GOOD = "tibia wren quartz lantern"
AUDITOR = NewAccount(account="ann.lee", roles=(Role.AUDITOR,))
LEAD = NewAccount(account="lea", roles=(Role.STUDY_LEAD,))


def actions(services: Services) -> list[str]:
    return [entry.action for entry in services.audit.entries()]


@pytest.mark.parametrize("name", ["token", "system", "root", "coordinator"])
def test_reserved_name_is_nobodys(services: Services, name: str) -> None:
    """The audit chain never shows a person under a name that means something else."""
    with pytest.raises(MyofedError, match="ACCOUNT_EXISTS"):
        services.accounts.add(NewAccount(account=name, roles=(Role.AUDITOR,)), actor="token", now=NOW)


@pytest.mark.parametrize("name", ["Ann", "a", "ann lee", "ann/../x", "1ann", "ann.", "a" * 49, ""])
def test_name_of_another_form_is_refused(name: str) -> None:
    """Nothing that could be taken for a path, markup, or another person's name in other letters."""
    with pytest.raises(ValidationError):
        NewAccount(account=name, roles=(Role.AUDITOR,))


@pytest.mark.parametrize(
    ("roles", "site"),
    [
        ((), None),
        ((Role.SITE_REPRESENTATIVE,), None),
        ((Role.AUDITOR,), "hospital-a"),
        ((Role.AUDITOR, Role.AUDITOR), None),
    ],
)
def test_roles_that_contradict_are_refused(roles: tuple[Role, ...], site: str | None) -> None:
    """A site goes with a site representative and with nobody else; nobody has no role."""
    with pytest.raises(ValidationError):
        RolesChange(roles=roles, site=site)


def test_name_is_given_once(services: Services) -> None:
    """A second person never gets the first one's account."""
    services.accounts.add(AUDITOR, actor="token", now=NOW)
    with pytest.raises(MyofedError, match="ACCOUNT_EXISTS"):
        services.accounts.add(AUDITOR, actor="token", now=NOW)
    assert actions(services).count("ACCOUNT_ADDED") == 1


def test_setup_secret_opens_once_and_for_three_days(services: Services) -> None:
    """Wrong, too old, used, or of a disabled account: one answer."""
    secret = services.accounts.add(AUDITOR, actor="token", now=NOW).setup_secret
    for wrong, now in (("x" * 43, NOW), (secret, NOW + SETUP_VALID)):
        with pytest.raises(MyofedError, match="SETUP_UNKNOWN"):
            services.accounts.complete_setup(wrong, password=GOOD, code="", now=now)
    assert services.accounts.complete_setup(secret, password=GOOD, code="", now=NOW) == ()
    with pytest.raises(MyofedError, match="SETUP_UNKNOWN"):
        services.accounts.complete_setup(secret, password="another good password", code="", now=NOW)
    later = services.accounts.reset("ann.lee", actor="token", now=NOW).setup_secret
    services.accounts.disable("ann.lee", actor="token", now=NOW)
    with pytest.raises(MyofedError, match="SETUP_UNKNOWN"):
        services.accounts.offer_setup(later, now=NOW)


def test_setup_secret_and_password_stand_nowhere(services: Services) -> None:
    """Neither the tables nor the audit chain holds what was shown or typed once."""
    secret = services.accounts.add(LEAD, actor="token", now=NOW).setup_secret
    key = services.accounts.offer_setup(secret, now=NOW).totp_key
    codes = services.accounts.complete_setup(secret, password=GOOD, code=code_at(b32decode(key), now=NOW), now=NOW)
    with services.database.read() as session:
        rows = [*session.scalars(select(AccountRow)), *session.scalars(select(RecoveryCodeRow))]
        kept = " ".join(str(value) for row in rows for value in vars(row).values())
    chain = " ".join(entry.model_dump_json() for entry in services.audit.entries())
    for shown in (secret, GOOD, key, *codes):
        assert shown not in kept
        assert shown not in chain


def test_lead_and_administrator_need_a_second_factor(services: Services) -> None:
    """Set-up without code, or with a wrong one, is refused; an auditor may do without."""
    secret = services.accounts.add(LEAD, actor="token", now=NOW).setup_secret
    offer = services.accounts.offer_setup(secret, now=NOW)
    assert offer.required
    assert offer == services.accounts.offer_setup(secret, now=NOW + HOUR)
    for code in ("", "000000"):
        with pytest.raises(MyofedError, match="SECOND_FACTOR_CODE"):
            services.accounts.complete_setup(secret, password=GOOD, code=code, now=NOW)
    assert services.accounts.show("lea").state == "invited"
    right = code_at(b32decode(offer.totp_key), now=NOW)
    assert len(services.accounts.complete_setup(secret, password=GOOD, code=right, now=NOW)) == 8
    assert services.accounts.show("lea").second_factor


def test_second_factor_can_be_asked_of_everybody(services: Services) -> None:
    """The setting in config.yaml; it never takes it from those who must."""
    everybody = services.config.model_copy(update={"second_factor_for_all": True})
    stricter = open_services(services.home, everybody)
    try:
        assert stricter.accounts.needs_second_factor((Role.AUDITOR,))
        assert services.accounts.needs_second_factor((Role.AUDITOR, Role.ADMINISTRATOR))
        assert not services.accounts.needs_second_factor((Role.AUDITOR,))
    finally:
        stricter.close()


@pytest.mark.parametrize(
    "password",
    ["", "short", "elevenchars", "ann.lee12345", "PassWordPassword", "aaaaaaaaaaaaaaaa", "x" * 129, "123456789012"],
)
def test_weak_password_is_refused_and_never_repeated(services: Services, password: str) -> None:
    """Length, the account's own name, and a short list: no rules of composition."""
    secret = services.accounts.add(AUDITOR, actor="token", now=NOW).setup_secret
    with pytest.raises(MyofedError, match="PASSWORD_WEAK") as refused:
        services.accounts.complete_setup(secret, password=password, code="", now=NOW)
    assert len(password) < 5 or password not in str(refused.value)


def test_nobody_changes_what_the_own_account_may() -> None:
    """An administrator's own roles, reset and end are another administrator's."""
    ann = Person("ann.lee", frozenset({Role.ADMINISTRATOR}))
    with pytest.raises(MyofedError, match="ACCOUNT_OWN"):
        deed_on("ann.lee", ann)
    assert deed_on("bob", ann) == "ann.lee"


def test_unknown_account_is_said_to_administrators(services: Services) -> None:
    """A coded refusal for every deed."""
    with pytest.raises(MyofedError, match="ACCOUNT_UNKNOWN"):
        services.accounts.disable("nobody", actor="token", now=NOW)
    with pytest.raises(MyofedError, match="ACCOUNT_UNKNOWN"):
        services.accounts.show("nobody")


def test_role_that_needs_a_second_factor_is_not_given_to_who_has_none(services: Services) -> None:
    """Otherwise a password alone would open what it must not."""
    secret = services.accounts.add(AUDITOR, actor="token", now=NOW).setup_secret
    services.accounts.complete_setup(secret, password=GOOD, code="", now=NOW)
    change = RolesChange(roles=(Role.AUDITOR, Role.ADMINISTRATOR))
    with pytest.raises(MyofedError, match="SECOND_FACTOR_MISSING"):
        services.accounts.set_roles("ann.lee", change, actor="token", now=NOW)
    key = b32decode(services.accounts.offer_second_factor("ann.lee", password=GOOD, now=NOW).totp_key)
    services.accounts.change_second_factor("ann.lee", password=GOOD, code=code_at(key, now=NOW), now=NOW)
    changed = services.accounts.set_roles("ann.lee", change, actor="token", now=NOW)
    assert changed.roles == (Role.ADMINISTRATOR, Role.AUDITOR)
    entry = [e for e in services.audit.entries() if e.action == "ACCOUNT_ROLES"][-1]
    assert entry.detail == {"from": "auditor", "to": "administrator,auditor"}
    assert (entry.actor, entry.subject) == ("token", "ann.lee")


def test_move_to_another_site_is_in_the_chain_and_counts_as_given_roles(services: Services) -> None:
    """Whoever moves a representative opens another hospital's threads; the same again is no change."""
    new = NewAccount(account="rep", roles=(Role.SITE_REPRESENTATIVE,), site="hospital-a")
    services.accounts.add(new, actor="token", now=NOW)
    move = RolesChange(roles=(Role.SITE_REPRESENTATIVE,), site="hospital-b")
    for _ in range(2):
        assert services.accounts.set_roles("rep", move, actor="ann.lee", now=NOW).site == "hospital-b"
    services.accounts.set_roles("rep", RolesChange(roles=(Role.AUDITOR,)), actor="ann.lee", now=NOW)
    told = [(e.actor, e.action, e.detail) for e in services.audit.entries() if e.subject == "rep"]
    rep, moved = "site-representative", {"from_site": "hospital-a", "to_site": "hospital-b"}
    assert told == [
        ("token", "ACCOUNT_ADDED", {"roles": rep, "site": "hospital-a"}),
        ("ann.lee", "ACCOUNT_ROLES", {"from": rep, "to": rep, **moved}),
        ("ann.lee", "ACCOUNT_ROLES", {"from": rep, "to": "auditor", "from_site": "hospital-b", "to_site": "-"}),
    ]
    with services.database.read() as session:
        assert session.get_one(AccountRow, "rep").roles_by == "ann.lee"


def test_change_of_password_asks_for_the_old_one_and_ends_all_sessions(services: Services) -> None:
    """A session that somebody left open cannot take the account over."""
    person = make_person(services.accounts, "ann.lee", Role.AUDITOR, now=NOW)
    session = services.sessions.open("ann.lee", method="password", replaces="", now=NOW)
    with pytest.raises(MyofedError, match="LOGIN_FAILED"):
        services.accounts.change_password("ann.lee", old="wrong", new=GOOD, now=NOW)
    with pytest.raises(MyofedError, match="PASSWORD_WEAK"):
        services.accounts.change_password("ann.lee", old=person.password, new="short", now=NOW)
    assert services.sessions.person(session, now=NOW) is not None
    services.accounts.change_password("ann.lee", old=person.password, new=GOOD, now=NOW)
    assert services.sessions.person(session, now=NOW) is None
    services.accounts.check_password("ann.lee", GOOD, now=NOW)


def test_session_left_open_is_no_place_to_guess_the_password(services: Services) -> None:
    """Ten wrong ones in 15 min; the right one counts for nothing."""
    person = make_person(services.accounts, "ann.lee", Role.AUDITOR, now=NOW)
    for _ in range(10):
        services.accounts.check_password("ann.lee", person.password, now=NOW)
        with pytest.raises(MyofedError, match="LOGIN_FAILED"):
            services.accounts.check_password("ann.lee", "wrong", now=NOW)
    with pytest.raises(MyofedError, match="TOO_MANY_ATTEMPTS"):
        services.accounts.check_password("ann.lee", person.password, now=NOW)


def test_next_second_factor_is_shown_to_nobody_without_the_password(services: Services) -> None:
    """A session left open shows no key, each offer has a key of its own, and each is over after a quarter of an hour."""
    person = make_person(services.accounts, "ann.lee", Role.AUDITOR, now=NOW)
    accounts = services.accounts
    with pytest.raises(MyofedError, match="LOGIN_FAILED"):
        accounts.offer_second_factor("ann.lee", password="wrong", now=NOW)
    with pytest.raises(MyofedError, match="SECOND_FACTOR_OFFER"):
        accounts.change_second_factor("ann.lee", password=person.password, code="000000", now=NOW)
    keys = [
        b32decode(accounts.offer_second_factor("ann.lee", password=person.password, now=NOW).totp_key) for _ in "ab"
    ]
    assert keys[0] != keys[1]
    for key, now, code in (
        (keys[0], NOW, "SECOND_FACTOR_CODE"),
        (keys[1], NOW + OFFER_VALID, "SECOND_FACTOR_OFFER"),
    ):
        with pytest.raises(MyofedError, match=code):
            accounts.change_second_factor("ann.lee", password=person.password, code=code_at(key, now=now), now=now)
    late = NOW + OFFER_VALID / 2
    code = code_at(keys[1], now=late)
    assert accounts.change_second_factor("ann.lee", password=person.password, code=code, now=late)
    with pytest.raises(MyofedError, match="SECOND_FACTOR_OFFER"):
        accounts.change_second_factor("ann.lee", password=person.password, code=code, now=late)


def test_new_second_factor_asks_for_password_and_a_code_of_it(services: Services) -> None:
    """The old one counts until then; afterwards neither it nor the old recovery codes do."""
    person = make_person(services.accounts, "ann.lee", Role.AUDITOR, now=NOW)
    offered = b32decode(services.accounts.offer_second_factor("ann.lee", password=person.password, now=NOW).totp_key)
    code = code_at(offered, now=NOW)
    with pytest.raises(MyofedError, match="LOGIN_FAILED"):
        services.accounts.change_second_factor("ann.lee", password="wrong", code=code, now=NOW)
    with pytest.raises(MyofedError, match="SECOND_FACTOR_CODE"):
        services.accounts.change_second_factor("ann.lee", password=person.password, code="000000", now=NOW)
    codes = services.accounts.change_second_factor("ann.lee", password=person.password, code=code, now=NOW)
    assert not set(codes) & set(person.recovery_codes)
    again = services.accounts.offer_second_factor("ann.lee", password=person.password, now=NOW)
    assert b32decode(again.totp_key) != offered
    with services.database.read() as session:
        assert len(session.scalars(select(RecoveryCodeRow)).all()) == len(codes)


def test_reset_takes_every_way_in_and_gives_a_new_link(services: Services) -> None:
    """Whoever had the account before has nothing any more."""
    make_person(services.accounts, "ann.lee", Role.AUDITOR, now=NOW)
    services.sessions.open("ann.lee", method="password", replaces="", now=NOW)
    link = services.accounts.reset("ann.lee", actor="token", now=NOW)
    assert link.setup_url.endswith(f"/setup#{link.setup_secret}")
    with services.database.read() as session:
        row = session.get_one(AccountRow, "ann.lee")
        assert (row.state, row.password, row.totp_secret, row.totp_step) == ("invited", None, None, None)
        assert session.scalars(select(RecoveryCodeRow)).all() == session.scalars(select(SessionRow)).all() == []
    services.accounts.complete_setup(link.setup_secret, password=GOOD, code="", now=NOW)
    assert services.accounts.show("ann.lee").state == "active"


def test_disabled_account_opens_nothing_until_it_is_enabled(services: Services) -> None:
    """The session ends with it; enabling gives back the password and the second factor, no session."""
    make_person(services.accounts, "ann.lee", Role.AUDITOR, now=NOW)
    session = services.sessions.open("ann.lee", method="password", replaces="", now=NOW)
    services.accounts.disable("ann.lee", actor="token", now=NOW)
    assert services.accounts.disable("ann.lee", actor="token", now=NOW).state == "disabled"
    assert services.sessions.person(session, now=NOW) is None
    assert services.accounts.enable("ann.lee", actor="token", now=NOW).state == "active"
    assert services.sessions.person(session, now=NOW) is None
    services.accounts.add(LEAD, actor="token", now=NOW)
    services.accounts.disable("lea", actor="token", now=NOW)
    assert services.accounts.enable("lea", actor="token", now=NOW).state == "invited"
    assert actions(services).count("ACCOUNT_DISABLED") == 2


def test_accounts_are_listed_without_any_secret(services: Services) -> None:
    """Names, roles, states; the record has no field for more."""
    services.accounts.add(LEAD, actor="token", now=NOW)
    services.accounts.add(AUDITOR, actor="token", now=NOW - timedelta(days=1))
    listed = services.accounts.list_accounts()
    assert [(r.account, r.state, r.second_factor, r.oidc) for r in listed] == [
        ("ann.lee", "invited", False, False),
        ("lea", "invited", False, False),
    ]


def test_home_of_an_earlier_version_gets_its_accounts_key(home: HomeFolder) -> None:
    """It is made when first needed, readable by this user only, and stays."""
    home.accounts_key.unlink()
    services = open_services(home, load_config(home))
    person = make_person(services.accounts, "ann.lee", Role.AUDITOR, now=NOW)
    key = home.accounts_key.read_bytes()
    assert (len(key), home.accounts_key.stat().st_mode & 0o777) == (32, 0o600)
    again = open_services(home, load_config(home))
    again.accounts.offer_second_factor("ann.lee", password=person.password, now=NOW)
    assert home.accounts_key.read_bytes() == key
    assert [path.name for path in home.keys.iterdir() if path.name.startswith(".")] == []
