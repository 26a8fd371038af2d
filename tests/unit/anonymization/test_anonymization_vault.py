"""The vault: written once, opened with its own key only, and no answer without an entry."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

import myofed_anonymization.vault
import myofed_anonymization.vault_audit
from myofed_anonymization.vault import Vault, verify_audit
from myofed_anonymization.vault_audit import AuditTrail
from myofed_anonymization.vault_record import Original
from myofed_schemas.errors import MyofedError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REASON = "nodule in the left femur, Dr A decided to tell"
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault.open(tmp_path / "vault", _key(tmp_path))


def _key(folder: Path, content: bytes = b"k" * 32) -> Path:
    path = folder / "vault.key"
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def _record(vault: Vault, number: int = 1) -> None:
    vault.record(pseudonym=f"Q{number}", issuer="H ", patient_id=f" 4711{number:04}")


def _ask(vault: Vault, pseudonym: str = "Q1", reason: str = REASON) -> Original:
    return vault.look_up(pseudonym, reason=reason, who="officer", now=NOW)


def _code(vault: Vault, pseudonym: str = "Q1", reason: str = REASON) -> str:
    with pytest.raises(MyofedError) as caught:
        _ask(vault, pseudonym, reason)
    return caught.value.code


def _entries(vault: Vault) -> list[tuple[str, str, str]]:
    entries = AuditTrail(vault.folder).entries()
    return [(entry.subject, str(entry.detail["outcome"]), str(entry.detail["reason"])) for entry in entries]


def test_a_pseudonym_is_looked_up_with_a_reason(vault: Vault) -> None:
    """The answer is the original; who asked, when and why stands in the record."""
    _record(vault)
    assert _ask(vault) == Original("H", "47110001")
    assert _entries(vault) == [("Q1", "ANSWERED", REASON)]
    entry = AuditTrail(vault.folder).entries()[0]
    assert (entry.at, entry.actor, entry.action) == ("2026-01-01T00:00:00Z", "officer", "VAULT_LOOK_UP")
    assert verify_audit(vault.folder).sequence == 1


def test_nothing_on_disk_shows_the_original(vault: Vault) -> None:
    """Neither contents nor names of files, after every kind of look-up."""
    _record(vault)
    _ask(vault)
    for pseudonym, reason in (("47110001", REASON), ("Q1", "short"), ("Q1", "about 4711 0001!"), ("Q2", REASON)):
        _code(vault, pseudonym, reason)
    for path in vault.folder.iterdir():
        assert b"4711" not in path.read_bytes() + path.name.encode(), path.name
        assert path.stat().st_mode & 0o777 == 0o600
    assert vault.folder.stat().st_mode & 0o777 == 0o700


def test_no_answer_without_an_entry_on_disk(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the entry cannot be written, or not be synced, there is no answer."""
    _record(vault)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(myofed_anonymization.vault_audit.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        _ask(vault)
    monkeypatch.undo()
    (vault.folder / "audit.jsonl").write_bytes(b"{}\n")
    assert _code(vault) == "VAULT_AUDIT_BROKEN"


def test_refusals_and_unknown_pseudonyms_are_entries_too(vault: Vault) -> None:
    """Each attempt is on record; what was typed for an unknown pseudonym only as a keyed digest."""
    _record(vault)
    assert _code(vault, reason="too short") == "VAULT_REASON"
    assert _code(vault, reason="two lines\nare a forged entry") == "VAULT_REASON"
    assert _code(vault, reason="x" * 501) == "VAULT_REASON"
    assert _code(vault, reason="this is patient 4711-0001") == "VAULT_REASON"
    assert _code(vault, pseudonym="Q2") == "VAULT_UNKNOWN"
    assert _code(vault, pseudonym="../../etc/\udcff") == "VAULT_UNKNOWN"
    assert _code(vault, pseudonym="DOEJOHN", reason="is DOE JOHN in here?") == "VAULT_UNKNOWN"
    assert _code(vault, pseudonym="Q2", reason="why") == "VAULT_REASON"
    found = _entries(vault)
    assert [outcome for _, outcome, _ in found] == ["REASON_REFUSED"] * 4 + ["UNKNOWN"] * 3 + ["REASON_REFUSED"]
    assert [subject for subject, _, _ in found[:4]] == ["Q1"] * 4
    assert all(subject.startswith("unknown-") and len(subject) == 24 for subject, _, _ in found[4:])
    assert [reason for _, _, reason in found] == [""] * 4 + [REASON, REASON, "", ""]


def test_a_damaged_record_is_refused_and_noted(vault: Vault) -> None:
    """A record exchanged with another's is no answer."""
    _record(vault, 1)
    _record(vault, 2)
    (vault.folder / "Q2.vault").replace(vault.folder / "Q1.vault")
    assert _code(vault) == "VAULT_DAMAGED"
    assert _entries(vault) == [("Q1", "DAMAGED", REASON)]
    with pytest.raises(MyofedError) as caught:
        _record(vault, 1)
    assert caught.value.code == "VAULT_DAMAGED"


def test_a_record_is_written_once(vault: Vault) -> None:
    """The same again changes no byte; another original for one pseudonym is an error that shows neither."""
    _record(vault)
    before = (vault.folder / "Q1.vault").read_bytes()
    _record(vault)
    assert (vault.folder / "Q1.vault").read_bytes() == before
    with pytest.raises(MyofedError) as caught:
        vault.record(pseudonym="Q1", issuer="H", patient_id="4812")
    assert caught.value.code == "VAULT_CONFLICT"
    assert not any(text in str(caught.value) for text in ("4711", "4812", "Q1"))
    assert _ask(vault).patient_id == "47110001"


def test_a_pseudonym_never_leaves_the_folder(vault: Vault) -> None:
    """What is no pseudonym is no file name."""
    with pytest.raises(MyofedError) as caught:
        vault.record(pseudonym="../Q1", issuer="", patient_id="1")
    assert caught.value.code == "VAULT_PSEUDONYM"


def test_the_handle_travels_and_shows_no_key(vault: Vault) -> None:
    """A worker gets it as a pickle."""
    again = pickle.loads(pickle.dumps(vault))  # noqa: S301  its own pickle
    _record(again)
    assert _ask(vault).issuer == "H"
    assert "kkkk" not in repr(vault)


def test_the_key_lies_outside_and_is_private_and_whole(tmp_path: Path) -> None:
    """Inside the folder (also through a link), readable by others, of another length or gone: refused by code."""
    folder = tmp_path / "vault"
    folder.mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(folder)
    codes = []
    for path, mode, length in (
        (_key(folder), 0o600, 32),
        (tmp_path / "link" / "vault.key", 0o600, 32),
        (_key(tmp_path), 0o640, 32),
        (_key(tmp_path), 0o600, 31),
        (tmp_path / "none", 0, 0),
    ):
        if mode:
            path.write_bytes(b"k" * length)
            path.chmod(mode)
        with pytest.raises(MyofedError) as caught:
            Vault.open(folder, path)
        codes.append(caught.value.code)
    inside = ["VAULT_KEY_INSIDE"] * 2
    assert codes == [*inside, "PRIVATE_FILE_PERMISSIONS", "VAULT_KEY_LENGTH", "PRIVATE_FILE_MISSING"]


def test_another_key_does_not_open_the_vault(vault: Vault, tmp_path: Path) -> None:
    """So that no record is ever written under a second key."""
    with pytest.raises(MyofedError) as caught:
        Vault.open(vault.folder, _key(tmp_path, b"x" * 32))
    assert caught.value.code == "VAULT_KEY_OTHER"
    assert Vault.open(vault.folder, _key(tmp_path)) == vault


def test_a_folder_of_other_things_or_for_others_is_no_vault(tmp_path: Path) -> None:
    """A folder with a file, one that the group may enter, and one without a vault to verify."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    (folder / "letter.txt").touch()
    with pytest.raises(MyofedError, match="other things"):
        Vault.open(folder, _key(tmp_path))
    (folder / "letter.txt").unlink()
    folder.chmod(0o750)
    with pytest.raises(MyofedError, match="group or others"):
        Vault.open(folder, _key(tmp_path))
    with pytest.raises(MyofedError, match="no vault"):
        verify_audit(folder)
    assert list(folder.iterdir()) == []


def _record_all(vault: Vault, numbers: list[int]) -> None:
    for number in numbers:
        _record(vault, number)


def test_several_processes_record_at_once(vault: Vault) -> None:
    """Eight of them, all the same patients in another order: every record whole, none twice."""
    numbers = list(range(20))
    orders = [random.Random(seed).sample(numbers, len(numbers)) for seed in range(8)]
    workers = [FORK.Process(target=_record_all, args=(vault, order)) for order in orders]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 8
    assert [_ask(vault, f"Q{n}").patient_id for n in numbers] == [f"4711{n:04}" for n in numbers]


def test_who_waited_for_the_lock_meets_what_the_other_wrote(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the first look and the lock another process recorded the same pseudonym: it is compared, not overwritten."""
    real = myofed_anonymization.vault.locked

    @contextmanager
    def late(folder: Path) -> Iterator[None]:
        monkeypatch.undo()
        vault.record(pseudonym="Q1", issuer="", patient_id="the first")
        with real(folder):
            yield

    monkeypatch.setattr(myofed_anonymization.vault, "locked", late)
    with pytest.raises(MyofedError) as caught:
        _record(vault)
    assert caught.value.code == "VAULT_CONFLICT"
    assert _ask(vault).patient_id == "the first"


def test_of_two_originals_at_once_one_wins_and_the_other_is_told(vault: Vault, tmp_path: Path) -> None:
    """Never does the last one overwrite the first unnoticed."""

    def contest(name: str) -> None:
        try:
            vault.record(pseudonym="Q1", issuer="", patient_id=name)
        except MyofedError as error:
            (tmp_path / name).write_text(error.code)

    workers = [FORK.Process(target=contest, args=(f"original{n}",)) for n in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    told = {path.name for path in tmp_path.glob("original*") if path.read_text() == "VAULT_CONFLICT"}
    assert {f"original{n}" for n in range(6)} - told == {_ask(vault, reason=REASON).patient_id}


def test_kill_9_leaves_whole_records_only(vault: Vault, tmp_path: Path) -> None:
    """At thirty random moments of recording and asking: what is there opens, the chain holds, and going on completes it."""
    draw = random.Random(7)

    def work(start: int) -> None:
        for number in range(start, start + 1000):
            _record(vault, number)
            _ask(vault, f"Q{number}")

    for attempt in range(30):
        worker = FORK.Process(target=work, args=(attempt * 3,))
        worker.start()
        time.sleep(draw.uniform(0.0, 0.03))
        assert worker.pid
        os.kill(worker.pid, signal.SIGKILL)
        worker.join(60)
        verify_audit(vault.folder)
    opened = Vault.open(vault.folder, _key(tmp_path))
    assert not list(vault.folder.glob(".*.tmp"))
    made = sorted(int(path.stem[1:]) for path in vault.folder.glob("*.vault"))
    assert made, "no record was made before a kill: the test shows nothing"
    for number in range(made[-1] + 1):
        _record(opened, number)
        assert _ask(opened, f"Q{number}").patient_id == f"4711{number:04}"


def test_an_open_that_was_killed_is_made_again(tmp_path: Path) -> None:
    """With the lock alone, and with the empty record of look-ups before the mark."""
    folder = tmp_path / "vault"
    folder.mkdir(mode=0o700)
    (folder / ".lock").touch(mode=0o600)
    AuditTrail(folder).begin()
    (folder / ".audit-head.json.x.tmp").touch()
    vault = Vault.open(folder, _key(tmp_path))
    assert json.loads((folder / "vault.json").read_bytes())["format"] == "myofed-vault-1"
    assert not list(folder.glob(".*.tmp"))
    assert verify_audit(vault.folder).sequence == 0
