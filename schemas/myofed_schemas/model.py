"""A model's record: which weights, of which study and run, signed by the coordinator; verifiable without it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from myofed_schemas.ids import RunId, Sha256, StudyId, UtcTime
from myofed_schemas.study import HexPublicKey, HexSignature
from myofed_schemas.wire import WireModel


class ModelStatement(WireModel):
    """What is said about one safetensors file.

    Attributes:
        sha256: Of the whole file.
        size_bytes: Of the file.
        study_id: The study it was trained in.
        manifest_digest: Which manifest, exactly.
        run_id: The run that made it.
        rounds: Rounds done.
        registered_at: UTC.
    """

    schema_version: Literal["myofed-model-1"] = "myofed-model-1"
    sha256: Sha256
    size_bytes: int = Field(ge=1)
    study_id: StudyId
    manifest_digest: Sha256
    run_id: RunId
    rounds: int = Field(ge=0, le=1000)
    registered_at: UtcTime


class ModelRecord(WireModel):
    """A statement with the coordinator's Ed25519 signature over its canonical JSON; both in hexadecimal."""

    statement: ModelStatement
    signature: HexSignature
    signer: HexPublicKey
