"""The head of the site's audit chain, signed here, co-signed by the coordinator, and checked against the chain later."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from myofed_node.audit import SiteAudit
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.coordinator_link import load_link
from myofed_node.keys import sign
from myofed_node.site_folder import SiteFolder
from myofed_schemas.audit import AuditHead, SignedAuditHead
from myofed_schemas.canonical import canonical_json
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import write_atomically


def exchange_head(folder: SiteFolder, api: CoordinatorApi, *, site: str) -> int:
    """The coordinator has co-signed where the chain stands now; its signature lies in `audit-head.json`.

    Args:
        folder: The site's.
        api: The way to the coordinator.
        site: The chain's owner.

    Returns:
        The co-signed sequence.

    Raises:
        MyofedError: AUDIT_BROKEN, COSIGNATURE_INVALID, or what the exchange raises.
    """
    head = SiteAudit(folder).verify().model_copy(update={"owner": site})
    if head == _kept_head(folder):
        return head.sequence
    answer = api.cosign(SignedAuditHead(head=head, signature=sign(folder, head)))
    if answer.head != head:
        raise _invalid("one of another head")
    _check_signature(folder, answer)
    write_atomically(folder.cosigned_head, canonical_json(answer) + b"\n")
    return head.sequence


def verify_cosigned(folder: SiteFolder) -> int:
    """The sequence up to which the coordinator vouches for the chain that lies here; 0 where none was co-signed yet.

    Raises:
        MyofedError: COSIGNATURE_INVALID, or AUDIT_REWRITTEN where the chain is not the one that was co-signed.
    """
    signed = _kept(folder)
    if signed is None:
        return 0
    _check_signature(folder, signed)
    at_head = next((entry for entry in SiteAudit(folder).entries() if entry.sequence == signed.head.sequence), None)
    if at_head is None or at_head.digest() != signed.head.digest:
        raise MyofedError(
            "AUDIT_REWRITTEN",
            f"expected entry {signed.head.sequence} as the coordinator co-signed it, found another or none",
            hint="the audit chain was shortened or rewritten: keep it as evidence and restore the backup",
            exit_code=ExitCode.UNHEALTHY,
        )
    return signed.head.sequence


def _kept_head(folder: SiteFolder) -> AuditHead | None:
    signed = _kept(folder)
    return signed.head if signed else None


def _kept(folder: SiteFolder) -> SignedAuditHead | None:
    try:
        return SignedAuditHead.model_validate_json(folder.cosigned_head.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        raise _invalid("a damaged file") from None


def _check_signature(folder: SiteFolder, signed: SignedAuditHead) -> None:
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(load_link(folder).coordinator_key))
    try:
        key.verify(bytes.fromhex(signed.signature), canonical_json(signed.head))
    except InvalidSignature:
        raise _invalid("one of another key") from None


def _invalid(found: str) -> MyofedError:
    return MyofedError(
        "COSIGNATURE_INVALID",
        f"expected the coordinator's signature over this site's audit head, found {found}",
        hint="tell the coordinator; the site's own chain is not changed by this",
        exit_code=ExitCode.UNHEALTHY,
    )
