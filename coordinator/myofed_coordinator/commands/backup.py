"""`backup` and `restore`: a whole coordinator in one sealed file, and back."""

from __future__ import annotations

import stat
import sys
from pathlib import Path
from typing import Annotated

import typer

from myofed_coordinator.backup import refusals
from myofed_coordinator.backup.make import Sealing, make_backup
from myofed_coordinator.backup.restore import Restored, Wanted, check_backup, check_newer
from myofed_coordinator.backup.restore import restore as restore_home
from myofed_coordinator.backup.sealed import SHORTEST_PASSPHRASE
from myofed_coordinator.commands.frame import HomeOption, JsonOption, actor, read_input, show
from myofed_coordinator.config import load_config
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.services import open_tables
from myofed_schemas.clock import system_now
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

PassphraseFile = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help="Its first line is the passphrase (mode 0600); without it you are asked."),
]

NOT_REPLAYED = (
    "!!! WARNING: WHAT WAS SHUT OUT AFTER THIS BACKUP IS IN AGAIN. Before `up`, by hand: revoke sites that were revoked "
    "(`sites revoke`), disable accounts that were disabled (`accounts disable`), take roles that were taken (`accounts "
    "roles`), reset accounts whose password or second factor was changed or whose recovery code, set-up link or API token "
    "was used up or revoked (`accounts reset`), withdraw invites that were used (`sites revoke`), decline starts that were "
    "declined (`study decline`), stop runs that were stopped (`study stop`), have sites publish and withdraw again what "
    "they withdrew. Where audit.jsonl of the lost home is left, restore again with --audit FILE instead. !!!"
)
STILL_BY_HAND = (
    "By hand: what was decided after its end, runs that were stopped (`study stop`); "
    "people whose password or second factor was changed need `accounts reset`."
)


def backup(
    out: Annotated[Path, typer.Option("--out", help="The backup is written here (mode 0600).", show_default=False)],
    home: HomeOption,
    passphrase_file: PassphraseFile = None,
    json: JsonOption = False,
) -> None:
    """Writes everything of this coordinator into one sealed file; `up` may run meanwhile.

    Example: myofed-coordinator backup --out /backup/consortium.myofed-backup --passphrase-file /root/phrase --home /srv/myofed
    """
    found = HomeFolder(home.absolute())
    config = load_config(found)
    sealing = Sealing(_passphrase(passphrase_file, confirm=True))
    database = open_tables(found, config)
    try:
        made = make_backup(found, database, out, sealing=sealing, actor=actor(), now=system_now())
    finally:
        database.close()
    line = f"Written: {made.files} files, {made.rows} rows, {made.audit} audit entries, {made.bytes} bytes."
    show(made, lines=[line, "Keep the passphrase apart from it."], as_json=json)


def restore(
    archive: Annotated[Path, typer.Argument(help="A file of `backup`.", show_default=False)],
    home: HomeOption,
    passphrase_file: PassphraseFile = None,
    database_url: Annotated[
        str | None, typer.Option(help="Another database than before: an empty one by URL, or `sqlite`.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only says whether the backup is whole.")] = False,
    audit: Annotated[
        Path | None,
        typer.Option(
            help="audit.jsonl of the home that was lost, newer than the backup: who was shut out since stays out.",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Makes a new home of a backup: whole, or nothing. Never run two copies of one coordinator at a time.

    Everybody signs in anew. Without --audit, what was shut out after the backup is in again: check it before `up`.

    Example: myofed-coordinator restore /backup/consortium.myofed-backup --passphrase-file /root/phrase --home /srv/myofed
    """
    if not archive.is_file():
        raise MyofedError("INPUT_FILE", "cannot read the backup", hint="check the name", exit_code=ExitCode.USAGE)
    if audit is not None and not audit.is_file():
        raise MyofedError("INPUT_FILE", "cannot read the audit chain", hint="check the name", exit_code=ExitCode.USAGE)
    passphrase = _passphrase(passphrase_file, confirm=False)
    wanted = Wanted(archive, passphrase, "" if database_url == "sqlite" else database_url, audit)
    if check:
        manifest, made_at = check_backup(archive, passphrase)
        check_newer(wanted, manifest)
        line = f"Whole: of {made_at}, {len(manifest.files)} files, {manifest.audit.sequence} audit entries."
        show({"whole": True, "made_at": made_at, "files": len(manifest.files)}, lines=[line], as_json=json)
        return
    done = restore_home(wanted, home, actor=actor(), now=system_now())
    line = f"Restored: the coordinator of {done.made_at}, {done.files} files, {done.rows} rows."
    show(done, lines=[line, _shut_out(done), f"Start it with: myofed-coordinator up {home}"], as_json=json)


def _shut_out(done: Restored) -> str:
    """What was closed again, and what a person must still do."""
    if done.replayed is None or done.replayed_head is None:
        return NOT_REPLAYED
    end = f"entry {done.replayed_head.sequence}, {done.replayed_head.digest}, of {done.replayed_until}"
    return f"Shut out again: {done.replayed} entries. The chain ends with {end}: compare. {STILL_BY_HAND}"


def _passphrase(file: Path | None, *, confirm: bool) -> str:
    if file is not None:
        content = read_input(file, what="the file of the passphrase")
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & 0o077:
            raise refusals.readable_passphrase(mode)
        given = content.decode(errors="replace").split("\n")[0].strip("\r")
    elif sys.stdin.isatty():
        given = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True)
    else:
        raise refusals.no_passphrase()
    if len(given) < SHORTEST_PASSPHRASE:
        raise refusals.weak_passphrase(SHORTEST_PASSPHRASE)
    return str(given)
