"""The model registry: what is not registered or verified, then registration and verification."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from coordinator_factories import NOW, FakeSite, make_manifest, make_weights

from myofed_coordinator.models.service import verify_record
from myofed_coordinator.services import Services
from myofed_coordinator.signing import new_signer
from myofed_coordinator.studies.leads import Doer
from myofed_schemas.errors import MyofedError
from myofed_schemas.model import ModelRecord

Enrol = Callable[[str], FakeSite]
FINAL = make_weights(seed=9)


@pytest.fixture
def digest(services: Services, enrol: Enrol) -> str:
    """Digest of the manifest of a study of one site."""
    enrol("hospital-a")
    manifest = make_manifest(make_weights(), sites=("hospital-a",))
    return services.studies.create(manifest, make_weights(), actor=Doer("lead"), now=NOW).digest


def register(services: Services, folder: Path, digest: str, content: bytes = FINAL) -> ModelRecord:
    path = folder / "round-0002.safetensors"
    path.write_bytes(content)
    return services.models.register("run-0a1b2c3d", path, manifest_digest=digest, rounds=2, now=NOW)


def test_model_that_is_not_what_the_manifest_promises_is_refused(
    services: Services, digest: str, tmp_path: Path
) -> None:
    """Weights of other tensors, or of an unknown study, are not registered."""
    with pytest.raises(MyofedError, match="WEIGHTS_FORMAT"):
        register(services, tmp_path, digest, b"pickle")
    with pytest.raises(MyofedError, match="STUDY_UNKNOWN"):
        register(services, tmp_path, "0" * 64)
    assert services.models.list_models() == []


def test_file_that_was_never_registered_is_not_verified(services: Services, digest: str, tmp_path: Path) -> None:
    """One byte more, or weights that only belong to a study, and there is no record to speak for the file."""
    register(services, tmp_path, digest)
    for content in (FINAL + b"\x00", make_weights()):
        with pytest.raises(MyofedError, match="MODEL_UNKNOWN"):
            services.models.verify_file(content)


def test_altered_record_is_found(services: Services, digest: str, tmp_path: Path) -> None:
    """A record with a changed statement, another signer, or for other bytes does not verify, without any database."""
    record = register(services, tmp_path, digest)
    changed = record.model_copy(update={"statement": record.statement.model_copy(update={"rounds": 99})})
    with pytest.raises(MyofedError, match="BAD_SIGNATURE"):
        verify_record(changed, content=FINAL, signer=record.signer)
    with pytest.raises(MyofedError, match="BAD_SIGNATURE"):
        verify_record(record, content=FINAL, signer=new_signer().public_key)
    with pytest.raises(MyofedError, match="MODEL_ALTERED"):
        verify_record(record, content=make_weights(), signer=record.signer)


def test_registered_model_is_found_read_and_verified(services: Services, digest: str, tmp_path: Path) -> None:
    """A second registration gives the first record; a prefix of 8 characters finds it, a shorter one does not."""
    record = register(services, tmp_path, digest)
    assert register(services, tmp_path, digest) == record
    sha256 = record.statement.sha256
    assert services.models.show(sha256[:8]) == record
    assert services.models.read(sha256) == FINAL
    assert services.models.verify_file(FINAL) == record
    with pytest.raises(MyofedError, match="MODEL_UNKNOWN"):
        services.models.show(sha256[:7])
