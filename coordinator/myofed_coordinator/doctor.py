"""Checks of a coordinator's home: each says what is wrong and what to do; all of them have to hold."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from myofed_coordinator.audit import AuditLog
from myofed_coordinator.certificates import Issued, load_issued
from myofed_coordinator.children import children_of
from myofed_coordinator.config import CoordinatorConfig
from myofed_coordinator.database import check_schema
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.models.weights import sha256_of
from myofed_coordinator.services import open_tables
from myofed_coordinator.signing import load_signer
from myofed_schemas.errors import MyofedError
from myofed_schemas.ids import Code
from myofed_schemas.wire import WireModel

FLOWER = "1.41.0"
RENEW_BEFORE = timedelta(days=30)
REPLACE_BEFORE = timedelta(days=180)
"""Of the CA: every site has to join anew before its end."""
FREE_BYTES = 2 << 30


class Check(WireModel):
    """One check: `hint` says what to do when it does not hold, or `warning` will not hold for long."""

    code: Code
    ok: bool
    warning: bool = False
    message: str
    hint: str = ""


class DoctorReport(WireModel):
    """All checks of one call; healthy only when there are some and all hold."""

    checks: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        """Every check holds; no check at all is not health."""
        return bool(self.checks) and all(check.ok for check in self.checks)


class NearEndError(MyofedError):
    """Something holds today, and has to be planned for: the home is healthy all the same."""


@dataclass(frozen=True)
class Examined:
    """What is examined, and when."""

    home: HomeFolder
    config: CoordinatorConfig
    now: datetime


def examine(home: HomeFolder, config: CoordinatorConfig, *, now: datetime) -> DoctorReport:
    """Every check was made; one that fails does not stop the others.

    Args:
        home: The coordinator's home.
        config: Its settings.
        now: Aware.
    """
    examined = Examined(home, config, now)
    return DoctorReport(checks=tuple(_made(code, check, examined) for code, check in _CHECKS.items()))


def _made(code: str, check: Callable[[Examined], str], examined: Examined) -> Check:
    try:
        return Check(code=code, ok=True, message=check(examined))
    except NearEndError as error:
        return Check(code=code, ok=True, warning=True, message=f"{error.code}: {error.message}", hint=error.hint)
    except MyofedError as error:
        return Check(code=code, ok=False, message=f"{error.code}: {error.message}", hint=error.hint)


def _permissions(examined: Examined) -> str:
    """Nobody but this user reads the folder of keys."""
    paths = [examined.home.root, examined.home.keys, *examined.home.keys.iterdir()]
    open_ones = [path.name for path in paths if stat.S_IMODE(path.stat().st_mode) & 0o077]
    if open_ones:
        raise MyofedError(
            "KEYS_READABLE",
            f"{len(open_ones)} of {len(paths)} files and folders with secrets are open to other users of this machine",
            hint="chmod 700 on the home and its folder keys, chmod 600 on the files in it",
        )
    return f"{len(paths)} files and folders are private"


def _certificates(examined: Examined) -> str:
    home = examined.home
    pairs = (
        (home.server_key, home.server_certificate),
        (home.loopback_key, home.loopback_certificate),
    )
    found = [_pair(key, certificate).certificate for key, certificate in pairs]
    end = min(certificate.not_valid_after_utc for certificate in found)
    if end - examined.now < RENEW_BEFORE:
        raise MyofedError(
            "CERTIFICATE_EXPIRES",
            f"a certificate of this coordinator ends on {end:%Y-%m-%d}",
            hint="stop `up` and call `renew-server`",
        )
    return f"valid until {end:%Y-%m-%d}"


def _authority(examined: Examined) -> str:
    """The CA that every site trusts lasts long enough to replace it; no command renews it."""
    end = _pair(examined.home.ca_key, examined.home.ca).certificate.not_valid_after_utc
    if end - examined.now < REPLACE_BEFORE:
        kind = MyofedError if end - examined.now < RENEW_BEFORE else NearEndError
        raise kind(
            "CA_EXPIRES",
            f"the consortium's CA ends on {end:%Y-%m-%d}; nobody reaches this coordinator after that",
            hint="plan a new home whose sites all join anew: docs/operate-coordinator.md, Certificates",
        )
    return f"the CA is valid until {end:%Y-%m-%d}"


def _pair(key: Path, certificate: Path) -> Issued:
    try:
        return load_issued(key_pem=key.read_bytes(), certificate_pem=certificate.read_bytes())
    except OSError as error:
        raise MyofedError(
            "CERTIFICATE_PAIR", "a key or certificate is missing", hint="restore the folder `keys`"
        ) from error


def _signing(examined: Examined) -> str:
    return f"signs with {load_signer(examined.home.signing_key).public_key[:16]}"


def _database(examined: Examined) -> str:
    database = open_tables(examined.home, examined.config)
    try:
        check_schema(database)
    finally:
        database.close()
    return f"{database.engine.dialect.name} answers and has the right tables"


def _audit(examined: Examined) -> str:
    head = AuditLog(examined.home.audit).verify()
    if head.sequence == 0:
        raise MyofedError(
            "AUDIT_EMPTY", "the audit chain has no entry, not even of `init`", hint="restore it from a backup"
        )
    return f"{head.sequence} entries, head {head.digest[:16]}"


def _models(examined: Examined) -> str:
    files = sorted(examined.home.models.glob("*.safetensors"))
    altered = [path.stem for path in files if sha256_of(path.read_bytes()) != path.stem]
    if altered:
        raise MyofedError(
            "MODEL_ALTERED", f"{len(altered)} of {len(files)} model files have another digest", hint="restore them"
        )
    return f"{len(files)} files have the digest of their name"


def _disk(examined: Examined) -> str:
    free = shutil.disk_usage(examined.home.root).free
    if free < FREE_BYTES:
        raise MyofedError(
            "DISK_FULL", f"{free >> 20} MiB are free, expected {FREE_BYTES >> 20}", hint="free space or move the home"
        )
    return f"{free >> 30} GiB free"


def _flower(_examined: Examined) -> str:
    try:
        found = version("flwr")
    except PackageNotFoundError as error:
        raise MyofedError("FLOWER_MISSING", "Flower is not installed", hint="install myofed[coordinator]") from error
    if found != FLOWER:
        raise MyofedError(
            "FLOWER_VERSION", f"Flower is {found}, expected {FLOWER}", hint="install myofed[coordinator] again"
        )
    return f"Flower {found}"


def _services(examined: Examined) -> str:
    children = children_of(examined.home)
    if not children:
        return "`up` does not run"
    away = [name for name, state in children.items() if state != "ready"]
    if away:
        raise MyofedError("SERVICES_DOWN", f"not ready: {', '.join(away)}", hint="read their logs in run/logs")
    return f"{len(children)} services are ready"


_CHECKS: dict[str, Callable[[Examined], str]] = {
    "KEYS_PRIVATE": _permissions,
    "CERTIFICATES": _certificates,
    "AUTHORITY": _authority,
    "SIGNING_KEY": _signing,
    "DATABASE": _database,
    "AUDIT_CHAIN": _audit,
    "MODELS": _models,
    "DISK_SPACE": _disk,
    "FLOWER": _flower,
    "SERVICES": _services,
}
