from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from anonymization_factories import KEYS, UID, file_bytes, mr, output, policy_with, treated, with_csa

from myofed_anonymization.clean_elements import Clean, CleanElement
from myofed_anonymization.one_file import read_input, withheld
from myofed_anonymization.pseudonyms import pseudonym
from myofed_anonymization.vault import Vault
from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import NoteCode, WithheldCode
from myofed_schemas.errors import MyofedError

MODULE = import_module("myofed_anonymization.one_file")


def test_a_file_that_fails_verification_has_no_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A leak that the actions left is found after writing, and nothing of the file stays."""
    real = MODULE.write

    def leaking(dataset: Clean, *, transfer_syntax: str) -> bytes:
        return real({**dataset, 0x00104000: CleanElement("LT", b"Fantasia")}, transfer_syntax=transfer_syntax)

    monkeypatch.setattr(MODULE, "write", leaking)
    assert treated(tmp_path, mr()).outcome.code is WithheldCode.LEAK_FOUND
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_file_that_cannot_be_read_is_withheld(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A permission or disk error of one input has its code."""

    def failing(_: Path) -> bytes:
        raise PermissionError

    path = tmp_path / "1.dcm"
    path.touch()
    monkeypatch.setattr(Path, "read_bytes", failing)
    with pytest.raises(WithheldError) as refusal:
        read_input(path, max_bytes=10)
    assert refusal.value.reason is WithheldCode.UNREADABLE
    path.write_bytes(b"x" * 11)
    with pytest.raises(WithheldError) as refusal:
        read_input(path, max_bytes=10)
    assert refusal.value.reason is WithheldCode.TOO_LARGE
    assert withheld(1, refusal.value.reason).outcome.input_sha256 is None


def test_the_vault_is_written_before_the_release(tmp_path: Path) -> None:
    """What cannot be recorded is not released."""
    key = tmp_path / "vault.key"
    key.write_bytes(b"k" * 32)
    key.chmod(0o600)
    vault = Vault.open(tmp_path / "vault", key)
    label = pseudonym(KEYS, issuer="", patient_id="MRN-884422")
    assert treated(tmp_path, mr(), vault=vault).outcome.code is None
    with pytest.raises(MyofedError, match="VAULT_CONFLICT"):
        vault.record(pseudonym=label, issuer="", patient_id="another")
    other = Vault.open(tmp_path / "other", key)
    other.record(pseudonym=label, issuer="", patient_id="another")
    (tmp_path / "again").mkdir()
    with pytest.raises(MyofedError, match="VAULT_CONFLICT"):
        treated(tmp_path / "again", mr(), vault=other)
    assert not list((tmp_path / "again").rglob("*.dcm"))


def test_uids_that_cannot_be_names_are_never_a_path(tmp_path: Path) -> None:
    """Text in a UID's place is replaced even where UIDs are retained; two values are no name."""
    hostile = mr(SOPInstanceUID="../../../etc/passwd", FrameOfReferenceUID="Fantasia.1")
    for retain in (False, True):
        outcome = treated(tmp_path, hostile, policy=policy_with(retain_uids=retain)).outcome
        assert outcome.output
        assert "etc" not in outcome.output
        assert b"Fantasia" not in output(tmp_path, outcome).read_bytes()
    assert treated(tmp_path, mr(SOPInstanceUID="1.2.3\\1.2.4")).outcome.code is WithheldCode.UID_MISSING


def test_a_damaged_vendor_header_is_noted_and_the_file_released(tmp_path: Path) -> None:
    """Its numbers are missing; the image is not."""
    content = file_bytes(with_csa(mr(), B_value="800"))
    assert treated(tmp_path, content).numbers == {"B_value": (800.0,)}
    found = treated(tmp_path, content.replace(b"SV10\x04\x03\x02\x01", b"SV10\x04\x03\x02\x00"))
    assert found.outcome.notes == (NoteCode.VENDOR_HEADER_DAMAGED,) or found.numbers == {"B_value": (800.0,)}
    cut = mr()
    cut.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(0x10, "OB", b"SV10\x04\x03\x02\x01\xff\xff")
    assert treated(tmp_path, cut).outcome.notes == (NoteCode.VENDOR_HEADER_DAMAGED,)


def test_an_output_replaces_an_earlier_one_of_its_name(tmp_path: Path) -> None:
    """A second run over the same folder leaves the second run's file."""
    first = treated(tmp_path, mr()).outcome
    second = treated(tmp_path, mr(EchoTime="7.65")).outcome
    assert first.output == second.output
    assert first.output_sha256 != second.output_sha256
    assert UID.encode() not in output(tmp_path, second).read_bytes()
