"""Custody of the site's key: shown without itself, sealed, shared out, restored; and what stands beside it."""

from __future__ import annotations

import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from myofed_anonymization.escrow import STANDARD_COST, ScryptCost, seal, unseal
from myofed_anonymization.key_shares import join, split
from myofed_anonymization.keys import SiteKeys
from myofed_node.audit import SiteAudit
from myofed_node.keys import load_deid_keys
from myofed_node.site_folder import SiteFolder
from myofed_node.site_setup import Site
from myofed_node.store import SiteStore
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import fsync_folder, write_atomically
from myofed_schemas.service_loop import only_one
from myofed_schemas.subject_facts import SubjectRegister
from myofed_schemas.wire import WireModel

if TYPE_CHECKING:
    from myofed_anonymization.pseudonym_sources import PseudonymSource
    from myofed_anonymization.vault import Vault

NEXT_KEY = "deid.key.next"
"""Lies beside the key from the first to the last step of a rotation (`key_rotation`)."""
ROTATED, ESCROWED, SHARED, RESTORED = "KEY_ROTATED", "KEY_ESCROWED", "KEY_SHARED", "KEY_RESTORED"
"""Audit actions; the subject of each is the check of the key that the site has from then on."""


class KeyFacts(WireModel):
    """What may be shown of the site's key.

    Attributes:
        check: Tells this key from others, as `key_check` in every report; reveals nothing of it.
        age_days: Since the file was made.
        mode: Permission bits, octal.
        owner: Login of the file's owner, or the number of one without a login.
        rotation_pending: A rotation was cut short: make the same call again.
    """

    check: str
    age_days: int
    mode: str
    owner: str
    rotation_pending: bool


@dataclass(frozen=True)
class Escrow:
    """A file outside the site's folder, and the passphrase that opens it; `cost` is lower in tests only."""

    path: Path = field(repr=False)
    passphrase: str = field(repr=False)
    cost: ScryptCost = STANDARD_COST

    def hold(self, keys: SiteKeys, *, now: datetime) -> None:
        """The file holds this key: it was written, read back and unsealed; one that held it before is left as it is.

        Raises:
            MyofedError: ESCROW_EXISTS where the file holds another key; PASSPHRASE_TOO_SHORT, ESCROW_*.
            OSError: The folder is missing or the disk is full.
        """
        if not self.path.exists():
            write_atomically(self.path, seal(keys, passphrase=self.passphrase, now=now, cost=self.cost))
        if self.key() != keys:
            raise MyofedError(
                "ESCROW_EXISTS",
                "expected a new escrow file, or one of this key, found the escrow of another key",
                hint="name another file; an escrow is never overwritten",
                exit_code=ExitCode.USAGE,
            )

    def key(self) -> SiteKeys:
        """The key in the file.

        Raises:
            MyofedError: ESCROW_INVALID, ESCROW_PASSPHRASE or ESCROW_KEY_CHECK.
            OSError: The file cannot be read.
        """
        return unseal(self.path.read_bytes(), passphrase=self.passphrase)


def key_facts(site: Site, *, now: datetime) -> KeyFacts:
    """Check, age, mode and owner of the site's key.

    Raises:
        MyofedError: KEY_MISSING, KEY_PERMISSIONS or SITE_KEY_LENGTH.
    """
    keys, found = load_deid_keys(site.folder), site.folder.deid_key.stat()
    return KeyFacts(
        check=keys.check(),
        age_days=max(0, (now - datetime.fromtimestamp(found.st_mtime, tz=UTC)).days),
        mode=f"{found.st_mode & 0o7777:04o}",
        owner=login_of(found.st_uid),
        rotation_pending=next_key(site.folder).exists(),
    )


def escrow_key(site: Site, escrow: Escrow, *, now: datetime) -> str:
    """The escrow file holds the site's key, which was read back; returns the key's check.

    Raises:
        MyofedError: KEY_OUTPUT_INSIDE, ESCROW_EXISTS, PASSPHRASE_TOO_SHORT, KEY_*.
    """
    check_outside(site.folder, escrow.path)
    keys = load_deid_keys(site.folder)
    escrow.hold(keys, now=now)
    SiteAudit(site.folder).append(ESCROWED, subject=keys.check(), now=now)
    return keys.check()


