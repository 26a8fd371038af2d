"""Who was shut out after a backup stays out of what comes back of it; a chain that is not its own is refused first."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from coordinator_factories import (
    HOUR,
    NOW,
    FakePerson,
    FakeSite,
    make_card,
    make_manifest,
    make_person,
    make_site,
    make_weights,
)
from sqlalchemy import func, select

from myofed_coordinator.accounts.login import Arrival
from myofed_coordinator.accounts.models import AccountRow, RecoveryCodeRow, SessionRow
from myofed_coordinator.accounts.permissions import Permission, Person, Role
from myofed_coordinator.accounts.wire import NewAccount, NewToken, RolesChange
from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.backup.make import Sealing, make_backup
from myofed_coordinator.backup.restore import Restored, Wanted, restore
from myofed_coordinator.catalog.service import CatalogQuery
from myofed_coordinator.config import load_config
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.runs.models import StartRow
from myofed_coordinator.services import Services, open_services
from myofed_coordinator.studies.leads import Doer
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError

Enrol = Callable[[str], FakeSite]
PASSPHRASE = "correct horse battery"
LATER = NOW + timedelta(minutes=30)


class Lost:
    """A home that is backed up, lives on, and is lost but for its audit chain."""

    def __init__(self, services: Services, folder: Path) -> None:
        self.services, self.folder = services, folder

    def save(self) -> None:
        sealing = Sealing(PASSPHRASE, log2_n=10)
        make_backup(
            self.services.home, self.services.database, self.folder / "backup", sealing=sealing, actor="admin", now=NOW
        )

    def restore(self, audit: Path | None = None) -> Restored:
        wanted = Wanted(self.folder / "backup", PASSPHRASE, "", audit)
        return restore(wanted, self.folder / "back", actor="admin", now=LATER)

    @contextmanager
    def back(self, *, audit: bool = True) -> Iterator[Services]:
        self.restore(self.services.home.audit if audit else None)
        home = HomeFolder(self.folder / "back")
        services = open_services(home, load_config(home))
        try:
            yield services
        finally:
            services.close()


@pytest.fixture
def lost(services: Services, tmp_path: Path) -> Lost:
    return Lost(services, tmp_path)


def opens(services: Services, person: FakePerson, **changes: str) -> bool:
    """Whether the person gets in with password and a code of the authenticator, or with what is named."""
    try:
        services.login.sign_in(person.credentials(now=LATER, **changes), Arrival("10.0.0.1"), now=LATER)
    except MyofedError:
        return False
    return True


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(MyofedError) as caught:
        call()
    return caught.value.code


@pytest.mark.parametrize("how", ["older", "broken", "another", "empty"])
def test_chain_that_is_not_the_backups_and_newer_restores_nothing(lost: Lost, how: str) -> None:
    """It must hold, and have the backup's head in it; nothing is written before that is proven."""
    audit, chain = lost.folder / "audit.jsonl", lost.services.audit
    shutil.copy(lost.services.home.audit, audit)
    chain.append(Deed("admin", "SITE_REVOKED", "hospital-z"), now=NOW)
    lost.save()
    chain.append(Deed("admin", "SITE_REVOKED", "hospital-a"), now=NOW)
    if how == "broken":
        audit.write_bytes(lost.services.home.audit.read_bytes().replace(b"hospital-z", b"hospital-y"))
    elif how == "another":
        audit.unlink()
        for number in range(5):
            AuditLog(audit).append(Deed("admin", "SITE_REVOKED", f"hospital-{number}"), now=NOW)
    elif how == "empty":
        audit.write_bytes(b"")
    assert refused(lambda: lost.restore(audit)) == "BACKUP_AUDIT"
    assert not (lost.folder / "back").exists()


def test_nobody_is_signed_in_after_a_restore(lost: Lost) -> None:
    """A session that ended after the backup does not open again, with a chain or without one."""
    person = make_person(lost.services.accounts, "ann.lee", Role.AUDITOR, now=NOW)
    session = lost.services.sessions.open(person.account, method="password", replaces="", now=NOW)
    lost.save()
    lost.services.sessions.close(session, actor=person.account, now=NOW)
    with lost.back(audit=False) as back:
        assert back.sessions.person(session, now=NOW) is None
        with back.database.read() as rows:
            assert rows.scalar(select(func.count()).select_from(SessionRow)) == 0


