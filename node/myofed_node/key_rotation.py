"""A new key for a site: the old one is sealed first, and is never lost on the way."""

from __future__ import annotations

from datetime import datetime

from myofed_anonymization.escrow import read_escrow
from myofed_anonymization.keys import SiteKeys
from myofed_node.audit import SiteAudit
from myofed_node.key_custody import ROTATED, Escrow, check_outside, next_key, no_ingest, subjects_of
from myofed_node.keys import load_deid_keys
from myofed_node.site_folder import SiteFolder
from myofed_node.site_setup import Site
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import fsync_folder, write_atomically
from myofed_schemas.wire import WireModel


class Rotation(WireModel):
    """What a rotation did: the old key lies in the escrow, the new one is the site's.

    Attributes:
        old_check: Of the key that was sealed.
        new_check: Of the key the site has now.
        abandoned_subjects: Subjects of the data set whose links were given up.
    """

    old_check: str
    new_check: str
    abandoned_subjects: int


def rotate_key(site: Site, escrow: Escrow, *, now: datetime, abandon_links: bool = False) -> Rotation:
    """The site has a new key, and the old one lies in the escrow, from which it was read back.

    May be killed at any moment and called again with the same arguments: the old key is in `deid.key` or in the escrow
    at every instant, and one rotation is made, not two. Order: escrow, new key beside the old one, audit entry, rename.

    Args:
        site: The site; no ingest may run.
        escrow: A file that does not exist, or of this key.
        now: UTC.
        abandon_links: Rotate although subjects are there; new files of theirs will be other subjects.

    Raises:
        MyofedError: SUBJECTS_PRESENT, KEY_OUTPUT_INSIDE, ESCROW_*, PASSPHRASE_TOO_SHORT, INGEST_RUNNING, KEY_*.
    """
    check_outside(site.folder, escrow.path)
    with no_ingest(site.folder):
        old = load_deid_keys(site.folder)
        if done := _already_done(site.folder, escrow, now_check=old.check()):
            return done
        subjects = subjects_of(site.folder)
        if subjects and not abandon_links:
            raise MyofedError(
                "SUBJECTS_PRESENT",
                f"expected a data set without subjects, found {len(subjects)}",
                hint="new files of these patients would become other subjects: docs/key-custody.md, Rotation",
                exit_code=ExitCode.SITE_FOLDER,
            )
        escrow.hold(old, now=now)
        return _rotated(site.folder, old, abandoned=len(subjects), now=now)


def _rotated(folder: SiteFolder, old: SiteKeys, *, abandoned: int, now: datetime) -> Rotation:
    following = next_key(folder)
    for left_over in following.parent.glob(f".{following.name}.*.tmp"):  # of a killed call; never any site's key
        left_over.unlink()
    if not following.exists():
        write_atomically(following, SiteKeys.generate().secret)
    new = SiteKeys.from_bytes(following.read_bytes())
    made = Rotation(old_check=old.check(), new_check=new.check(), abandoned_subjects=abandoned)
    if _last_rotation(folder) != made:
        detail: dict[str, str | int] = {"old": made.old_check, "abandoned_subjects": abandoned}
        SiteAudit(folder).append(ROTATED, subject=made.new_check, now=now, detail=detail)
    following.replace(folder.deid_key)
    fsync_folder(folder.deid_key.parent)
    return made


def _already_done(folder: SiteFolder, escrow: Escrow, *, now_check: str) -> Rotation | None:
    """The rotation that a call killed after its last step had made: this escrow holds the key before the present one."""
    last = _last_rotation(folder)
    if last is None or last.new_check != now_check or not escrow.path.exists():
        return None
    return last if read_escrow(escrow.path.read_bytes()).key_check == last.old_check else None


def _last_rotation(folder: SiteFolder) -> Rotation | None:
    found = [entry for entry in SiteAudit(folder).entries() if entry.action == ROTATED]
    if not found:
        return None
    old, abandoned = found[-1].detail["old"], found[-1].detail["abandoned_subjects"]
    return Rotation(old_check=str(old), new_check=found[-1].subject, abandoned_subjects=int(abandoned))
