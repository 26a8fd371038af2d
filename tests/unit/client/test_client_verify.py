"""Offline verification: file, record and rounds, and nothing in between changed."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel
from wire_examples import WIRE_EXAMPLES

from myofed_client import verify_model
from myofed_schemas.canonical import canonical_json, digest
from myofed_schemas.errors import MyofedError
from myofed_schemas.lineage import Lineage, LineageRecord
from myofed_schemas.model import ModelRecord, ModelStatement

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC = KEY.public_key().public_bytes_raw().hex()
CONTENT = b"weights"
SHA = hashlib.sha256(CONTENT).hexdigest()


def signed(document: BaseModel) -> dict[str, object]:
    return {"statement": document, "signature": KEY.sign(canonical_json(document)).hex(), "signer": PUBLIC}


def lineage() -> Lineage:
    example = WIRE_EXAMPLES["lineage-record"]
    assert isinstance(example, LineageRecord)
    first = example.statement
    second = first.model_copy(
        update={
            "round": 2,
            "previous": digest(first),
            "parent_sha256": first.aggregated_sha256,
            "aggregated_sha256": SHA,
        }
    )
    return Lineage(records=tuple(LineageRecord.model_validate(signed(said)) for said in (first, second)))


def record(**changes: object) -> ModelRecord:
    first = lineage().records[0].statement
    fields: dict[str, object] = {
        "sha256": SHA,
        "size_bytes": len(CONTENT),
        "study_id": first.study_id,
        "manifest_digest": first.manifest_digest,
        "run_id": first.run_id,
        "rounds": 2,
        "registered_at": "2026-11-22T12:00:00Z",
    }
    return ModelRecord.model_validate(signed(ModelStatement.model_validate(fields | changes)))


def code(content: bytes, found: ModelRecord, *, key: str = PUBLIC, rounds: Lineage | None = None) -> str:
    with pytest.raises(MyofedError) as caught:
        verify_model(content, found, key=key, lineage=rounds)
    return caught.value.code


def test_file_record_or_key_of_another_is_refused() -> None:
    """Changed bytes, a changed statement, another key, and what is no key."""
    assert code(b"others", record()) == "MODEL_ALTERED"
    changed = record().model_copy(update={"statement": record(rounds=3).statement})
    assert code(CONTENT, changed) == "BAD_SIGNATURE"
    for key in ("0" * 64, "no key", ""):
        assert code(CONTENT, record(), key=key) == "BAD_SIGNATURE"


def test_rounds_that_do_not_lead_to_the_model_are_refused() -> None:
    """Missing, of another run, or with a signature of its own."""
    one, two = lineage().records
    for records in ((one,), (two,), (two, one), ()):
        assert code(CONTENT, record(), rounds=Lineage(records=records)) == "LINEAGE_BROKEN"
    assert code(CONTENT, record(run_id="run-ffffffff"), rounds=lineage()) == "LINEAGE_BROKEN"
    forged = one.model_copy(update={"statement": one.statement.model_copy(update={"sites": 7})})
    assert code(CONTENT, record(), rounds=Lineage(records=(forged, two))) == "BAD_SIGNATURE"


def test_genuine_model_verifies_with_and_without_its_rounds() -> None:
    """No exception is the answer."""
    assert verify_model(CONTENT, record(), key=PUBLIC) is None  # type: ignore[func-returns-value]
    assert verify_model(CONTENT, record(), key=PUBLIC, lineage=lineage()) is None  # type: ignore[func-returns-value]
