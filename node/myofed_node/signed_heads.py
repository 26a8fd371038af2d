"""Audit heads under the coordinator's signature as they lie in the site's folder."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from myofed_node.coordinator_link import load_link
from myofed_node.signatures import is_signed
from myofed_node.site_folder import SiteFolder
from myofed_schemas.audit import SignedAuditHead
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode


def kept(path: Path) -> SignedAuditHead | None:
    """The head in this file; None where there is none.

    Raises:
        MyofedError: COSIGNATURE_INVALID, the file is damaged.
    """
    try:
        return SignedAuditHead.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        raise invalid("a damaged file") from None


def check_signature(folder: SiteFolder, signed: SignedAuditHead) -> None:
    """The coordinator at which this site is enrolled signed this head.

    Raises:
        MyofedError: COSIGNATURE_INVALID, or as `load_link`.
    """
    if not is_signed(signed.head, signature=signed.signature, public_key=load_link(folder).coordinator_key):
        raise invalid("one of another key")


def set_aside(path: Path, *, now: datetime) -> None:
    """The head lies beside its file, as evidence, and binds nothing any more."""
    path.rename(path.with_name(f"{path.stem}-{now:%Y%m%d%H%M%S}.json"))


def set_aside_heads(folder: SiteFolder, *, coordinator_key: str, now: datetime) -> None:
    """Heads that another coordinator signed lie beside their files, as evidence, and bind the next coordinator to nothing.

    Args:
        folder: The site's, which is about to join.
        coordinator_key: Of the coordinator that it joins.
        now: UTC.
    """
    for path in (folder.cosigned_head, folder.coordinator_head):
        signed = kept(path)
        if signed is not None and not is_signed(signed.head, signature=signed.signature, public_key=coordinator_key):
            set_aside(path, now=now)


def invalid(found: str) -> MyofedError:
    """What should be the coordinator's signature over a head is this."""
    return MyofedError(
        "COSIGNATURE_INVALID",
        f"expected the coordinator's signature over this site's audit head, found {found}",
        hint="tell the coordinator; the site's own chain is not changed by this",
        exit_code=ExitCode.UNHEALTHY,
    )
