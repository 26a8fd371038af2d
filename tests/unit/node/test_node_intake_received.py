"""Every instance lies there exactly once, whatever comes twice, at once, late, or is killed in the middle."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from myofed_node.intake import group_commit
from myofed_node.intake import received as module
from myofed_node.intake.received import TO_REMOVE, Kept, Listing, Place, Received, name_of

PLACE = Place("1.2.3", "1.2.3.4", "1.2.3.4.5")


def instance(number: int, *, study: int = 1) -> Place:
    return Place(f"1.{study}", f"1.{study}.2", f"1.{study}.2.{number}")


def remove(received: Received, study: Path, listing: Listing) -> None:
    received.give_up(study, listing)
    received.settle(study)


@pytest.fixture
def received(tmp_path: Path) -> Received:
    """An open folder."""
    made = Received(tmp_path / "received")
    made.open()
    return made


def files(received: Received) -> list[bytes]:
    """The contents of all instances."""
    return sorted(path.read_bytes() for study in received.studies() for path in study.rglob("*.dcm"))


def test_instance_lies_there_under_names_that_are_no_uids(received: Received) -> None:
    """A UID comes from outside; as a path it could lead anywhere."""
    odd = Place("../../etc", "..", "/x")
    assert received.keep(odd, [b"a", b"b"]) is Kept.NEW
    (study,) = received.studies()
    (file,) = study.rglob("*.dcm")
    assert file.relative_to(study.parent).parts == (name_of("../../etc"), name_of(".."), f"{name_of('/x')}.dcm")
    assert (file.read_bytes(), file.stat().st_mode & 0o777, study.stat().st_mode & 0o777) == (b"ab", 0o600, 0o700)


def test_same_instance_again_is_known_and_another_is_kept_beside_it(received: Received) -> None:
    """Nothing that was acknowledged is ever replaced."""
    assert [received.keep(PLACE, [each]) for each in (b"first", b"first", b"other", b"other", b"first")] == [
        Kept.NEW,
        Kept.KNOWN,
        Kept.OTHER,
        Kept.KNOWN,
        Kept.KNOWN,
    ]
    assert files(received) == [b"first", b"other"]
    (study,) = received.studies()
    first = [(name, when) for name, when in received.listing(study) if (study / name).read_bytes() == b"first"]
    remove(received, study, tuple(first))
    assert received.keep(PLACE, [b"other"]) is Kept.KNOWN, "under its own name, after the first went"
    assert files(received) == [b"other"]


def test_many_senders_at_once_lose_and_double_nothing(received: Received) -> None:
    """Eight threads send the same two hundred instances."""
    with ThreadPoolExecutor(8) as pool:
        outcomes = Counter(pool.map(lambda n: received.keep(instance(n % 200), [str(n % 200).encode()]), range(1600)))
    assert outcomes[Kept.OTHER] == 0
    assert outcomes[Kept.NEW] == 200
    assert files(received) == sorted(str(n).encode() for n in range(200))


def test_full_disk_is_told_and_leaves_nothing(
    received: Received, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What could not be synced has no name, and the next try succeeds."""

    def full(_path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(group_commit, "fsync_file", full)
    with pytest.raises(OSError, match="No space"):
        received.keep(PLACE, [b"x"])
    assert (files(received), list((tmp_path / "received" / ".arriving" / "1").iterdir())) == ([], [])
    monkeypatch.undo()
    assert received.keep(PLACE, [b"x"]) is Kept.NEW


def test_folder_that_cannot_be_synced_is_told(received: Received, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name might not survive a power cut: the sender has to send again."""
    received.keep(PLACE, [b"x"])

    def broken(_folder: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(group_commit, "fsync_folder", broken)
    with pytest.raises(OSError, match="Input/output"):
        received.keep(Place("1.2.3", "1.2.3.4", "9"), [b"y"])


def test_what_a_killed_receiver_left_is_swept(received: Received, tmp_path: Path) -> None:
    """It has no name yet, so nobody was told that it is here."""
    (tmp_path / "received" / ".arriving" / "1" / "half").write_bytes(b"ha")
    other = Received(tmp_path / "received", receiver=2)
    other.open()
    (tmp_path / "received" / ".arriving" / "2" / "half").write_bytes(b"ha")
    received.keep(PLACE, [b"x"])
    received.sweep()
    assert [path.name for path in (tmp_path / "received" / ".arriving").rglob("half")] == ["half"], (
        "another's is its own"
    )
    received.sweep(above=1)
    assert list((tmp_path / "received" / ".arriving").rglob("half")) == [], "there is no second receiver any more"
    assert files(received) == [b"x"]


def test_removal_leaves_what_came_meanwhile(received: Received) -> None:
    """A late instance is in no listing, so it stays; when all is gone so is the folder, and it comes again."""
    for number in (1, 2):
        received.keep(instance(number), [b"early"])
    (study,) = received.studies()
    listing = received.listing(study)
    received.keep(instance(3), [b"late"])
    remove(received, study, listing)
    assert files(received) == [b"late"]
    remove(received, study, received.listing(study))
    assert list(received.studies()) == []
    assert received.keep(instance(4), [b"later"]) is Kept.NEW
    assert files(received) == [b"later"]


def test_removal_that_was_killed_is_ended(received: Received) -> None:
    """The list of what goes is on disk first; a file of the same name that came since is another one and stays."""
    for number in (1, 2, 3):
        received.keep(instance(number), [str(number).encode()])
    (study,) = received.studies()
    listing = received.listing(study)
    (study / TO_REMOVE).write_text(json.dumps(listing))
    again = study / listing[1][0]
    again.unlink()
    again.write_bytes(b"again")
    os.utime(again, ns=(1, 1))
    received.settle(study)
    received.settle(study)
    assert files(received) == [b"again"]


def test_instance_whose_folder_goes_at_that_moment_is_kept(received: Received, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipeline removes the empty folder between its making and the file's arrival."""
    received.keep(instance(1), [b"1"])
    (study,) = received.studies()
    remove(received, study, received.listing(study))
    assert not study.exists()
    assert received.keep(instance(2), [b"2"]) is Kept.NEW
    assert files(received) == [b"2"]


def test_place_that_changes_all_the_time_is_an_error(received: Received, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried a few times, not for ever."""
    tries = []

    def gone(*_: object) -> None:
        tries.append(1)
        raise FileNotFoundError

    monkeypatch.setattr(received, "_commit", gone)
    with pytest.raises(OSError, match="changes all the time"):
        received.keep(PLACE, [b"x"])
    assert len(tries) == module.TRIES


def test_move_that_was_not_settled_is_no_success(received: Received, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens in the thread that works for all, nobody is told that an instance is safe that is not."""

    def broken(_group: object) -> None:
        raise MemoryError

    monkeypatch.setattr(group_commit, "_settle", broken)
    with pytest.raises((MemoryError, OSError)):
        received.keep(PLACE, [b"x"])
    assert files(received) == []
    monkeypatch.undo()
    assert received.keep(PLACE, [b"x"]) is Kept.NEW


def test_frozen_study_is_what_it_was(received: Received, tmp_path: Path) -> None:
    """What comes meanwhile is not in it; nothing of it is left, also after a kill."""
    received.keep(instance(1), [b"early"])
    (study,) = received.studies()
    with received.frozen(study, received.listing(study)) as folder:
        received.keep(instance(2), [b"late"])
        assert [path.read_bytes() for path in folder.rglob("*.dcm")] == [b"early"]
        assert list(received.studies()) == [study]
    left = tmp_path / "received" / module.FROZEN
    assert not left.exists()
    (left / "x").mkdir(parents=True)
    received.thaw()
    assert not left.exists()
    assert files(received) == [b"early", b"late"]


def test_signature_changes_whenever_an_instance_comes_or_goes(received: Received) -> None:
    """In a series that was there, in a new one, and when some are removed; not otherwise."""
    received.keep(instance(1), [b"1"])
    (study,) = received.studies()
    seen = [received.signature(study), received.signature(study)]
    received.keep(instance(2), [b"2"])
    seen.append(received.signature(study))
    received.keep(Place("1.1", "another", "7"), [b"3"])
    seen.append(received.signature(study))
    remove(received, study, received.listing(study)[:1])
    seen.append(received.signature(study))
    assert seen[0] == seen[1]
    assert len(set(seen)) == 4


def test_group_waits_for_the_one_at_work(received: Received, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes while a group is synced is in the next one, and its folder is synced once for all of that."""
    entered, go_on, synced = threading.Event(), threading.Event(), list[Path]()
    real = group_commit.fsync_folder

    def slow(folder: Path) -> None:
        synced.append(folder)
        entered.set()
        assert go_on.wait(20)
        real(folder)

    received.keep(instance(0), [b"0"])
    levels = group_commit.FOLDERS_ABOVE + 1
    monkeypatch.setattr(group_commit, "fsync_folder", slow)
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(received.keep, instance(1), [b"1"])
        assert entered.wait(20)
        others = [pool.submit(received.keep, instance(n), [b"n"]) for n in range(2, 6)]
        while len(received._commits._waiting) < 4:
            pass
        go_on.set()
        assert [each.result(20) for each in (first, *others)] == [Kept.NEW] * 5
    assert len(synced) == 2 * levels
