"""Making a coordinator's home folder: keys, certificates, configuration and tables."""

from __future__ import annotations

import secrets
import shutil
from datetime import datetime
from pathlib import Path

from sqlalchemy import inspect, select

from myofed_coordinator.accounts.vault import new_key
from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.certificates import Issued, fingerprint, issue_server, load_issued, new_authority
from myofed_coordinator.config import CoordinatorConfig, check_reachable, save_config, split_address
from myofed_coordinator.database import Database, create_tables
from myofed_coordinator.enrolment.models import InviteRow
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.services import open_tables
from myofed_coordinator.signing import new_signer
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import write_atomically

LOOPBACK_NAME = "myofed loopback"


def initialise(root: Path, config: CoordinatorConfig, *, actor: str, now: datetime) -> HomeFolder:
    """`root` is a coordinator's home: folders 0700, secrets 0600, empty tables, an audit chain of one entry.

    A call that was cut short leaves its mark in the folder, and no configuration: no command takes it for a home, and the
    next call begins anew.

    Args:
        root: Does not exist, or is an empty folder, or one that a call cut short has left.
        config: All settings.
        actor: Who makes it.
        now: Aware.

    Raises:
        MyofedError: HOME_NOT_EMPTY, CONFIG_PUBLIC_NAME, DATABASE_IN_USE.
    """
    check_reachable(config)
    home = HomeFolder(root.absolute())
    make_folders(home)
    _make_keys(home, config, now=now)
    database = open_tables(home, config)
    try:
        check_unused(database)
        create_tables(database)
    finally:
        database.close()
    if home.database.exists():
        home.database.chmod(0o600)
    AuditLog(home.audit).append(Deed(actor, "HOME_MADE", config.name, {"demo": int(config.demo)}), now=now)
    save_config(home, config)
    finish_folder(home)
    return home


def make_folders(home: HomeFolder) -> None:
    """The folders exist, 0700, with the mark of a call that has not ended.

    Raises:
        MyofedError: HOME_NOT_EMPTY.
    """
    if home.root.is_dir() and _unfinished(home).exists() and not home.config.exists():
        shutil.rmtree(home.root)  # nothing in it was ever used: without its configuration no command opened it
    if home.root.exists() and (not home.root.is_dir() or any(home.root.iterdir())):
        raise MyofedError(
            "HOME_NOT_EMPTY",
            "expected a new or empty folder, found something in it",
            hint="choose another folder; nothing was changed",
            exit_code=ExitCode.SITE_FOLDER,
        )
    home.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(_unfinished(home), b"")
    for folder in (home.root, home.keys, home.engine, home.runs, home.models, home.run, home.logs):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)


def check_unused(database: Database) -> None:
    """No other home keeps its sites in this database (PostgreSQL is named by a URL that two homes could share).

    Raises:
        MyofedError: DATABASE_IN_USE.
    """
    with database.read() as session:
        if not inspect(session.connection()).has_table(InviteRow.__tablename__):
            return
        used = session.scalar(select(InviteRow.site).limit(1)) is not None
    if used:
        raise MyofedError(
            "DATABASE_IN_USE",
            "the database holds the sites of another coordinator",
            hint="name an empty database with --database-url",
            exit_code=ExitCode.SITE_FOLDER,
        )


def finish_folder(home: HomeFolder) -> None:
    """The call has ended: the folder is a home."""
    _unfinished(home).unlink()


def _unfinished(home: HomeFolder) -> Path:
    """The mark of a call that has not ended."""
    return home.root / ".unfinished"


def renew_servers(home: HomeFolder, config: CoordinatorConfig, *, actor: str, now: datetime) -> datetime:
    """Server and loopback certificate are new, with new keys, for the names that the settings have now.

    `up` must be stopped. Killed in the middle, `doctor` says CERTIFICATE_PAIR, and the next call makes them anew.

    Args:
        home: The coordinator's.
        config: Its settings.
        actor: Who renews.
        now: Aware.

    Returns:
        When the new ones end.

    Raises:
        MyofedError: CERTIFICATE_PAIR, the CA's key is missing.
    """
    authority = load_issued(key_pem=home.ca_key.read_bytes(), certificate_pem=home.ca.read_bytes())
    made = _make_servers(home, config, authority, now=now)
    detail: dict[str, str | int] = {"certificate": fingerprint(made.certificate)}
    AuditLog(home.audit).append(Deed(actor, "SERVER_CERTIFICATE_RENEWED", "coordinator", detail), now=now)
    return made.certificate.not_valid_after_utc


def _make_servers(home: HomeFolder, config: CoordinatorConfig, authority: Issued, *, now: datetime) -> Issued:
    hosts = (split_address(config.people)[0], split_address(config.sites)[0])
    server = issue_server(authority, names=(*config.public_names, *hosts), now=now)
    # The loopback CA's private key is thrown away: it signs this one certificate, and no other can be made.
    loopback_authority = new_authority(LOOPBACK_NAME, now=now)
    loopback = issue_server(loopback_authority, names=(), now=now)
    _write_pair(server, key=home.server_key, certificate=home.server_certificate)
    _write_pair(loopback, key=home.loopback_key, certificate=home.loopback_certificate)
    write_atomically(home.loopback_ca, loopback_authority.certificate_pem)
    return server


def _make_keys(home: HomeFolder, config: CoordinatorConfig, *, now: datetime) -> None:
    authority = new_authority(f"{config.name} CA", now=now)
    _write_pair(authority, key=home.ca_key, certificate=home.ca)
    _make_servers(home, config, authority, now=now)
    write_atomically(home.signing_key, new_signer().pem())
    write_atomically(home.superexec_secret, secrets.token_hex(32).encode())
    write_atomically(home.accounts_key, new_key())
    write_atomically(home.admin_token, secrets.token_urlsafe(32).encode())


def _write_pair(issued: Issued, *, key: Path, certificate: Path) -> None:
    write_atomically(key, issued.key_pem)
    write_atomically(certificate, issued.certificate_pem)
