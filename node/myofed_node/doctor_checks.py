"""The checks of `doctor`: each returns what it found in words, or raises the code, the finding and the mend."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from datetime import datetime, timedelta
from pathlib import Path

from myofed_node.audit import SiteAudit
from myofed_node.client_certificate import in_words, life
from myofed_node.config import SiteConfig
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.coordinator_history import open_evidence
from myofed_node.coordinator_link import load_link
from myofed_node.federation.ledger import read_ledger, verify_ledger
from myofed_node.heartbeat import clock_skew_s, heartbeat
from myofed_node.intake.received import Received
from myofed_node.intake.study_store import StudyState, StudyStore
from myofed_node.signed_heads import kept
from myofed_node.site_folder import SiteFolder
from myofed_node.status import children_of
from myofed_node.store import SiteStore
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

FLWR_VERSION = "1.41.0"
"""The engine is pinned (docs/decisions); coordinator and nodes run the same."""
FREE_BYTES = 2 * 1024**3
CERTIFICATE_DAYS = 14
CA_WARNING_DAYS = 180
MOST_SKEW_S = 4
"""Flower refuses a node whose clock is more than 5 s ahead; heartbeats are to the second."""
RECENT = 20


def versions() -> str:
    """The engine is the pinned one.

    Raises:
        MyofedError: FLWR_VERSION.
    """
    myofed, flwr = importlib.metadata.version("myofed"), importlib.metadata.version("flwr")
    if flwr != FLWR_VERSION:
        raise _defect(
            "FLWR_VERSION", f"expected flwr {FLWR_VERSION}, found {flwr}", "reinstall: pip install 'myofed[node]'"
        )
    return f"myofed {myofed}, flwr {flwr}"


def permissions(folder: SiteFolder) -> str:
    """Nobody but the owner reads the site's secrets.

    Raises:
        MyofedError: PERMISSIONS_TOO_WIDE, KEY_MISSING.
    """
    private = [folder.root, folder.keys, *sorted(folder.keys.rglob("*"))]
    wide = [path.name for path in private if path.stat().st_mode & 0o077]
    if wide:
        raise _defect(
            "PERMISSIONS_TOO_WIDE",
            f"expected 0700 on folders and 0600 on keys, found more on {len(wide)}: {', '.join(wide[:5])}",
            "chmod 700 on the site folder, keys and keys/deid, 600 on every file in keys",
        )
    needed = (folder.deid_key, folder.identity_key, folder.tls_key, folder.flower_key, folder.executor_secret)
    missing = [path.name for path in needed if not _there(path)]
    if missing:
        raise _defect(
            "KEY_MISSING", f"expected all keys, found none named {', '.join(missing)}", "restore the keys' backup"
        )
    return f"{sum(path.is_file() for path in private)} files among the keys, all 0600"


def key_custody(folder: SiteFolder, config: SiteConfig) -> str:
    """No service can read the de-identification key: tried by a process confined as they are, and asked of those that run.

    The vault's key and the list of pseudonyms, where the settings name them, lie in the same folder or out of reach.

    Raises:
        MyofedError: KEY_READABLE_BY_SERVICES, KEY_MISSING.
    """
    from myofed_node.confinement import Confinement, find_confinement
    from myofed_node.confinement_state import unconfined_services

    if not _there(folder.deid_key):
        raise _defect("KEY_MISSING", "expected keys/deid/deid.key, found none", "restore the keys' backup")
    confinement = find_confinement(folder)
    if confinement is Confinement.NONE:
        raise _readable(
            "found that this host offers neither user namespaces nor Landlock for it",
            "allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1, or AppArmor's restriction "
            "off), or move keys/deid out of the site folder and leave a symbolic link (needs Landlock, Linux 5.19); "
            "docs/operate-node.md: Who can read the site key",
        )
    if confinement is not Confinement.OWN_USER and (names := folder.deid_key.stat().st_nlink) > 1:
        raise _readable(f"found {names} names (hard links) of the key file", "find -samefile the others, remove them")
    if beside := _readable_elsewhere(folder, config):
        raise _readable(
            f"found another secret of the de-identification outside of keys/deid: {', '.join(beside)}",
            "move the file into keys/deid and name it in config.yaml, e.g. keys/deid/vault.key; or give it another owner",
        )
    if loose := unconfined_services(folder):
        raise _readable(f"found these running as if they could: {', '.join(loose)}", "stop and start `myofed-node up`")
    return f"web, worker and egress cannot read the de-identification key ({CUSTODY[confinement.value]})"


CUSTODY = {
    "own-user": "it belongs to another user",
    "hidden": "its folder is hidden from them",
    "landlock": "Landlock",
}
"""How the key is kept from the services, in words."""


def _readable(found: str, mend: str) -> MyofedError:
    return _defect(
        "KEY_READABLE_BY_SERVICES", f"expected that no service can read the de-identification key, {found}", mend
    )


def _readable_elsewhere(folder: SiteFolder, config: SiteConfig) -> list[str]:
    """Settings that name a secret file which is not kept from the services with the key."""
    kept = folder.deid_keys.resolve()
    named = {"vault.key_file": config.vault.key_file, "pseudonyms": config.pseudonyms}
    paths = {setting: (folder.root / name).resolve() for setting, name in named.items() if name}
    return [setting for setting, path in paths.items() if not path.is_relative_to(kept) and os.access(path, os.R_OK)]


def _there(path: Path) -> bool:
    """It exists, or lies in a folder of another user, who must know."""
    try:
        return path.exists()
    except PermissionError:
        return True


def disk_space(folder: SiteFolder) -> str:
    """There is room for the next studies.

    Raises:
        MyofedError: DISK_FULL.
    """
    free = shutil.disk_usage(folder.root).free
    if free < FREE_BYTES:
        raise _defect(
            "DISK_FULL",
            f"expected at least {FREE_BYTES >> 30} GiB free, found {free / 2**30:.1f}",
            "make room, or move the site folder to a larger disk",
        )
    return f"{free / 2**30:.0f} GiB free"


def store(folder: SiteFolder) -> str:
    """The store opens and is of this version.

    Raises:
        MyofedError: STORE_MISSING, STORE_VERSION.
    """
    return f"{len(SiteStore(folder.store).all_series())} series known"


def audit_chain(folder: SiteFolder) -> str:
    """The audit chain holds.

    Raises:
        MyofedError: AUDIT_BROKEN, AUDIT_EMPTY.
    """
    return f"{SiteAudit(folder).verify().sequence} entries, unbroken"


def coordinator_history(folder: SiteFolder) -> str:
    """The coordinator's audit chain goes on from what this site witnessed of it.

    Raises:
        MyofedError: COORDINATOR_HISTORY_CHANGED, COSIGNATURE_INVALID.
    """
    if evidence := open_evidence(folder):
        raise _defect(
            "COORDINATOR_HISTORY_CHANGED",
            f"expected a proof that the coordinator's audit chain goes on from what was witnessed, found {evidence.name}",
            "ask the coordinator whether it was restored from a backup; if so: `myofed-node audit accept-coordinator`",
        )
    witnessed = kept(folder.coordinator_head)
    return f"witnessed up to {witnessed.head.sequence}" if witnessed else "nothing witnessed yet"


def egress_ledger(folder: SiteFolder) -> str:
    """The egress ledger holds.

    Raises:
        MyofedError: LEDGER_BROKEN.
    """
    return f"{verify_ledger(folder.ledger).requests} requests, unbroken"


def socket_path(folder: SiteFolder) -> str:
    """The worker's socket has a path that the kernel takes.

    Raises:
        MyofedError: SOCKET_PATH_TOO_LONG.
    """
    from myofed_node.learning.worker_client import check_socket_path

    check_socket_path(folder.worker_socket)
    return "short enough for the worker's socket"


def text_recognition() -> str:
    """Text in pixels can be read here, so that suspicious images are judged and not only withheld.

    Raises:
        MyofedError: OCR_NOT_INSTALLED.
    """
    from myofed_anonymization.ocr import is_installed

    if not is_installed():
        raise _defect(
            "OCR_NOT_INSTALLED",
            "expected the text recognition that judges suspicious images, found none that starts",
            "pip install 'myofed[ocr]' (on Debian also apt install libgl1 libglib2.0-0); until then such images are withheld",
        )
    return "installed"


def worker_isolation() -> str:
    """The training process can be started without a network.

    Raises:
        MyofedError: WORKER_HAS_NETWORK where this host does not allow it.
    """
    from myofed_node.learning.network import Isolation, find_isolation

    isolation = find_isolation()
    if isolation is Isolation.NONE:
        raise _defect(
            "WORKER_HAS_NETWORK",
            "expected that the training process can be started without a network, found that this host forbids it",
            "allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1), or block the "
            "service's user in the firewall",
        )
    return f"the training process has no network ({isolation.value})"


def policy(config: SiteConfig) -> str:
    """The policy is one for real patients.

    Raises:
        MyofedError: DEMO_POLICY.
    """
    if config.policy.demo:
        raise _defect(
            "DEMO_POLICY",
            "expected a policy for real patients, found one marked demo",
            "for synthetic patients this is right; else set policy.demo to false and raise the floors",
        )
    return f"k {config.policy.card_k}, at least {config.policy.minimum_subjects} subjects a study"


def enrolment(folder: SiteFolder) -> str:
    """The site is enrolled.

    Raises:
        MyofedError: NOT_ENROLLED, COORDINATOR_LINK_INVALID.
    """
    return f"enrolled since {load_link(folder).joined_at}"


def client_certificate_days(folder: SiteFolder, *, now: datetime) -> str:
    """The client certificate will last a while.

    Raises:
        MyofedError: CERTIFICATE_EXPIRES, CERTIFICATE_EXPIRED, CERTIFICATE_INVALID.
    """
    if not folder.tls_certificate.exists():
        return "none yet"
    start, end = life(folder.tls_certificate.read_bytes())
    if end <= now:
        raise _defect(
            "CERTIFICATE_EXPIRED",
            f"expected a client certificate that is valid, found one that ended {in_words(now - end)} ago",
            "ask the coordinator for a new invite and call join --new-keys; or this machine's clock is ahead",
        )
    if end - now < min(timedelta(days=CERTIFICATE_DAYS), (end - start) / 6):
        raise _defect(
            "CERTIFICATE_EXPIRES",
            f"expected a certificate that was renewed in time, found one with {in_words(end - now)} left",
            "`up` renews it by itself when a third of its life is left: is it running, and what code does `status` show?",
        )
    return f"{in_words(end - now)} left"


def consortium_ca_days(folder: SiteFolder, *, now: datetime) -> str:
    """The consortium's CA, which this site trusts alone, will last a while.

    Raises:
        MyofedError: CA_EXPIRES, CERTIFICATE_INVALID.
    """
    if not folder.consortium_ca.exists():
        return "none yet"
    _, end = life(folder.consortium_ca.read_bytes())
    if end - now < timedelta(days=CA_WARNING_DAYS):
        raise _defect(
            "CA_EXPIRES",
            f"expected a CA of the consortium that lasts {CA_WARNING_DAYS} days more, found one that ends on {end:%Y-%m-%d}",
            "ask the coordinator's people when they replace it: this site then joins anew (docs/operate-coordinator.md, Certificates)",
        )
    return f"valid until {end:%Y-%m-%d}"


def services(folder: SiteFolder) -> str:
    """Everything that `up` starts is ready.

    Raises:
        MyofedError: NODE_NOT_RUNNING, SERVICE_DOWN.
    """
    children = children_of(folder)
    if not children:
        raise _defect("NODE_NOT_RUNNING", "expected the node's services, found them stopped", "myofed-node up DIR")
    down = [name for name, state in children.items() if state != "ready"]
    if down:
        raise _defect(
            "SERVICE_DOWN",
            f"expected all services ready, found these not: {', '.join(down)}",
            "look into run/logs/NAME.log of the site folder",
        )
    return f"{len(children)} ready"


def intake(folder: SiteFolder, config: SiteConfig) -> str:
    """What scanners and archives send can be taken in and used.

    Raises:
        MyofedError: NO_LEGAL_BASIS; INTAKE_WAITS, studies wait for a person; INTAKE_NO_ROOM.
    """
    settings = config.intake
    rows = StudyStore(folder.intake_store).studies() if folder.intake_store.exists() else ()
    if settings.port is None:
        if folder.received.exists() and any(Received(folder.received).studies()):
            raise _defect(
                "INTAKE_LEFT",
                "expected nothing as it came where there is no DICOM port (intake.port), found studies with patients' names",
                "open the port again until they are done, or `myofed-node intake discard` each",
            )
        return "no DICOM port (intake.port)"
    if settings.legal_basis is None:
        raise _defect(
            "NO_LEGAL_BASIS",
            "expected a legal basis for studies that come by network, found none: every study is held",
            "the data protection officer sets intake.legal_basis in config.yaml",
        )
    free = shutil.disk_usage(folder.root).free / 2**30
    if free < settings.reserve_gb:
        raise _defect(
            "INTAKE_NO_ROOM",
            f"expected {settings.reserve_gb:g} GiB free (intake.reserve_gb), found {free:.1f}: senders are refused",
            "make room, or move the site folder to a larger disk",
        )
    waiting = [row for row in rows if row.state in {StudyState.QUARANTINED, StudyState.FAILED}]
    if waiting:
        raise _defect(
            "INTAKE_WAITS",
            f"expected no study that waits for a person, found {len(waiting)}",
            "`myofed-node intake list` says why each waits, and what takes it further",
        )
    return (
        f"{settings.ae_title} on {settings.address}:{settings.port}, {len(settings.peers)} peers, {len(rows)} studies"
    )


def last_refusals(folder: SiteFolder) -> str:
    """The coordinator did not refuse this site's last requests.

    Raises:
        MyofedError: SITE_REVOKED, EGRESS_REFUSED.
    """
    entries = list(read_ledger(folder.ledger))[-RECENT:]
    sent = [entry for entry in entries if entry.kind in ("engine", "site")]
    if sent and sent[-1].status == 403:
        raise _defect(
            "SITE_REVOKED",
            "expected the last request to be taken, found it refused with 403",
            "ask the coordinator whether this site was revoked",
        )
    refused = sum(entry.kind == "refused" for entry in entries)
    if refused:
        raise _defect(
            "EGRESS_REFUSED",
            f"expected no local attempt to reach other paths, found {refused} in the last {len(entries)} entries",
            "something on this machine talks to the egress that should not; egress.jsonl names the paths",
        )
    return f"none in the last {len(entries)} requests"


def coordinator(folder: SiteFolder, api: CoordinatorApi, *, now: datetime) -> str:
    """The coordinator answers through the egress, and both clocks agree.

    The doctor opens no connection of its own: what leaves the site goes through the egress and stands in its ledger.

    Raises:
        MyofedError: CLOCK_SKEW, COORDINATOR_AWAY, COORDINATOR_UNREACHABLE, SITE_REVOKED.
    """
    if not folder.coordinator.exists() or not children_of(folder):
        return "not asked: the site is not enrolled or not up"
    skew = clock_skew_s(api.heartbeat(heartbeat("DOCTOR", now=now)), now=now)
    if abs(skew) > MOST_SKEW_S:
        raise _defect(
            "CLOCK_SKEW",
            f"expected clocks within {MOST_SKEW_S} s, found this machine {skew:+d} s from the coordinator",
            "turn on time synchronisation (timedatectl set-ntp true) on the machine that is wrong",
        )
    return f"answers; clocks differ by {skew:+d} s"


def _defect(code: str, message: str, hint: str) -> MyofedError:
    return MyofedError(code, message, hint=hint, exit_code=ExitCode.UNHEALTHY)