def test_site_that_was_revoked_after_the_backup_stays_revoked(lost: Lost, enrol: Enrol) -> None:
    """Its certificate, and an invite that was open: neither opens again, also where the site was let in anew since."""
    for name in ("hospital-a", "hospital-b"):
        enrol(name)
    services = lost.services
    certificates = {site.site: site.certificate_sha256 or "" for site in services.enrolment.list_sites()}
    open_invite = services.enrolment.create_invite("hospital-c", actor="admin", now=NOW, valid=HOUR)
    lost.save()
    services.enrolment.revoke("hospital-a", actor="admin", now=NOW)
    services.enrolment.revoke("hospital-c", actor="admin", now=NOW)
    enrol("hospital-a")
    with lost.back() as back:
        found = {name: back.enrolment.lookup(sha256) for name, sha256 in certificates.items()}
        assert {name: site is None or site.revoked for name, site in found.items()} == {
            "hospital-a": True,
            "hospital-b": False,
        }
        reply = back.enrolment.receive_request(make_site("hospital-c").request(open_invite), now=NOW)
        assert (reply.state, reply.code) == ("refused", "SITE_REVOKED")
        entries = [(e.action, e.subject) for e in back.audit.entries()]
        assert entries[-2:] == [("SHUT_OUT_AGAIN", "hospital-a"), ("SHUT_OUT_AGAIN", "hospital-c")]


def test_invite_that_was_used_after_the_backup_opens_for_nobody(lost: Lost) -> None:
    """A one-time token is not whole again."""
    services = lost.services
    invite = services.enrolment.create_invite("hospital-a", actor="admin", now=NOW, valid=HOUR, pre_approved=True)
    lost.save()
    site = make_site("hospital-a")
    assert services.enrolment.receive_request(site.request(invite), now=NOW).state == "approved"
    with lost.back() as back:
        assert back.enrolment.receive_request(make_site("hospital-a").request(invite), now=NOW).state == "refused"


def test_account_that_was_disabled_after_the_backup_stays_disabled(lost: Lost) -> None:
    """And one that was enabled again since opens; one that was disabled before the backup is not opened by the chain."""
    services = lost.services
    for name in ("disabled", "enabled", "before"):
        make_person(services.accounts, name, Role.AUDITOR, now=NOW)
    services.accounts.disable("before", actor="token", now=NOW)
    lost.save()
    for name in ("disabled", "enabled"):
        services.accounts.disable(name, actor="token", now=NOW)
    for name in ("enabled", "before"):
        services.accounts.enable(name, actor="token", now=NOW)
    with lost.back() as back:
        states = {record.account: record.state for record in back.accounts.list_accounts()}
    assert states == {"disabled": "disabled", "enabled": "active", "before": "disabled"}


def test_name_of_somebody_who_came_and_was_disabled_after_the_backup_stays_taken(lost: Lost) -> None:
    """No provider brings the person back as a new account; who was enabled again may come back."""
    accounts = lost.services.accounts
    lost.save()
    for name in ("gone", "again"):
        accounts.add(NewAccount(account=name, roles=(Role.STUDY_LEAD,)), actor="token", now=NOW)
        accounts.disable(name, actor="token", now=NOW)
    accounts.enable("again", actor="token", now=NOW)
    with lost.back() as back:
        (record,) = back.accounts.list_accounts()
        assert (record.account, record.state, record.roles) == ("gone", "disabled", (Role.STUDY_LEAD,))


@pytest.mark.parametrize("how", ["reset", "password", "factor"])
def test_password_and_second_factor_of_before_do_not_open_again(lost: Lost, how: str) -> None:
    """What opens now stands in no chain: the person needs a new set-up link."""
    accounts = lost.services.accounts
    person = make_person(accounts, "ann.lee", Role.STUDY_LEAD, now=NOW)
    lost.save()
    if how == "reset":
        accounts.reset("ann.lee", actor="token", now=NOW)
    else:
        action = "PASSWORD_CHANGED" if how == "password" else "SECOND_FACTOR_SET"
        lost.services.audit.append(Deed("ann.lee", action, "ann.lee"), now=NOW)
    with lost.back() as back:
        assert not opens(back, person)
        assert back.accounts.show("ann.lee").state == "invited"
        link = back.accounts.reset("ann.lee", actor="token", now=LATER)
        assert link.setup_secret


