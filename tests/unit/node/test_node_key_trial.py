"""Every way of the trial gets at a file that is not kept from it, so that its failure proves something."""

from __future__ import annotations

from pathlib import Path

import pytest

from myofed_node import key_trial, linux_calls


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "deid" / "deid.key"
    path.parent.mkdir()
    path.write_bytes(b"key")
    return path


@pytest.fixture(autouse=True)
def _stay_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own process changes no namespace."""
    for name in ("unshare", "unmount", "enter_namespace"):
        monkeypatch.setattr(linux_calls, name, lambda _argument: None)


WAYS = [
    attempt
    for kind, attempts in key_trial.ATTEMPTS.items()
    for attempt in attempts
    if attempt is not key_trial.by_parents_memory
]


@pytest.mark.parametrize("attempt", WAYS)
def test_way_gets_at_a_file_that_is_open_to_it(attempt: key_trial.Attempt, target: Path, tmp_path: Path) -> None:
    """And leaves it where and as it was."""
    place = tmp_path / "place"
    place.mkdir()
    if attempt in (key_trial.by_parents_root, key_trial.by_namespace_of_parent) and not _may_trace_parent():
        pytest.skip("this host lets no process look into its parent")
    attempt(target, place)
    assert target.read_bytes() == b"key"


@pytest.mark.parametrize("attempt", WAYS)
def test_way_fails_where_there_is_nothing(attempt: key_trial.Attempt, target: Path, tmp_path: Path) -> None:
    """A way that could not but succeed would prove nothing either."""
    place = tmp_path / "place"
    place.mkdir()
    with pytest.raises(OSError):
        attempt(tmp_path / "nowhere" / "deid.key", place)


def test_first_way_that_worked_is_named_and_no_byte_printed(
    target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 3; 0 where none worked; the folder of the trial is gone."""
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr(key_trial.sys, "argv", ["key_trial", str(target), str(tmp_path), "link", "move"])
    assert key_trial.main() == key_trial.GOT_IT
    assert capsys.readouterr().out == "by_hard_link\n"
    monkeypatch.setattr(key_trial.sys, "argv", ["key_trial", str(target) + "x", str(tmp_path), "file", "link"])
    assert key_trial.main() == 0
    assert sorted(tmp_path.iterdir()) == before


def _may_trace_parent() -> bool:
    import os

    return os.access(f"/proc/{os.getppid()}/root", os.R_OK | os.X_OK)
