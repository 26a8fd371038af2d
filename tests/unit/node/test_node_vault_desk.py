"""Looking a pseudonym up: on record at two places, and never from a vault that is off or was written anew."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from site_factories import NOW, demo_site, refusal_code

from myofed_node.audit import SiteAudit
from myofed_node.config import VaultSettings
from myofed_node.key_custody import login_of, vault_of
from myofed_node.site_setup import Site
from myofed_node.vault_desk import LOOKED_UP, NOBODY_LOGGED_IN, FoundPatient, look_up, look_ups, person

REASON = "nodule in the left femur"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    key = tmp_path / "vault.key"
    key.write_bytes(b"v" * 32)
    key.chmod(0o600)
    made = demo_site(tmp_path / "a", vault=VaultSettings(enabled=True, folder="vault", key_file=str(key)))
    vault = vault_of(made)
    assert vault is not None
    vault.record(pseudonym="Q7XJ", issuer="H", patient_id="4711-99")
    return made


def _ask(site: Site, pseudonym: str = "sub-Q7XJ", reason: str = REASON) -> FoundPatient:
    return look_up(site, pseudonym, reason=reason, who="officer", now=NOW)


def _noted(site: Site) -> list[int]:
    SiteAudit(site.folder).verify()
    return [int(e.detail["entries"]) for e in SiteAudit(site.folder).entries() if e.action == LOOKED_UP]


def test_a_look_up_is_on_record_in_the_vault_and_in_the_sites_chain(site: Site) -> None:
    """The site's chain notes the head and who asked, not whom; refusals too."""
    assert _ask(site) == FoundPatient(pseudonym="Q7XJ", issuer="H", patient_id="4711-99")
    assert refusal_code(lambda: _ask(site, reason="no")) == "VAULT_REASON"
    assert refusal_code(lambda: _ask(site, pseudonym="Q8")) == "VAULT_UNKNOWN"
    assert _noted(site) == [1, 2, 3]
    record = look_ups(site)
    assert [(entry.who, entry.outcome) for entry in record.look_ups] == [
        ("officer", "ANSWERED"),
        ("officer", "REASON_REFUSED"),
        ("officer", "UNKNOWN"),
    ]
    assert "record of look-ups holds: 3 entries" in record.lines()[-1]
    assert f"officer Q7XJ ANSWERED: {REASON}" in record.lines()[0]
    assert "(not noted)" in record.lines()[1]
    assert "4711" not in record.model_dump_json() + site.folder.audit.read_text()
    assert "Q7XJ" not in site.folder.audit.read_text()


def test_an_identifier_with_control_characters_is_shown_escaped() -> None:
    """A file could otherwise write to the officer's terminal."""
    shown = FoundPatient(pseudonym="Q7XJ", issuer="", patient_id="47\x1b[2JMü").line()
    assert shown == "PatientID 47\\x1b[2JMü, issuer (none)"


def test_a_site_without_a_vault_says_so(tmp_path: Path) -> None:
    """Off by default: there is nobody to look up, and no folder is made."""
    site = demo_site(tmp_path / "b")
    assert refusal_code(lambda: _ask(site)) == "VAULT_OFF"
    assert refusal_code(lambda: look_ups(site)) == "VAULT_OFF"
    assert not (site.folder.root / "vault").exists()


def test_a_record_written_anew_is_found_by_the_sites_chain(site: Site, tmp_path: Path) -> None:
    """Who may write to the vault's folder can make its chain and head anew, but not the site's, which is co-signed."""
    vault = site.folder.root / "vault"
    shutil.copytree(vault, tmp_path / "before")
    _ask(site)
    shutil.rmtree(vault)
    shutil.copytree(tmp_path / "before", vault)
    assert refusal_code(lambda: look_ups(site)) == "VAULT_AUDIT_REWRITTEN"
    assert refusal_code(lambda: _ask(site)) == "VAULT_AUDIT_REWRITTEN"
    assert _noted(site) == [1]


def test_who_asks_is_told_by_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment cannot name another person; after sudo both names stand in the record."""
    monkeypatch.setenv("LOGNAME", "somebody-else")
    me, record = login_of(os.getuid()), tmp_path / "loginuid"
    assert person(login_record=tmp_path / "none") == me
    for content, name in (
        (f"{NOBODY_LOGGED_IN}", me),
        (f"{os.getuid()}\n", me),
        ("strange", me),
        ("2147483643", f"2147483643 as {me}"),
    ):
        record.write_text(content)
        assert person(login_record=record) == name
    assert 1 <= len(person()) <= 64
