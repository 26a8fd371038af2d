"""Making a site folder and opening one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from myofed_node.config import SiteConfig, load_config, write_config
from myofed_node.site_folder import SiteFolder
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

UNFINISHED = ".myofed-init"
"""Lies in a site folder from the first to the last step of `init`."""


@dataclass(frozen=True)
class Site:
    """An existing site: where its things lie and how it is set up."""

    folder: SiteFolder
    config: SiteConfig


def make_site(root: Path, *, config: SiteConfig, now: datetime) -> Site:
    """`root` is a site folder (0700) with settings, keys and an empty store.

    Killed at any moment it can be run again: a folder that holds an unfinished `init` is finished, its keys kept.

    Args:
        root: A folder that does not exist or is empty.
        config: The settings to write.
        now: UTC.

    Raises:
        MyofedError: SITE_FOLDER_NOT_EMPTY; nothing was changed.
        OSError: The folder cannot be made.
    """
    from myofed_node.audit import SiteAudit
    from myofed_node.keys import make_site_keys
    from myofed_node.store import SiteStore

    folder = SiteFolder(root.absolute())
    _claim(root)
    for path in (folder.intake, folder.models, folder.studies, folder.run, folder.logs, folder.dataset):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    make_site_keys(folder, now=now)
    SiteStore(folder.store).create()
    write_config(folder.config, config)
    if not folder.audit.exists():
        SiteAudit(folder).append("SITE_CREATED", subject=config.site, now=now, detail={"demo": int(config.policy.demo)})
    (root / UNFINISHED).unlink()
    return Site(folder, config)


def open_site(root: Path) -> Site:
    """The site in this folder, its settings read and checked, its de-identification key where this version has it.

    Raises:
        MyofedError: SITE_CONFIG_MISSING, SITE_CONFIG_INVALID, KEY_TWICE, or SITE_UNFINISHED after a killed `init`.
    """
    from myofed_node.keys import settle_deid_key

    site = look_into_site(root)
    settle_deid_key(site.folder)
    return site


def look_into_site(root: Path) -> Site:
    """The site in this folder, its settings read and checked; for a service, which neither sees nor moves that key.

    Raises:
        MyofedError: As `open_site`, but for KEY_TWICE.
    """
    if (root / UNFINISHED).exists():
        raise MyofedError(
            "SITE_UNFINISHED",
            "expected a finished site folder, found one whose init was interrupted",
            hint="run the same myofed-node init again",
            exit_code=ExitCode.SITE_FOLDER,
        )
    folder = SiteFolder(root.absolute())
    return Site(folder, load_config(folder.config))


def _claim(root: Path) -> None:
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = [path.name for path in root.iterdir()]
    if found and UNFINISHED not in found:
        raise MyofedError(
            "SITE_FOLDER_NOT_EMPTY",
            f"expected an empty folder, found {len(found)} entries in it",
            hint="name another folder; init never touches what is there",
            exit_code=ExitCode.SITE_FOLDER,
        )
    (root / UNFINISHED).touch(mode=0o600)
    root.chmod(0o700)
