"""The registry's use cases: register what a run made, list, hand out, verify."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Select, select

from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.database import Database
from myofed_coordinator.models import weights
from myofed_coordinator.models.models import ModelRow
from myofed_coordinator.signing import Signer, verify
from myofed_coordinator.studies.service import StudiesService
from myofed_schemas.canonical import canonical_json
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.model import ModelRecord, ModelStatement


@dataclass(frozen=True)
class RegistryPlace:
    """Where the registry keeps weights and with what it signs."""

    folder: Path
    signer: Signer


class ModelsService:
    """The use cases; each call is one transaction."""

    def __init__(self, database: Database, audit: AuditLog, studies: StudiesService, place: RegistryPlace) -> None:
        self._database = database
        self._audit = audit
        self._studies = studies
        self._place = place

    def register(self, run_id: str, path: Path, *, manifest_digest: str, rounds: int, now: datetime) -> ModelRecord:
        """The weights lie in the models folder and have a signed record; a second call returns the first record.

        Args:
            run_id: The run that made them.
            path: Safetensors file.
            manifest_digest: Manifest of the run.
            rounds: Rounds done.
            now: Aware.

        Raises:
            MyofedError: STUDY_UNKNOWN, or a WEIGHTS_* code when the file is not what the manifest promises.
        """
        manifest = self._studies.by_digest(manifest_digest).manifest
        content = path.read_bytes()
        weights.check_specs(weights.tensor_specs(content), expected=manifest.state_dict)
        sha256 = weights.sha256_of(content)
        weights.keep_weights(self._place.folder, content)
        statement = ModelStatement(
            sha256=sha256,
            size_bytes=len(content),
            study_id=manifest.study_id,
            manifest_digest=manifest_digest,
            run_id=run_id,
            rounds=rounds,
            registered_at=utc_text(now),
        )
        signer = self._place.signer
        record = ModelRecord(statement=statement, signature=signer.sign(statement), signer=signer.public_key)
        with self._database.write() as session:
            row = session.get(ModelRow, (sha256, run_id))
            if row is not None:
                return ModelRecord.model_validate_json(row.record)
            self._audit.append(Deed("system", "MODEL_REGISTERED", sha256, {"run": run_id, "rounds": rounds}), now=now)
            session.add(
                ModelRow(
                    sha256=sha256,
                    run_id=run_id,
                    study_id=manifest.study_id,
                    registered_at=statement.registered_at,
                    record=canonical_json(record).decode(),
                )
            )
        return record

    def list_models(self) -> list[ModelRecord]:
        """All records, oldest first."""
        return self._records(select(ModelRow).order_by(ModelRow.registered_at, ModelRow.run_id))

    def show(self, sha256: str) -> ModelRecord:
        """The newest record of the model whose digest is, or uniquely begins with, `sha256` (at least 8 characters).

        Raises:
            MyofedError: MODEL_UNKNOWN.
        """
        statement = select(ModelRow).where(ModelRow.sha256.startswith(sha256, autoescape=True))
        found = self._records(statement.order_by(ModelRow.registered_at))
        if len(sha256) < 8 or len({record.statement.sha256 for record in found}) != 1:
            raise weights.unknown_model(sha256)
        return found[-1]

    def read(self, sha256: str) -> bytes:
        """The bytes of a registered model, after their digest was checked.

        Raises:
            MyofedError: MODEL_UNKNOWN, MODEL_ALTERED.
        """
        return weights.read_weights(self._place.folder, self.show(sha256).statement.sha256)

    def verify_file(self, content: bytes) -> ModelRecord:
        """The record of exactly these bytes, with our signature checked.

        Raises:
            MyofedError: MODEL_UNKNOWN, never registered here; BAD_SIGNATURE, the record was altered.
        """
        record = self.show(weights.sha256_of(content))
        verify_record(record, content=content, signer=self._place.signer.public_key)
        return record

    def _records(self, statement: Select[ModelRow]) -> list[ModelRecord]:
        with self._database.read() as session:
            return [ModelRecord.model_validate_json(row.record) for row in session.scalars(statement)]


def verify_record(record: ModelRecord, *, content: bytes, signer: str) -> None:
    """The coordinator with this key signed exactly these bytes; needs no database.

    Args:
        record: From `models export`.
        content: The safetensors file.
        signer: The coordinator's public key, hexadecimal, from a source that is trusted (the invite).

    Raises:
        MyofedError: MODEL_ALTERED, BAD_SIGNATURE.
    """
    if record.signer != signer:
        raise MyofedError("BAD_SIGNATURE", "the record was signed with another key", exit_code=ExitCode.REFUSED)
    verify(record.statement, signature=record.signature, public_key=signer)
    if weights.sha256_of(content) != record.statement.sha256:
        raise MyofedError("MODEL_ALTERED", "the file's digest is not the record's", exit_code=ExitCode.UNHEALTHY)
