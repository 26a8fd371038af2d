"""The backup that `migrate` makes by itself: in the home, opened by a secret among the home's own keys."""

from __future__ import annotations

import secrets
from datetime import datetime

from myofed_coordinator.backup.make import Sealing, make_backup
from myofed_coordinator.database import Database, schema_version
from myofed_coordinator.home import HomeFolder
from myofed_schemas.files import write_atomically

SECRET_BYTES = 32


def save_before_migration(home: HomeFolder, database: Database, *, actor: str, now: datetime) -> str:
    """A sealed backup lies in `backups/`; with SQLite also the database as it is, for the release that was here before.

    Args:
        home: The coordinator's.
        database: Its tables are of an earlier version.
        actor: Who migrates.
        now: Aware.

    Returns:
        Path of the backup.

    Raises:
        MyofedError: As `make_backup`.
        OSError: The disk is full; nothing is migrated then.
    """
    home.backups.mkdir(mode=0o700, exist_ok=True)
    if not home.backup_secret.exists():
        write_atomically(home.backup_secret, secrets.token_hex(SECRET_BYTES).encode())
    passphrase = home.backup_secret.read_text(encoding="ascii").strip()
    name = f"before-migrate-of-{schema_version(database)}-{now:%Y%m%dT%H%M%SZ}"
    out = home.backups / f"{name}.myofed-backup"
    make_backup(home, database, out, sealing=Sealing(passphrase), actor=actor, now=now)
    if database.engine.dialect.name == "sqlite":
        _copy_sqlite(database, home, name)
    return str(out)


def _copy_sqlite(database: Database, home: HomeFolder, name: str) -> None:
    """The file appears whole under its name (VACUUM INTO refuses one that exists)."""
    draft, final = home.backups / f".{name}.sqlite", home.backups / f"{name}.sqlite"
    draft.unlink(missing_ok=True)
    connection = database.engine.raw_connection()
    try:
        connection.cursor().execute("VACUUM INTO ?", (str(draft),))
    finally:
        connection.close()
    draft.chmod(0o600)
    draft.replace(final)
