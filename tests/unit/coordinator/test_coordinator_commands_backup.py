"""`backup`, `restore`, `migrate`, `renew-server` and `audit export` from the command line: refusals first."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from coordinator_factories import NOW
from cryptography import x509
from released_databases import FIXTURES
from sqlalchemy import select
from typer.testing import CliRunner

from myofed_coordinator.audit import AuditLog
from myofed_coordinator.backup.make import Sealing
from myofed_coordinator.certificates import load_issued
from myofed_coordinator.cli import app
from myofed_coordinator.config import load_config
from myofed_coordinator.database import SCHEMA_VERSION, schema_version
from myofed_coordinator.doctor import examine
from myofed_coordinator.enrolment.models import SiteRow
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.services import open_tables
from myofed_coordinator.signing import load_signer, verify
from myofed_schemas.audit import SignedAuditHead
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.service_loop import only_one

PASSPHRASE = "correct horse battery"


@pytest.fixture
def database_url() -> None:
    """`backup --database-url` and both databases are tried in test_coordinator_backup_restore; here lie files."""


@pytest.fixture(autouse=True)
def _cheap_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    for user in ("commands.backup", "backup.before_migration"):
        monkeypatch.setattr(f"myofed_coordinator.{user}.Sealing", partial(Sealing, log2_n=10))


@pytest.fixture
def phrase(tmp_path: Path) -> str:
    (tmp_path / "phrase").write_text(PASSPHRASE + "\n")
    (tmp_path / "phrase").chmod(0o600)
    return str(tmp_path / "phrase")


def call(home: Path, *arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [*arguments, "--home", str(home), "--json"])
    assert result.exit_code == code, result.output
    assert PASSPHRASE not in result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("command", [("backup", "--out"), ("restore",)])
def test_passphrase_that_others_can_read_is_refused(
    home: HomeFolder, tmp_path: Path, phrase: str, command: tuple[str, ...]
) -> None:
    """The file opens the CA's key: one of mode 0640 is not used, nothing is written, and the mode is said."""
    archive = tmp_path / "backup"
    if command == ("restore",):
        call(home.root, "backup", "--out", str(archive), "--passphrase-file", phrase)
    Path(phrase).chmod(0o640)
    where = home.root if command != ("restore",) else tmp_path / "new"
    said = call(where, *command, str(archive), "--passphrase-file", phrase, code=ExitCode.BAD_INPUT)["error"]
    assert (said["code"], "0640" in said["message"]) == ("PRIVATE_FILE_PERMISSIONS", True)
    assert (archive.exists(), (tmp_path / "new").exists()) == (command == ("restore",), False)


def test_backup_without_a_passphrase_or_with_a_short_one_is_refused(home: HomeFolder, tmp_path: Path) -> None:
    """Nobody is at a terminal; eleven characters are too few; nothing is written."""
    out = str(tmp_path / "backup")
    said = call(home.root, "backup", "--out", out, code=int(ExitCode.USAGE))
    assert said["error"]["code"] == "PASSPHRASE_MISSING"
    (tmp_path / "short").write_text("x" * 11)
    (tmp_path / "short").chmod(0o600)
    said = call(home.root, "backup", "--out", out, "--passphrase-file", str(tmp_path / "short"), code=2)
    assert said["error"]["code"] == "PASSPHRASE_SHORT"
    missing = call(home.root, "backup", "--out", out, "--passphrase-file", str(tmp_path / "none"), code=2)
    assert missing["error"]["code"] == "INPUT_FILE"
    assert not Path(out).exists()


def test_restore_of_nothing_is_refused(tmp_path: Path, phrase: str) -> None:
    """A missing file, and one that is no backup; no home is made."""
    arguments = ("--passphrase-file", phrase)
    said = call(tmp_path / "new", "restore", str(tmp_path / "none"), *arguments, code=2)
    assert said["error"]["code"] == "INPUT_FILE"
    said = call(tmp_path / "new", "restore", phrase, *arguments, code=int(ExitCode.BAD_INPUT))
    assert said["error"]["code"] == "BACKUP_FORMAT"
    assert not (tmp_path / "new").exists()


def test_backup_is_checked_and_restored(home: HomeFolder, tmp_path: Path, phrase: str) -> None:
    """The check writes nothing; the restored home is healthy."""
    made = call(home.root, "backup", "--out", str(tmp_path / "backup"), "--passphrase-file", phrase)
    assert made["files"] > 8
    arguments = ("restore", str(tmp_path / "backup"), "--passphrase-file", phrase)
    assert call(tmp_path / "new", *arguments, "--check")["whole"] is True
    assert not (tmp_path / "new").exists()
    done = call(tmp_path / "new", *arguments, "--database-url", "sqlite")
    assert done["rows"] == made["rows"]
    back = HomeFolder(tmp_path / "new")
    assert examine(back, load_config(back), now=NOW).healthy
    again = call(tmp_path / "new", *arguments, code=int(ExitCode.SITE_FOLDER))
    assert again["error"]["code"] == "HOME_NOT_EMPTY"