def test_recovery_code_and_set_up_link_work_once_only(lost: Lost) -> None:
    """One that was used after the backup does not open a second time; the authenticator still does."""
    services = lost.services
    person = make_person(services.accounts, "ann.lee", Role.STUDY_LEAD, now=NOW)
    link = services.accounts.add(NewAccount(account="bob", roles=(Role.AUDITOR,)), actor="token", now=NOW)
    lost.save()
    assert opens(services, person, code=person.recovery_codes[0])
    password = "tibia wren quartz lantern"
    services.accounts.complete_setup(link.setup_secret, password=password, code="", now=NOW)
    with lost.back() as back:
        assert not opens(back, person, code=person.recovery_codes[0])
        assert opens(back, person)
        with back.database.read() as rows:
            assert rows.scalar(select(func.count()).select_from(RecoveryCodeRow)) == 0
        again = lambda: back.accounts.offer_setup(link.setup_secret, now=NOW)  # noqa: E731
        assert refused(again) == "SETUP_UNKNOWN"


def test_roles_that_were_taken_stay_taken_and_none_is_given(lost: Lost) -> None:
    """Only roles of before and after are kept; who has none of them is disabled."""
    accounts = lost.services.accounts
    both = NewAccount(account="both", roles=(Role.AUDITOR, Role.ADMINISTRATOR), site=None)
    accounts.add(both, actor="token", now=NOW)
    for name in ("wider", "other"):
        accounts.add(NewAccount(account=name, roles=(Role.AUDITOR,)), actor="token", now=NOW)
    lost.save()
    accounts.set_roles("both", RolesChange(roles=(Role.AUDITOR,)), actor="token", now=NOW)
    accounts.set_roles("wider", RolesChange(roles=(Role.AUDITOR, Role.ADMINISTRATOR)), actor="token", now=NOW)
    accounts.set_roles("other", RolesChange(roles=(Role.STUDY_LEAD,)), actor="token", now=NOW)
    with lost.back() as back:
        found = {record.account: (record.roles, record.state) for record in back.accounts.list_accounts()}
    assert found == {
        "both": ((Role.AUDITOR,), "invited"),
        "wider": ((Role.AUDITOR,), "invited"),
        "other": ((Role.AUDITOR,), "disabled"),
    }


def test_representative_who_was_moved_speaks_for_neither_site(lost: Lost) -> None:
    """The old one is shut, the new one is not opened."""
    accounts = lost.services.accounts
    rep = (Role.SITE_REPRESENTATIVE,)
    accounts.add(NewAccount(account="rep", roles=rep, site="hospital-a"), actor="token", now=NOW)
    both = NewAccount(account="both", roles=(Role.AUDITOR, *rep), site="hospital-a")
    accounts.add(both, actor="token", now=NOW)
    lost.save()
    accounts.set_roles("rep", RolesChange(roles=rep, site="hospital-b"), actor="token", now=NOW)
    accounts.set_roles("both", RolesChange(roles=(Role.AUDITOR, *rep), site="hospital-b"), actor="token", now=NOW)
    with lost.back() as back:
        found = {record.account: (record.roles, record.site, record.state) for record in back.accounts.list_accounts()}
    assert found["both"] == ((Role.AUDITOR,), None, "invited")
    assert found["rep"][2] == "disabled"