def share_key(site: Site, out: Path, *, shares: int, needed: int, now: datetime) -> tuple[Path, ...]:
    """`out` holds one sheet a share (0600), any `needed` of which give the key back; they were read back and joined.

    Args:
        site: The site.
        out: New or empty folder, outside the site's folder.
        shares: Sheets.
        needed: Sheets that restore the key.
        now: UTC.

    Raises:
        MyofedError: KEY_OUTPUT_INSIDE, KEY_OUTPUT_NOT_EMPTY, SHARES_NUMBER, KEY_*.
    """
    check_outside(site.folder, out)
    keys = load_deid_keys(site.folder)
    texts = split(keys, shares=shares, needed=needed)
    out.mkdir(mode=0o700, exist_ok=True)
    if any(out.iterdir()):
        raise MyofedError(
            "KEY_OUTPUT_NOT_EMPTY",
            "expected a new or empty folder for the shares, found one with files in it",
            hint="name another folder; sheets of two sets must not be mixed up",
            exit_code=ExitCode.USAGE,
        )
    paths = tuple(out / f"share-{number}-of-{shares}.txt" for number in range(1, shares + 1))
    for number, (path, text) in enumerate(zip(paths, texts, strict=True), start=1):
        sheet = _sheet(site.config.site, keys.check(), text=text, number=number, numbers=(needed, shares))
        write_atomically(path, sheet.encode())
    join(share_of(path.read_text()) for path in paths)
    detail: dict[str, str | int] = {"shares": shares, "needed": needed}
    SiteAudit(site.folder).append(SHARED, subject=keys.check(), now=now, detail=detail)
    return paths


def share_of(sheet: str) -> str:
    """The share on a sheet: its one line of groups with hyphens; a text without such a line is taken as the share."""
    lines = [line for line in sheet.splitlines() if line.count("-") > 10 and " " not in line.strip()]
    return lines[0] if lines else sheet