def test_restore_warns_of_what_is_in_again_unless_it_has_the_chain(
    home: HomeFolder, tmp_path: Path, phrase: str
) -> None:
    """One loud line names what is to be checked by hand; with the chain of the lost home it says how far that went."""
    call(home.root, "backup", "--out", str(tmp_path / "backup"), "--passphrase-file", phrase)
    arguments = ("restore", str(tmp_path / "backup"), "--passphrase-file", phrase)
    missing = call(tmp_path / "new", *arguments, "--audit", str(tmp_path / "none"), code=2)
    assert missing["error"]["code"] == "INPUT_FILE"
    short = tmp_path / "short.jsonl"
    short.write_bytes(b"")
    for check in (("--check",), ()):
        said = call(tmp_path / "new", *arguments, "--audit", str(short), *check, code=int(ExitCode.BAD_INPUT))
        assert said["error"]["code"] == "BACKUP_AUDIT"
    bare = CliRunner().invoke(app, [*arguments, "--home", str(tmp_path / "bare"), "--json"])
    assert "WARNING" in bare.stderr
    for word in ("sites revoke", "accounts disable", "accounts reset", "accounts roles", "--audit"):
        assert word in bare.stderr
    whole = CliRunner().invoke(
        app, [*arguments, "--audit", str(home.audit), "--home", str(tmp_path / "whole"), "--json"]
    )
    assert "WARNING" not in whole.stderr
    assert json.loads(whole.stdout)["replayed"] == 0
    assert AuditLog(home.audit).head().digest in whole.stderr
    assert json.loads(bare.stdout)["replayed"] is None


def test_migration_waits_until_up_has_stopped_and_saves_what_was(home: HomeFolder) -> None:
    """A released database in the home: refused beside `up`, then migrated, with a backup that names what it was."""
    home.database.write_bytes((FIXTURES / "v0.1.0" / "coordinator.sqlite").read_bytes())
    for suffix in ("-wal", "-shm"):
        home.database.with_name(home.database.name + suffix).unlink(missing_ok=True)
    assert call(home.root, "planning", "list", code=1)["error"]["code"] == "DATABASE_VERSION"
    with only_one(home.run / "up.lock"):
        said = call(home.root, "migrate", code=int(ExitCode.FAILED))
    assert said["error"]["code"] == "ALREADY_RUNNING"
    done = call(home.root, "migrate")
    assert (done["before"], done["after"]) == (1, SCHEMA_VERSION)
    saved = Path(done["backup"])
    assert saved.exists()
    assert saved.with_suffix(".sqlite").exists()
    database = open_tables(home, load_config(home))
    assert schema_version(database) == SCHEMA_VERSION
    with database.read() as session:
        assert len(list(session.scalars(select(SiteRow.site)))) == 2
    database.close()
    assert call(home.root, "planning", "list") == {"queries": []}
    assert call(home.root, "migrate") == {"before": SCHEMA_VERSION, "after": SCHEMA_VERSION, "backup": None}


def test_renewed_server_certificates_are_of_the_same_ca(home: HomeFolder) -> None:
    """Sites trust the CA and notice nothing; keys are new, pairs match, names stay; not beside `up`."""
    with only_one(home.run / "up.lock"):
        assert call(home.root, "renew-server", code=1)["error"]["code"] == "ALREADY_RUNNING"
    before = home.server_key.read_bytes(), home.loopback_key.read_bytes(), home.ca.read_bytes()
    call(home.root, "renew-server")
    assert home.server_key.read_bytes() != before[0]
    assert home.loopback_key.read_bytes() != before[1]
    assert home.ca.read_bytes() == before[2]
    pair = load_issued(key_pem=home.server_key.read_bytes(), certificate_pem=home.server_certificate.read_bytes())
    pair.certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(before[2]))
    loopback = x509.load_pem_x509_certificate(home.loopback_certificate.read_bytes())
    loopback.verify_directly_issued_by(x509.load_pem_x509_certificate(home.loopback_ca.read_bytes()))
    assert examine(home, load_config(home), now=NOW).healthy
    assert not (home.keys / "loopback-ca.key").exists()


def test_exported_chain_has_its_signed_head_beside(home: HomeFolder, tmp_path: Path) -> None:
    """The lines as they are; of a broken chain nothing is written."""
    out = tmp_path / "out.jsonl"
    assert call(home.root, "audit", "verify")["cosigned_up_to"] == 0
    said = call(home.root, "audit", "export", "--jsonl", str(out))
    assert said["entries"] == 1
    assert out.read_bytes() == home.audit.read_bytes()
    signed = SignedAuditHead.model_validate_json((tmp_path / "out.jsonl.head.json").read_bytes())
    verify(signed.head, signature=signed.signature, public_key=load_signer(home.signing_key).public_key)
    home.audit.write_bytes(home.audit.read_bytes().replace(b'"sequence":1', b'"sequence":2'))
    failed = call(home.root, "audit", "export", "--jsonl", str(tmp_path / "bad"), code=int(ExitCode.UNHEALTHY))
    assert failed["error"]["code"] == "AUDIT_BROKEN"
    assert not list(tmp_path.glob("*bad*"))
