"""The site's keys: 0600, made once, refused when others could read them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from myofed_node.keys import (
    flower_public_key,
    identity_public_key,
    load_deid_keys,
    load_identity_key,
    load_tls_key,
    make_site_keys,
    read_secret,
    settle_deid_key,
    sign,
)
from myofed_node.site_folder import SiteFolder
from myofed_schemas.audit import AuditHead
from myofed_schemas.canonical import canonical_json
from myofed_schemas.errors import MyofedError

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> SiteFolder:
    made = SiteFolder(tmp_path)
    make_site_keys(made, now=NOW)
    return made


def test_key_that_others_can_read_is_refused(folder: SiteFolder) -> None:
    """A key with a wider mode may have been copied, so it is not used."""
    folder.deid_key.chmod(0o640)
    with pytest.raises(MyofedError) as caught:
        load_deid_keys(folder)
    assert caught.value.code == "KEY_PERMISSIONS"


def test_missing_key_is_refused_and_not_made_anew(folder: SiteFolder) -> None:
    """Loading never makes a key: a new one would give every patient a second pseudonym."""
    folder.deid_key.unlink()
    with pytest.raises(MyofedError) as caught:
        load_deid_keys(folder)
    assert caught.value.code == "KEY_MISSING"
    assert not folder.deid_key.exists()


@pytest.mark.parametrize("name", ["identity_key", "tls_key", "flower_key"])
def test_damaged_key_is_refused_without_its_content(folder: SiteFolder, name: str) -> None:
    """The refusal names the file and shows nothing of it."""
    path = getattr(folder, name)
    path.write_bytes(b"SECRETMATERIAL")
    load = {"identity_key": load_identity_key, "tls_key": load_tls_key, "flower_key": flower_public_key}[name]
    with pytest.raises(MyofedError) as caught:
        load(folder)
    assert caught.value.code == "KEY_INVALID"
    assert "SECRETMATERIAL" not in str(caught.value)


def test_key_of_another_kind_is_refused(folder: SiteFolder) -> None:
    """An EC key is no identity key, an Ed25519 key no TLS key."""
    identity = folder.identity_key.read_bytes()
    folder.identity_key.write_bytes(folder.tls_key.read_bytes())
    folder.tls_key.write_bytes(identity)
    for load in (load_identity_key, load_tls_key):
        with pytest.raises(MyofedError, match="private key"):
            load(folder)


def test_every_file_among_the_keys_is_0600(folder: SiteFolder) -> None:
    """Nobody but the owner reads any of them, and the folders are 0700."""
    assert {path.stat().st_mode & 0o777 for path in (folder.keys, folder.deid_keys)} == {0o700}
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.keys.rglob("*") if path.is_file()}
    assert len(modes) == 11
    assert set(modes.values()) == {0o600}


def test_second_call_changes_no_key(folder: SiteFolder) -> None:
    """Making keys again leaves every byte as it was."""
    before = {path.name: path.read_bytes() for path in folder.keys.rglob("*") if path.is_file()}
    make_site_keys(folder, now=NOW)
    assert {path.name: path.read_bytes() for path in folder.keys.rglob("*") if path.is_file()} == before


def _as_version_0_1(folder: SiteFolder) -> bytes:
    """The de-identification key lies beside the others; gives its bytes."""
    folder.deid_key.rename(folder.early_deid_key)
    folder.deid_keys.rmdir()
    return folder.early_deid_key.read_bytes()


def test_early_key_is_moved_and_never_made_anew(folder: SiteFolder) -> None:
    """Also where the first call after the upgrade makes keys; a mode that is too wide stays and is told."""
    key = _as_version_0_1(folder)
    folder.early_deid_key.chmod(0o640)
    make_site_keys(folder, now=NOW)
    assert folder.deid_key.read_bytes() == key
    assert not folder.early_deid_key.exists()
    with pytest.raises(MyofedError, match="0640"):
        load_deid_keys(folder)


def test_move_that_was_killed_is_finished(folder: SiteFolder) -> None:
    """Between copy and removal both lie there, the same."""
    folder.early_deid_key.write_bytes(folder.deid_key.read_bytes())
    settle_deid_key(folder)
    assert folder.deid_key.exists()
    assert not folder.early_deid_key.exists()


def test_two_different_keys_are_refused_and_both_stay(folder: SiteFolder) -> None:
    """Only the site's people can say which one the data set was made with."""
    folder.early_deid_key.write_bytes(b"k" * 32)
    key = folder.deid_key.read_bytes()
    with pytest.raises(MyofedError) as caught:
        settle_deid_key(folder)
    assert caught.value.code == "KEY_TWICE"
    assert (folder.early_deid_key.read_bytes(), folder.deid_key.read_bytes()) == (b"k" * 32, key)


def test_signature_verifies_with_the_public_key(folder: SiteFolder) -> None:
    """What the identity key signs is the canonical JSON."""
    head = AuditHead(owner="alpha", sequence=0, digest="0" * 64)
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(identity_public_key(folder)))
    public.verify(bytes.fromhex(sign(folder, head)), canonical_json(head))


def test_flower_key_is_p384_in_openssh_form(folder: SiteFolder) -> None:
    """Flower 1.41.0 takes no other curve; the file beside it holds the same line."""
    line = flower_public_key(folder)
    assert line.startswith("ecdsa-sha2-nistp384 ")
    assert folder.flower_public_key.read_text() == line + "\n"


def test_secret_shows_its_bytes_only_to_the_owner(folder: SiteFolder) -> None:
    """A 0600 file is read as it is."""
    assert len(read_secret(folder.executor_secret)) == 32