def restore_key(site: Site, keys: SiteKeys, *, now: datetime, abandon_links: bool = False) -> str:
    """The site's key is this one: written where none was, left where it was the same; returns its check.

    Args:
        site: The site; no ingest may run.
        keys: From an escrow or from shares.
        now: UTC.
        abandon_links: Restore a key that was not the site's last one although subjects are there.

    Raises:
        MyofedError: KEY_PRESENT where the site has another key (never overwritten), KEY_NOT_LAST where the audit chain
            names another as the last one, INGEST_RUNNING, KEY_PERMISSIONS.
    """
    with no_ingest(site.folder):
        if site.folder.deid_key.exists():
            _check_same(site.folder, keys)
            return keys.check()
        if not abandon_links:
            _check_last(site.folder, keys)
        for folder in (site.folder.keys, site.folder.deid_key.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
            fsync_folder(folder.parent)
        write_atomically(site.folder.deid_key, keys.secret)
        SiteAudit(site.folder).append(RESTORED, subject=keys.check(), now=now)
    return keys.check()


def next_key(folder: SiteFolder) -> Path:
    """Where a rotation keeps the new key until it takes its place."""
    return folder.deid_key.with_name(NEXT_KEY)


def subjects_of(folder: SiteFolder) -> frozenset[str]:
    """Every pseudonym under which the site holds something: image, label map, fact, series on record, work in progress."""
    places = (folder.dataset, *folder.dataset.glob("derivatives/*"), *folder.intake.glob("work-*/**/"))
    found = {path.name.removeprefix("sub-") for place in places for path in place.glob("sub-*")}
    facts = SubjectRegister.model_validate_json(folder.subjects.read_bytes()) if folder.subjects.exists() else None
    found |= {each.subject for each in facts.subjects} if facts else set()
    return frozenset(found | {row.subject for row in SiteStore(folder.store).all_series() if row.subject})


def pseudonym_source(site: Site) -> PseudonymSource | None:
    """The third party's list that the site's settings name, read and checked; None where the site's key makes pseudonyms.

    Raises:
        MyofedError: PSEUDONYMS_INVALID, PRIVATE_FILE_MISSING, PRIVATE_FILE_PERMISSIONS, KEY_*.
    """
    from myofed_anonymization.pseudonym_sources import CsvPseudonyms

    if site.config.pseudonyms is None:
        return None
    return CsvPseudonyms.load(site.folder.root / site.config.pseudonyms, keys=load_deid_keys(site.folder))


def vault_of(site: Site) -> Vault | None:
    """The site's vault, opened; None where it is off.

    Raises:
        MyofedError: VAULT_KEY_IS_SITE_KEY, VAULT_*, PRIVATE_FILE_MISSING, PRIVATE_FILE_PERMISSIONS.
    """
    from myofed_anonymization.vault import Vault

    settings = site.config.vault
    if not (settings.enabled and settings.folder and settings.key_file):
        return None
    vault = Vault.open(site.folder.root / settings.folder, site.folder.root / settings.key_file)
    if vault.key == load_deid_keys(site.folder).secret:
        raise MyofedError(
            "VAULT_KEY_IS_SITE_KEY",
            "expected a key of its own for the vault, found the site's key",
            hint="make one as docs/key-custody.md shows",
            exit_code=ExitCode.SITE_FOLDER,
        )
    return vault


def login_of(uid: int) -> str:
    """The login of this user, or the number of one without a login."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _check_same(folder: SiteFolder, keys: SiteKeys) -> None:
    if load_deid_keys(folder) != keys:
        raise MyofedError(
            "KEY_PRESENT",
            "expected a site without a key, or with this one, found another key",
            hint="a key is never overwritten: seal the present one first (key escrow), then move it away by hand",
            exit_code=ExitCode.SITE_FOLDER,
        )


def _check_last(folder: SiteFolder, keys: SiteKeys) -> None:
    actions = {ROTATED, ESCROWED, SHARED, RESTORED}
    named = [entry.subject for entry in SiteAudit(folder).entries() if entry.action in actions]
    if named and named[-1] != keys.check() and subjects_of(folder):
        raise MyofedError(
            "KEY_NOT_LAST",
            f"expected the site's last key (check {named[-1]}), found an earlier one (check {keys.check()})",
            hint="restore the escrow or the shares of the last one; an earlier key would split patients in two",
            exit_code=ExitCode.SITE_FOLDER,
        )


def check_outside(folder: SiteFolder, path: Path) -> None:
    """The path is not in the site's folder, also not through a link.

    Raises:
        MyofedError: KEY_OUTPUT_INSIDE.
    """
    if path.resolve().is_relative_to(folder.root.resolve()):
        raise MyofedError(
            "KEY_OUTPUT_INSIDE",
            "expected a place outside the site's folder, found one inside",
            hint="what is lost with the site's folder cannot bring its key back",
            exit_code=ExitCode.USAGE,
        )


@contextmanager
def no_ingest(folder: SiteFolder) -> Iterator[None]:
    """No ingest of this site, and no other change of its key, runs meanwhile.

    Raises:
        MyofedError: INGEST_RUNNING.
    """
    refusal = MyofedError(
        "INGEST_RUNNING",
        "expected no other ingest at this site, found one that runs",
        hint="wait until it has ended",
        exit_code=ExitCode.SITE_FOLDER,
    )
    with only_one(folder.intake / ".lock", refusal=refusal):
        yield


def _sheet(site: str, check: str, *, text: str, number: int, numbers: tuple[int, int]) -> str:
    """What an officer prints and keeps."""
    needed, shares = numbers
    return "\n".join(
        (
            f"Share {number} of {shares} of the key of site {site} (key check {check})",
            f"Any {needed} of the {shares} sheets give the key back; fewer tell nothing. Keep this one apart from the others.",
            "",
            text,
            "",
            "To restore, each officer brings a sheet: myofed-node key restore --site DIR --shares FILE --shares FILE",
            "",
        )
    )
