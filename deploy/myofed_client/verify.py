"""Whether a model is what its coordinator signed, and where it comes from; offline, with the key out of an invite."""

from __future__ import annotations

import hashlib

from pydantic import BaseModel

from myofed_client import ed25519
from myofed_schemas.canonical import canonical_json
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.lineage import Lineage, first_broken
from myofed_schemas.model import ModelRecord


def verify_model(content: bytes, record: ModelRecord, *, key: str, lineage: Lineage | None = None) -> None:
    """The coordinator with this key signed exactly these bytes and, where a lineage is given, the rounds that lead to them.

    Args:
        content: The safetensors file.
        record: Its signed record.
        key: The coordinator's public key, 64 hexadecimal digits, from a source that is trusted (the invite).
        lineage: All rounds of the model.

    Raises:
        MyofedError: BAD_SIGNATURE, MODEL_ALTERED, LINEAGE_BROKEN.
    """
    _check_signed(record.statement, record.signature, signer=record.signer, key=key)
    if hashlib.sha256(content).hexdigest() != record.statement.sha256:
        raise _refused("MODEL_ALTERED", "a file with the digest of its record", "another")
    if lineage is None:
        return
    for round_record in lineage.records:
        _check_signed(round_record.statement, round_record.signature, signer=round_record.signer, key=key)
    broken = first_broken(lineage, record.statement)
    if broken is not None:
        raise _refused(
            "LINEAGE_BROKEN", "rounds that lead from the manifest to this model", f"a defect at round {broken}"
        )


def _check_signed(document: BaseModel, signature: str, *, signer: str, key: str) -> None:
    try:
        known = bytes.fromhex(key)
    except ValueError:
        known = b""
    if signer != key or not ed25519.holds(known, bytes.fromhex(signature), canonical_json(document)):
        raise _refused("BAD_SIGNATURE", "the signature of this key", "another")


def _refused(code: str, expected: str, found: str) -> MyofedError:
    return MyofedError(
        code,
        f"expected {expected}, found {found}",
        hint="take file, record, lineage and key from their source again",
        exit_code=ExitCode.REFUSED,
    )
