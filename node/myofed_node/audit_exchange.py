"""Audit heads co-signed both ways: the site's by the coordinator, the coordinator's by the site; each checked later."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from myofed_node.audit import SiteAudit
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.coordinator_link import load_link
from myofed_node.keys import sign
from myofed_node.site_folder import SiteFolder
from myofed_schemas.audit import AuditHead, SignedAuditHead, WitnessedHead
from myofed_schemas.canonical import canonical_json
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import open_atomically, write_atomically


def exchange_head(folder: SiteFolder, api: CoordinatorApi, *, site: str) -> int:
    """The coordinator has co-signed where the chain stands now; its signature lies in `audit-head.json`.

    A chain that is not the one co-signed before is not shown: a new signature would make it the genuine one.

    Args:
        folder: The site's.
        api: The way to the coordinator.
        site: The chain's owner.

    Returns:
        The co-signed sequence.

    Raises:
        MyofedError: AUDIT_BROKEN, AUDIT_REWRITTEN, COSIGNATURE_INVALID, or what the exchange raises.
    """
    head = SiteAudit(folder).verify(cosigned=cosigned_entries(folder)).model_copy(update={"owner": site})
    if head == _kept_head(folder):
        return head.sequence
    answer = api.cosign(SignedAuditHead(head=head, signature=sign(folder, head)))
    if answer.head != head:
        raise _invalid("one of another head")
    _check_signature(folder, answer)
    write_atomically(folder.cosigned_head, canonical_json(answer) + b"\n")
    return head.sequence


def cosigned_entries(folder: SiteFolder) -> dict[int, str]:
    """Sequence -> digest of the entry that the coordinator vouches for; empty where none was co-signed yet.

    Raises:
        MyofedError: COSIGNATURE_INVALID.
    """
    signed = _kept(folder.cosigned_head)
    if signed is None:
        return {}
    _check_signature(folder, signed)
    return {signed.head.sequence: signed.head.digest}


def verify_cosigned(folder: SiteFolder) -> int:
    """The sequence up to which the coordinator vouches for the chain that lies here; 0 where none was co-signed yet.

    Raises:
        MyofedError: COSIGNATURE_INVALID, AUDIT_BROKEN, or AUDIT_REWRITTEN where the chain is not the one that was co-signed.
    """
    cosigned = cosigned_entries(folder)
    if cosigned:
        SiteAudit(folder).verify(cosigned=cosigned)
    return max(cosigned, default=0)


def export_chain(folder: SiteFolder, out: Path, *, site: str) -> SignedAuditHead:
    """The verified chain lies in `out`, one entry a line; its head, signed by the site, as `out` with `.head.json`.

    Raises:
        MyofedError: COSIGNATURE_INVALID, AUDIT_BROKEN, AUDIT_REWRITTEN, AUDIT_EMPTY; `out` is not written then.
    """
    with open_atomically(out) as stream:
        head = SiteAudit(folder).export(stream, cosigned=cosigned_entries(folder)).model_copy(update={"owner": site})
    signed = SignedAuditHead(head=head, signature=sign(folder, head))
    write_atomically(out.with_name(out.name + ".head.json"), canonical_json(signed) + b"\n")
    return signed


def witness_coordinator(folder: SiteFolder, api: CoordinatorApi, *, now: datetime) -> int:
    """The coordinator has this site's signature over its own head, and the head lies in `coordinator-head.json`.

    Args:
        folder: The site's.
        api: The way to the coordinator.
        now: UTC.

    Returns:
        The witnessed sequence.

    Raises:
        MyofedError: COSIGNATURE_INVALID; COORDINATOR_HEAD_WENT_BACK where it shows a shorter or another chain than before,
            which is not witnessed; or what the exchange raises.
    """
    shown, before = api.coordinator_head(), _kept(folder.coordinator_head)
    _check_signature(folder, shown)
    if before is not None and before.head.owner == shown.head.owner:
        if shown.head == before.head:
            return shown.head.sequence
        if shown.head.sequence <= before.head.sequence:
            detail: dict[str, str | int] = {"witnessed": before.head.sequence, "shown": shown.head.sequence}
            SiteAudit(folder).append("COORDINATOR_HEAD_WENT_BACK", subject=shown.head.digest, now=now, detail=detail)
            raise MyofedError(
                "COORDINATOR_HEAD_WENT_BACK",
                f"expected the coordinator's audit chain beyond {before.head.sequence}, found {shown.head.sequence}",
                hint="ask the coordinator whether it was restored from a backup; keep coordinator-head.json as evidence",
                exit_code=ExitCode.REFUSED,
            )
    api.witness(WitnessedHead(head=shown.head, signature=shown.signature, witness=sign(folder, shown.head)))
    write_atomically(folder.coordinator_head, canonical_json(shown) + b"\n")
    return shown.head.sequence


def set_aside_heads(folder: SiteFolder, *, coordinator_key: str, now: datetime) -> None:
    """Heads that another coordinator signed lie beside their files, as evidence, and bind the next coordinator to nothing.

    Args:
        folder: The site's, which is about to join.
        coordinator_key: Of the coordinator that it joins.
        now: UTC.
    """
    for path in (folder.cosigned_head, folder.coordinator_head):
        signed = _kept(path)
        if signed is not None and not _is_signed(signed, coordinator_key):
            path.rename(path.with_name(f"{path.stem}-{now:%Y%m%d%H%M%S}.json"))


def _kept_head(folder: SiteFolder) -> AuditHead | None:
    signed = _kept(folder.cosigned_head)
    return signed.head if signed else None


def _kept(path: Path) -> SignedAuditHead | None:
    try:
        return SignedAuditHead.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        raise _invalid("a damaged file") from None


def _check_signature(folder: SiteFolder, signed: SignedAuditHead) -> None:
    if not _is_signed(signed, load_link(folder).coordinator_key):
        raise _invalid("one of another key")


def _is_signed(signed: SignedAuditHead, coordinator_key: str) -> bool:
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(coordinator_key))
    try:
        key.verify(bytes.fromhex(signed.signature), canonical_json(signed.head))
    except InvalidSignature:
        return False
    return True


def _invalid(found: str) -> MyofedError:
    return MyofedError(
        "COSIGNATURE_INVALID",
        f"expected the coordinator's signature over this site's audit head, found {found}",
        hint="tell the coordinator; the site's own chain is not changed by this",
        exit_code=ExitCode.UNHEALTHY,
    )
