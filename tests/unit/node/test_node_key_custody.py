"""The site's key: shown without itself, sealed, shared and restored; and what stands beside it."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from site_factories import NOW, PASSPHRASE, Scan, audited_actions, demo_site, quick_escrow, refusal_code, write_image

from myofed_anonymization.key_shares import join
from myofed_anonymization.keys import SiteKeys
from myofed_anonymization.pseudonym_sources import CsvPseudonyms
from myofed_node.config import VaultSettings
from myofed_node.key_custody import (
    Escrow,
    escrow_key,
    key_facts,
    login_of,
    no_ingest,
    pseudonym_source,
    restore_key,
    share_key,
    share_of,
    vault_of,
)
from myofed_node.key_rotation import rotate_key
from myofed_node.keys import load_deid_keys
from myofed_node.site_setup import Site

OTHER = SiteKeys(b"b" * 32)
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return demo_site(tmp_path / "a")


def test_the_key_is_shown_by_its_facts_only(site: Site) -> None:
    """Check, age, mode and owner; no byte of the key."""
    keys = load_deid_keys(site.folder)
    os.utime(site.folder.deid_key, (NOW.timestamp(), NOW.timestamp()))
    facts = key_facts(site, now=NOW + timedelta(days=40, hours=1))
    assert (facts.check, facts.age_days, facts.mode) == (keys.check(), 40, "0600")
    assert facts.owner == login_of(os.getuid())
    assert not facts.rotation_pending
    assert keys.secret.hex() not in facts.model_dump_json()
    assert key_facts(site, now=NOW - timedelta(days=1)).age_days == 0


def test_an_owner_without_a_login_is_a_number() -> None:
    """A user that was removed, or one of another machine."""
    assert login_of(2**31 - 5) == str(2**31 - 5)


def test_the_escrow_holds_the_key_and_is_never_overwritten(site: Site, tmp_path: Path) -> None:
    """Once sealed the same call again is fine; a file of another key, or of nothing, stays as it is."""
    keys, escrow = load_deid_keys(site.folder), quick_escrow(tmp_path)
    assert escrow_key(site, escrow, now=NOW) == keys.check()
    first = escrow.path.read_bytes()
    escrow_key(site, escrow, now=NOW)
    assert escrow.path.read_bytes() == first
    assert escrow.path.stat().st_mode & 0o777 == 0o600
    assert escrow.key() == keys
    quick_escrow(tmp_path, "other.json").hold(OTHER, now=NOW)
    assert refusal_code(lambda: escrow_key(site, quick_escrow(tmp_path, "other.json"), now=NOW)) == "ESCROW_EXISTS"
    (tmp_path / "letter").write_text("dear")
    assert refusal_code(lambda: escrow_key(site, quick_escrow(tmp_path, "letter"), now=NOW)) == "ESCROW_INVALID"
    assert (tmp_path / "letter").read_text() == "dear"
    assert audited_actions(site) == ["KEY_ESCROWED"] * 2
    assert PASSPHRASE not in repr(escrow)


def test_copies_of_the_key_lie_outside_the_site(site: Site, tmp_path: Path) -> None:
    """What is lost with the folder cannot bring its key back; also through a link."""
    (tmp_path / "link").symlink_to(site.folder.root)
    for place in (site.folder.root / "key.json", tmp_path / "link" / "keys" / "key.json"):
        assert (
            refusal_code(lambda place=place: escrow_key(site, Escrow(place, PASSPHRASE), now=NOW))
            == "KEY_OUTPUT_INSIDE"
        )
        assert (
            refusal_code(lambda place=place: share_key(site, place, shares=3, needed=2, now=NOW)) == "KEY_OUTPUT_INSIDE"
        )


def test_any_two_of_three_sheets_restore_the_key(site: Site, tmp_path: Path) -> None:
    """As printed, with all the words around; one sheet a file, 0600; a folder with files is not mixed up."""
    keys = load_deid_keys(site.folder)
    sheets = share_key(site, tmp_path / "sheets", shares=3, needed=2, now=NOW)
    assert [path.name for path in sheets] == ["share-1-of-3.txt", "share-2-of-3.txt", "share-3-of-3.txt"]
    assert {path.stat().st_mode & 0o777 for path in sheets} == {0o600}
    texts = [path.read_text() for path in sheets]
    assert all(keys.check() in text and keys.secret.hex() not in text for text in texts)
    for chosen in ((0, 1), (2, 0), (1, 2)):
        assert join(share_of(texts[number]) for number in chosen) == keys
    assert (
        refusal_code(lambda: share_key(site, tmp_path / "sheets", shares=3, needed=2, now=NOW))
        == "KEY_OUTPUT_NOT_EMPTY"
    )
    assert refusal_code(lambda: share_key(site, tmp_path / "x", shares=3, needed=1, now=NOW)) == "SHARES_NUMBER"
    assert not (tmp_path / "x").exists()
    assert audited_actions(site) == ["KEY_SHARED"]


def test_a_share_typed_alone_is_a_share(site: Site, tmp_path: Path) -> None:
    """Somebody types the groups with spaces and nothing around them."""
    sheets = share_key(site, tmp_path / "sheets", shares=2, needed=2, now=NOW)
    typed = [share_of(path.read_text()).replace("-", " ") for path in sheets]
    assert join(share_of(text) for text in typed) == load_deid_keys(site.folder)


def test_restoring_writes_a_missing_key_and_overwrites_none(site: Site) -> None:
    """The same key is fine; another one that is there is never replaced."""
    keys = load_deid_keys(site.folder)
    assert restore_key(site, keys, now=NOW) == keys.check()
    assert refusal_code(lambda: restore_key(site, OTHER, now=NOW)) == "KEY_PRESENT"
    assert load_deid_keys(site.folder) == keys
    shutil.rmtree(site.folder.keys)
    restore_key(site, keys, now=NOW)
    assert load_deid_keys(site.folder) == keys
    assert {path.stat().st_mode & 0o777 for path in (site.folder.keys, site.folder.deid_key.parent)} == {0o700}
    assert audited_actions(site) == ["KEY_RESTORED"]


def test_an_earlier_key_is_restored_only_on_purpose(site: Site, tmp_path: Path) -> None:
    """Two escrows in the drawer: the wrong one would split patients in two, so it is refused by its check."""
    old = load_deid_keys(site.folder)
    rotate_key(site, quick_escrow(tmp_path), now=NOW)
    last = load_deid_keys(site.folder)
    site.folder.deid_key.unlink()
    write_image(site.folder.dataset, Scan(1))
    assert refusal_code(lambda: restore_key(site, old, now=NOW)) == "KEY_NOT_LAST"
    restore_key(site, last, now=NOW)
    site.folder.deid_key.unlink()
    restore_key(site, old, now=NOW, abandon_links=True)
    assert load_deid_keys(site.folder) == old


def test_no_key_is_restored_under_a_running_ingest(site: Site) -> None:
    """Half of its files would have the old key."""
    with no_ingest(site.folder):
        assert refusal_code(lambda: restore_key(site, OTHER, now=NOW)) == "INGEST_RUNNING"


def test_the_source_of_pseudonyms_is_the_list_of_the_settings(tmp_path: Path) -> None:
    """None makes pseudonyms with the key; a list is found from the site's folder and bound to the site's key."""
    assert pseudonym_source(demo_site(tmp_path / "keyed")) is None
    site = demo_site(tmp_path / "listed", pseudonyms="list.csv")
    path = site.folder.root / "list.csv"
    path.write_text("issuer,patient_id,pseudonym\nH,4711,Q7XJ\n")
    path.chmod(0o600)
    source = pseudonym_source(site)
    assert source == CsvPseudonyms.load(path, keys=load_deid_keys(site.folder))
    assert source is not None
    assert source.label(issuer="H", patient_id="4711") == "Q7XJ"


def test_the_vault_is_off_unless_switched_on_and_has_a_key_of_its_own(tmp_path: Path) -> None:
    """Off by default; on, it opens; the site's key is refused as the vault's, and so is a key inside the vault."""
    assert vault_of(demo_site(tmp_path / "off")) is None
    key = tmp_path / "vault.key"
    key.write_bytes(b"v" * 32)
    key.chmod(0o600)
    site = demo_site(tmp_path / "on", vault=VaultSettings(enabled=True, folder="vault", key_file=str(key)))
    vault = vault_of(site)
    assert vault is not None
    assert vault.folder == site.folder.root / "vault"
    key.write_bytes(load_deid_keys(site.folder).secret)
    (site.folder.root / "vault" / "vault.json").unlink()
    assert refusal_code(lambda: vault_of(site)) == "VAULT_KEY_IS_SITE_KEY"
