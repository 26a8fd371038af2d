"""Every reason for which a backup or a restore is refused."""

from __future__ import annotations

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode


def damaged(what: str) -> MyofedError:
    """The archive is not, byte for byte, one that `backup` wrote with this passphrase; nothing was restored."""
    return MyofedError(
        "BACKUP_DAMAGED",
        f"expected a whole backup, found {what}; nothing was restored",
        hint="take another copy of the file or an older backup",
        exit_code=ExitCode.BAD_INPUT,
    )


def sealed_otherwise() -> MyofedError:
    """The first block does not open."""
    return MyofedError(
        "BACKUP_PASSPHRASE",
        "expected the passphrase with which the backup was made, found another, or a backup that was altered or cut off",
        hint="nothing was restored; compare the file's SHA-256 with the one that `backup` printed (also in the audit chain, BACKUP_MADE); "
        "a backup made by `migrate` opens with keys/backup.secret of its home",
        exit_code=ExitCode.REFUSED,
    )


def not_a_backup() -> MyofedError:
    """The file has another form."""
    return MyofedError(
        "BACKUP_FORMAT",
        "expected a file of `myofed-coordinator backup`, found another",
        hint="check the name",
        exit_code=ExitCode.BAD_INPUT,
    )


def newer(found: str, *, known: int) -> MyofedError:
    """A later release made it."""
    return MyofedError(
        "BACKUP_NEWER",
        f"the backup is of a newer release ({found}), this one knows tables up to version {known}",
        hint="install the release that made it, or a later one; nothing was restored",
        exit_code=ExitCode.REFUSED,
    )


def weak_passphrase(least: int) -> MyofedError:
    """It is too short to keep the consortium's CA key."""
    return MyofedError(
        "PASSPHRASE_SHORT",
        f"expected a passphrase of at least {least} characters",
        hint="keep it apart from the backup; without it nobody can restore",
        exit_code=ExitCode.USAGE,
    )


def no_passphrase() -> MyofedError:
    """Nobody is there to be asked."""
    return MyofedError(
        "PASSPHRASE_MISSING",
        "expected --passphrase-file, or a terminal at which to ask for the passphrase",
        hint="a file of mode 0600 with the passphrase in its first line",
        exit_code=ExitCode.USAGE,
    )


def another_chain() -> MyofedError:
    """The file of --audit is not the chain of the backup's coordinator, or ends before the backup."""
    return MyofedError(
        "BACKUP_AUDIT",
        "expected the audit chain of the lost home, with the backup's head in it, found another or an older one",
        hint="name audit.jsonl as it lay in the home that the backup was made of; nothing was restored",
        exit_code=ExitCode.BAD_INPUT,
    )


def broken_chain(sequence: int) -> MyofedError:
    """The file of --audit does not hold."""
    return MyofedError(
        "BACKUP_AUDIT",
        f"expected an audit chain that holds, found one that does not at entry {sequence}",
        hint="keep the file as evidence; restore without --audit and check by hand what was shut out",
        exit_code=ExitCode.BAD_INPUT,
    )


def readable_passphrase(mode: int) -> MyofedError:
    """Group or others can read the file of the passphrase, which opens every key of the coordinator."""
    return MyofedError(
        "PRIVATE_FILE_PERMISSIONS",
        f"expected mode 0600 on the file of the passphrase, found {mode:04o}",
        hint="chmod 600, and ask who could read it",
        exit_code=ExitCode.BAD_INPUT,
    )
