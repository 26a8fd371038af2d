"""The site's audit head co-signed by the coordinator, and its own chain checked against that later."""

from __future__ import annotations

from pathlib import Path

from myofed_node.audit import SiteAudit
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.keys import sign
from myofed_node.signed_heads import check_signature, invalid, kept
from myofed_node.site_folder import SiteFolder
from myofed_schemas.audit import ProvenHead, SignedAuditHead
from myofed_schemas.audit_lines import Anchors, anchors_of
from myofed_schemas.canonical import canonical_json
from myofed_schemas.files import open_atomically, write_atomically


def exchange_head(folder: SiteFolder, api: CoordinatorApi, *, site: str) -> int:
    """The coordinator has co-signed where the chain stands now; its signature lies in `audit-head.json`.

    It is shown a proof that the chain goes on from the head that it co-signed last. A chain that is not the one co-signed
    before is not shown: a new signature would make it the genuine one.

    Args:
        folder: The site's.
        api: The way to the coordinator.
        site: The chain's owner.

    Returns:
        The co-signed sequence.

    Raises:
        MyofedError: AUDIT_BROKEN, AUDIT_REWRITTEN, COSIGNATURE_INVALID, or what the exchange raises.
    """
    audit, before = SiteAudit(folder), kept(folder.cosigned_head)
    audit.verify(**cosigned_entries(folder))
    head, _ = audit.prove(site, since=0)
    if before is not None and before.head == head:
        return head.sequence
    last = api.last_cosigned().head
    head, proof = audit.prove(site, since=last.sequence if last else 0)
    answer = api.cosign(ProvenHead(head=head, signature=sign(folder, head), proof=proof))
    if answer.head != head:
        raise invalid("one of another head")
    check_signature(folder, answer)
    write_atomically(folder.cosigned_head, canonical_json(answer) + b"\n")
    return head.sequence


def cosigned_entries(folder: SiteFolder) -> Anchors:
    """The entry, and the root there, that the coordinator vouches for; empty where none was co-signed yet.

    Raises:
        MyofedError: COSIGNATURE_INVALID.
    """
    signed = kept(folder.cosigned_head)
    if signed is None:
        return anchors_of(())
    check_signature(folder, signed)
    return anchors_of([signed.head])


def verify_cosigned(folder: SiteFolder) -> int:
    """The sequence up to which the coordinator vouches for the chain that lies here; 0 where none was co-signed yet.

    Raises:
        MyofedError: COSIGNATURE_INVALID, AUDIT_BROKEN, or AUDIT_REWRITTEN where the chain is not the one that was co-signed.
    """
    anchors = cosigned_entries(folder)
    if anchors["cosigned"]:
        SiteAudit(folder).verify(**anchors)
    return max(anchors["cosigned"], default=0)


def export_chain(folder: SiteFolder, out: Path, *, site: str) -> SignedAuditHead:
    """The verified chain lies in `out`, one entry a line; its head, signed by the site, as `out` with `.head.json`.

    Raises:
        MyofedError: COSIGNATURE_INVALID, AUDIT_BROKEN, AUDIT_REWRITTEN, AUDIT_EMPTY; `out` is not written then.
    """
    with open_atomically(out) as stream:
        head = SiteAudit(folder).export(stream, **cosigned_entries(folder)).model_copy(update={"owner": site})
    signed = SignedAuditHead(head=head, signature=sign(folder, head))
    write_atomically(out.with_name(out.name + ".head.json"), canonical_json(signed) + b"\n")
    return signed
