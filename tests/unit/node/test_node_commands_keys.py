"""The commands about the site's key and the vault, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from site_factories import Scan, demo_site, write_image
from typer.testing import CliRunner, Result

import myofed_node.key_custody as custody
from myofed_anonymization.escrow import ScryptCost
from myofed_node.cli import app
from myofed_node.config import VaultSettings, write_config
from myofed_node.key_custody import vault_of
from myofed_node.keys import load_deid_keys
from myofed_node.site_setup import Site, open_site

PASSPHRASE = "fourteen signs"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sealing costs nothing here; what the standard costs is tested with the escrow."""
    real = custody.seal
    monkeypatch.setattr(custody, "seal", lambda keys, **named: real(keys, **{**named, "cost": ScryptCost(n=4)}))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return demo_site(tmp_path / "a")


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text(PASSPHRASE + "\n")
    path.chmod(0o600)
    return path


def _run(*arguments: str | Path, typed: str | None = None) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=typed)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_key_show_prints_no_key(site: Site) -> None:
    """A line for a person, a document for a program."""
    keys = load_deid_keys(site.folder)
    shown = _run("key", "show", "--site", site.folder.root)
    assert f"key {keys.check()}: " in shown.stderr
    assert "mode 0600" in shown.stderr
    assert json.loads(_run("key", "show", "--site", site.folder.root, "--json").stdout)["check"] == keys.check()
    assert keys.secret.hex() not in shown.output
    site.folder.deid_key.with_name(custody.NEXT_KEY).touch()
    assert "cut short" in _run("key", "show", "--site", site.folder.root).stderr


def test_a_passphrase_is_typed_twice_to_seal_and_once_to_open(site: Site, tmp_path: Path) -> None:
    """Two that differ are asked again; the passphrase is on no stream."""
    keys, out = load_deid_keys(site.folder), tmp_path / "key.json"
    named = ("--site", site.folder.root)
    sealed = _run("key", "escrow", *named, "--out", out, typed=f"{PASSPHRASE}\nother\n{PASSPHRASE}\n{PASSPHRASE}\n")
    assert sealed.exit_code == 0, sealed.output
    assert PASSPHRASE not in sealed.output + sealed.stderr
    site.folder.deid_key.unlink()
    assert _run("key", "restore", *named, "--from", out, typed="wrong passphrase\n").exit_code == 10
    restored = _run("key", "restore", *named, "--from", out, "--json", typed=f"{PASSPHRASE}\n")
    assert json.loads(restored.stdout) == {"check": keys.check()}
    assert load_deid_keys(site.folder) == keys


def test_sheets_are_made_and_bring_the_key_back(site: Site, tmp_path: Path) -> None:
    """Two of three sheets; one alone, or one mistyped, does not."""
    keys, named, sheets = load_deid_keys(site.folder), ("--site", site.folder.root), tmp_path / "sheets"
    made = _run("key", "shares", *named, "--needed", "2", "--shares", "3", "--out", sheets, "--json")
    assert json.loads(made.stdout) == {"sheets": [f"share-{n}-of-3.txt" for n in (1, 2, 3)], "needed": 2}
    site.folder.deid_key.unlink()
    one, two, three = (sheets / f"share-{n}-of-3.txt" for n in (1, 2, 3))
    assert "SHARES_TOO_FEW" in _run("key", "restore", *named, "--shares", one).stderr
    three.write_bytes(b"\xff" + three.read_bytes()[:-200])
    assert "SHARE_INVALID" in _run("key", "restore", *named, "--shares", one, "--shares", three).stderr
    assert not site.folder.deid_key.exists()
    assert _run("key", "restore", *named, "--shares", one, "--shares", two).exit_code == 0
    assert load_deid_keys(site.folder) == keys


def test_restore_needs_one_kind_of_source(site: Site, tmp_path: Path) -> None:
    """Neither, or both, is a mistake of the person who types."""
    named = ("key", "restore", "--site", site.folder.root)
    for extra in ((), ("--from", tmp_path / "x", "--shares", tmp_path / "y")):
        refused = _run(*named, *extra)
        assert refused.exit_code == 2
        assert "KEY_SOURCE" in refused.stderr


def test_a_passphrase_file_is_private_text(site: Site, tmp_path: Path, passphrase: Path) -> None:
    """Its last line break does not count; others may not read it; other bytes are refused."""
    named = ("key", "escrow", "--site", site.folder.root, "--passphrase-file", passphrase)
    assert _run(*named, "--out", tmp_path / "key.json").exit_code == 0
    passphrase.write_bytes(PASSPHRASE.encode() + b"\r\n")
    assert _run(*named, "--out", tmp_path / "key.json").exit_code == 0
    passphrase.write_bytes(b"\xff" * 20)
    assert "PASSPHRASE_NOT_TEXT" in _run(*named, "--out", tmp_path / "other.json").stderr
    passphrase.chmod(0o644)
    assert "PRIVATE_FILE_PERMISSIONS" in _run(*named, "--out", tmp_path / "other.json").stderr
    assert not (tmp_path / "other.json").exists()


def test_rotation_is_refused_with_subjects_unless_links_are_given_up(
    site: Site, tmp_path: Path, passphrase: Path
) -> None:
    """Exit 13 and nothing changed; on purpose it says what was given up."""
    named = ("key", "rotate", "--site", site.folder.root, "--passphrase-file", passphrase)
    old = load_deid_keys(site.folder)
    assert _run(*named, "--escrow", tmp_path / "first.json").exit_code == 0
    assert load_deid_keys(site.folder) != old
    write_image(site.folder.dataset, Scan(1))
    refused = _run(*named, "--escrow", tmp_path / "second.json")
    assert (refused.exit_code, "SUBJECTS_PRESENT" in refused.stderr) == (13, True)
    rotated = _run(*named, "--escrow", tmp_path / "second.json", "--abandon-links")
    assert (rotated.exit_code, "1 subjects" in rotated.stderr) == (0, True)


def test_a_pseudonym_is_looked_up_and_the_record_shown(site: Site, tmp_path: Path) -> None:
    """The answer goes to the person who asked; the record to everybody who may read it."""
    assert _run("vault", "audit", "--site", site.folder.root).exit_code == 40
    key = tmp_path / "vault.key"
    key.write_bytes(b"v" * 32)
    key.chmod(0o600)
    vault = VaultSettings(enabled=True, folder="vault", key_file=str(key))
    write_config(site.folder.config, site.config.model_copy(update={"vault": vault}))
    opened = vault_of(open_site(site.folder.root))
    assert opened is not None
    opened.record(pseudonym="Q7XJ", issuer="", patient_id="4711-99")
    named = ("--site", site.folder.root)
    found = _run("vault", "lookup", "Q7XJ", *named, "--reason", "nodule in the left femur")
    assert found.stderr.strip() == "PatientID 4711-99, issuer (none)"
    assert _run("vault", "lookup", "Q7XJ", *named, "--reason", "none").exit_code == 2
    assert _run("vault", "lookup", "Q8", *named, "--reason", "nodule in the left femur").exit_code == 10
    audit = json.loads(_run("vault", "audit", *named, "--json").stdout)
    assert [entry["outcome"] for entry in audit["look_ups"]] == ["ANSWERED", "REASON_REFUSED", "UNKNOWN"]
    assert "4711" not in json.dumps(audit)
