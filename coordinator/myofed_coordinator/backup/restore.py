"""A coordinator comes back from a sealed backup: proven whole first, then made in a new or empty folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import yaml
from pydantic import ValidationError

from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.backup import refusals
from myofed_coordinator.backup.archive import (
    AUDIT,
    CONFIG,
    DATABASE,
    BackupManifest,
    check_archive,
    lines_of,
    read_archive,
)
from myofed_coordinator.backup.newer_chain import NewerChain, read_newer
from myofed_coordinator.backup.replay import end_sessions, replay
from myofed_coordinator.backup.rows import load_rows
from myofed_coordinator.backup.sealed import SealedReader
from myofed_coordinator.config import CoordinatorConfig, save_config
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.initialise import check_unused, finish_folder, make_folders
from myofed_coordinator.migrations.migrate import bring_up_to_date
from myofed_coordinator.services import open_tables
from myofed_schemas.audit import AuditEntry, AuditHead
from myofed_schemas.files import open_atomically
from myofed_schemas.wire import WireModel


class Restored(WireModel):
    """What `restore --json` prints."""

    home: str
    made_at: str
    files: int
    rows: int
    audit: int
    replayed: int | None
    """How many entries of the chain of `--audit` closed something again; None where no chain was given."""
    replayed_until: str | None
    """When the last entry of that chain was made."""
    replayed_head: AuditHead | None
    """Where that chain ends: to be compared with the last head that is kept elsewhere."""


@dataclass(frozen=True)
class Wanted:
    """What is to come back, and where to.

    Attributes:
        archive: The file.
        passphrase: Opens it; stays out of the repr.
        database_url: Another database than the backup's settings name; empty for SQLite in the home, None for theirs.
        audit: The chain of the home that was lost, newer than the backup: what it shut out since is shut out again.
    """

    archive: Path
    passphrase: str = field(repr=False)
    database_url: str | None = None
    audit: Path | None = None


def check_backup(archive: Path, passphrase: str) -> tuple[BackupManifest, str]:
    """The backup is whole, and when it was made; nothing is written.

    Raises:
        MyofedError: BACKUP_FORMAT, BACKUP_NEWER, BACKUP_PASSPHRASE, BACKUP_DAMAGED.
    """
    with archive.open("rb") as stream:
        sealed = SealedReader(stream, passphrase)
        return check_archive(sealed), sealed.header.made_at


def check_newer(wanted: Wanted, manifest: BackupManifest) -> NewerChain | None:
    """What the chain of the lost home says after the backup; None where none was given.

    Raises:
        MyofedError: BACKUP_AUDIT.
    """
    return None if wanted.audit is None else read_newer(wanted.audit, manifest.audit)


def restore(wanted: Wanted, root: Path, *, actor: str, now: datetime) -> Restored:
    """`root` is the coordinator of the backup, with tables of this release, and an audit entry that says so.

    Nobody is signed in there, and with the chain of the lost home nobody gets in who was shut out after the backup. The
    archive is read twice: nothing is written before all of it has proven to be whole. A call that was cut short leaves
    no home, and is simply made again (with PostgreSQL: on an empty database).

    Args:
        wanted: What comes back.
        root: Does not exist, or is an empty folder, or one that a call cut short has left.
        actor: Who restores.
        now: Aware.

    Raises:
        MyofedError: HOME_NOT_EMPTY, DATABASE_IN_USE, CONFIG_INVALID, BACKUP_AUDIT, or as `check_backup`.
    """
    manifest, made_at = check_backup(wanted.archive, wanted.passphrase)
    newer = check_newer(wanted, manifest)
    home = HomeFolder(root.absolute())
    make_folders(home)
    settings = _Settings(wanted.database_url)
    with wanted.archive.open("rb") as stream:
        read_archive(SealedReader(stream, wanted.passphrase), lambda name, pieces: _put(home, settings, name, pieces))
    replayed = _load(home, settings.config(), wanted, (manifest, newer))
    detail: dict[str, str | int] = {"made_at": made_at, "entries": manifest.audit.sequence}
    if newer is not None:
        detail |= {"replayed": len(replayed), "until": newer.head.sequence, "until_digest": newer.head.digest}
    log = AuditLog(home.audit)
    log.append(Deed(actor, "COORDINATOR_RESTORED", "coordinator", detail), now=now)
    for entry in replayed:
        again: dict[str, str | int] = {"action": entry.action, "by": entry.actor, "entry": entry.sequence}
        log.append(Deed(actor, "SHUT_OUT_AGAIN", entry.subject, again), now=now)
    save_config(home, settings.config())
    finish_folder(home)
    return Restored(
        home=str(home.root),
        made_at=made_at,
        files=len(manifest.files),
        rows=sum(manifest.rows.values()),
        audit=manifest.audit.sequence,
        replayed=None if newer is None else len(replayed),
        replayed_until=None if newer is None else newer.until,
        replayed_head=None if newer is None else newer.head,
    )


@dataclass
class _Settings:
    """The settings of the backup, with another database where one was asked for."""

    database_url: str | None
    content: bytes = b""

    def config(self) -> CoordinatorConfig:
        try:
            found = CoordinatorConfig.model_validate(yaml.safe_load(self.content))
            if self.database_url is None:
                return found
            values = found.model_dump() | {"database_url": self.database_url or None}
            return CoordinatorConfig.model_validate(values)
        except (ValidationError, yaml.YAMLError):
            raise refusals.damaged("settings that do not hold") from None


def _put(home: HomeFolder, settings: _Settings, name: str, pieces: Iterator[bytes]) -> None:
    """The file is in the home, 0600; the settings are kept back, for with them a folder becomes a home."""
    if name == CONFIG:
        settings.content = b"".join(pieces)
    elif name != DATABASE:
        path = home.audit if name == AUDIT else home.root / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open_atomically(path) as out:
            for piece in pieces:
                out.write(piece)


def _load(
    home: HomeFolder, config: CoordinatorConfig, wanted: Wanted, proven: tuple[BackupManifest, NewerChain | None]
) -> tuple[AuditEntry, ...]:
    """All rows are in the database, the tables are those of this release, and what was shut out is: one transaction, or nothing.

    Returns:
        Entries of the newer chain that closed something.
    """
    manifest, newer = proven
    database = open_tables(home, config)
    loaded: dict[str, int] = {}
    try:
        check_unused(database)
        with wanted.archive.open("rb") as stream, database.write() as session:

            def take(name: str, pieces: Iterator[bytes]) -> None:
                if name == DATABASE:
                    loaded.update(load_rows(session, lines_of(pieces), version=manifest.tables))

            read_archive(SealedReader(stream, wanted.passphrase), take)
            bring_up_to_date(session, AuditLog(home.audit))
            end_sessions(session)
            replayed = replay(session, newer.entries if newer is not None else ())
        if {name: count for name, count in loaded.items() if count} != {n: c for n, c in manifest.rows.items() if c}:
            raise refusals.damaged("fewer rows than the manifest's")
    finally:
        database.close()
    if home.database.exists():
        home.database.chmod(0o600)
    return replayed