def test_token_that_was_revoked_after_the_backup_opens_nothing(lost: Lost) -> None:
    """By its own id, and with the roles that its person lost at the provider; another token still opens."""
    services = lost.services
    made = {}
    for name in ("ann.lee", "bob.ray", "eve.fox"):
        make_person(services.accounts, name, Role.AUDITOR, now=NOW)
        person = Person(name, frozenset({Role.AUDITOR}))
        wish = NewToken(title="t", scope=(Permission.SEE_CATALOG,))
        made[name] = services.tokens.make(person, wish, now=NOW)
    with services.database.write() as session:
        for name in ("bob.ray", "eve.fox"):
            row = session.get_one(AccountRow, name)
            row.oidc_issuer, row.oidc_subject = "https://id.example.org", name
    lost.save()
    services.tokens.revoke(made["ann.lee"].record.token_id, account="ann.lee", now=NOW)
    services.audit.append(Deed("system", "ACCOUNT_LOST_ROLES", "bob.ray"), now=NOW)
    with lost.back() as back:
        opened = {name for name, token in made.items() if back.tokens.person(token.token, now=NOW) is not None}
    assert opened == {"eve.fox"}


def test_start_that_was_declined_after_the_backup_waits_no_more(lost: Lost) -> None:
    """Nobody confirms it by mistake."""
    row = StartRow(
        start_id="start-1",
        study_id="thigh-muscles",
        version=1,
        manifest_digest="a" * 64,
        state="pending",
        asked_by="ann",
        asked_from="account",
        asked_at=utc_text(NOW),
        expires_at=utc_text(NOW + HOUR),
    )
    with lost.services.database.write() as session:
        session.add(row)
    lost.save()
    lost.services.audit.append(Deed("bob", "START_DECLINED", "start-1"), now=NOW)
    with lost.back() as back, back.database.read() as session:
        found = session.get_one(StartRow, "start-1")
        assert (found.state, found.decided_by) == ("declined", "bob")


def test_card_that_was_withdrawn_after_the_backup_is_not_found(lost: Lost, enrol: Enrol) -> None:
    """What a site took back does not show again."""
    for name in ("hospital-a", "hospital-b"):
        enrol(name)
        lost.services.catalog.publish(make_card(name), site=name, now=NOW)
    lost.save()
    lost.services.catalog.withdraw(make_card("hospital-a").dataset, site="hospital-a", now=NOW)
    with lost.back() as back:
        assert [card.site for card in back.catalog.query(CatalogQuery()).cards] == ["hospital-b"]


def test_restore_says_how_far_the_chain_went(lost: Lost) -> None:
    """What it closed is entered with the chain's head; a line torn by the crash at its end is left out."""
    make_person(lost.services.accounts, "ann.lee", Role.AUDITOR, now=NOW)
    lost.save()
    lost.services.accounts.disable("ann.lee", actor="token", now=LATER)
    head = lost.services.audit.head()
    with lost.services.home.audit.open("ab") as chain:
        chain.write(b'{"action":"ACCOUNT_EN')
    done = lost.restore(lost.services.home.audit)
    assert (done.replayed, done.replayed_until) == (1, utc_text(LATER))
    *_, told, again = AuditLog(lost.folder / "back" / "audit.jsonl").entries()
    assert (told.detail["until"], told.detail["until_digest"], told.detail["replayed"]) == (
        head.sequence,
        head.digest,
        1,
    )
    assert (again.action, again.subject, again.detail) == (
        "SHUT_OUT_AGAIN",
        "ann.lee",
        {"action": "ACCOUNT_DISABLED", "by": "token", "entry": head.sequence},
    )


def test_lead_who_was_removed_after_the_backup_leads_no_more(lost: Lost, enrol: Enrol) -> None:
    """Who was added after it does not either: replaying opens nothing."""
    enrol("hospital-a")
    services, weights = lost.services, make_weights()
    for account in ("lea", "lou", "max"):
        services.accounts.add(NewAccount(account=account, roles=(Role.STUDY_LEAD,)), actor="root", now=NOW)
    services.studies.create(make_manifest(weights, sites=("hospital-a",)), weights, actor=Doer("lea"), now=NOW)
    services.leads.add("thigh-muscles", "lou", by=Doer("lea"), now=NOW)
    lost.save()
    services.leads.remove("thigh-muscles", "lou", by=Doer("lea"), now=LATER)
    services.leads.add("thigh-muscles", "max", by=Doer("lea"), now=LATER)
    with lost.back() as back:
        assert [lead.name for lead in back.leads.of_study("thigh-muscles")] == ["lea"]
