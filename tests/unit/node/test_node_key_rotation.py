"""A new key: the old one is sealed first, a call cut short is made again, and links are given up on purpose only."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from site_factories import (
    NOW,
    PASSPHRASE,
    Scan,
    audited_actions,
    demo_site,
    quick_escrow,
    refusal_code,
    write_image,
    write_labels,
)

import myofed_node.key_custody as custody
import myofed_node.key_rotation as rotation
from myofed_node.audit import SiteAudit
from myofed_node.key_custody import Escrow, key_facts, no_ingest, subjects_of
from myofed_node.key_rotation import rotate_key
from myofed_node.keys import load_deid_keys
from myofed_node.site_setup import Site
from myofed_node.store import SeriesRow, SeriesState, SiteStore

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return demo_site(tmp_path / "a")


def test_rotation_seals_the_old_key_first(site: Site, tmp_path: Path) -> None:
    """The escrow opens to the old key, the site has a new one, and the audit chain names both by their checks."""
    old, escrow = load_deid_keys(site.folder), quick_escrow(tmp_path)
    made = rotate_key(site, escrow, now=NOW)
    new = load_deid_keys(site.folder)
    assert escrow.key() == old != new
    assert (made.old_check, made.new_check, made.abandoned_subjects) == (old.check(), new.check(), 0)
    entry = list(SiteAudit(site.folder).entries())[-1]
    assert (entry.action, entry.subject, entry.detail["old"]) == ("KEY_ROTATED", new.check(), old.check())
    assert site.folder.deid_key.stat().st_mode & 0o777 == 0o600
    assert not key_facts(site, now=NOW).rotation_pending


def test_what_a_killed_call_left_half_written_goes(site: Site, tmp_path: Path) -> None:
    """No stray secret stays beside the key."""
    site.folder.deid_key.with_name(f".{custody.NEXT_KEY}.x.tmp").write_bytes(b"half")
    rotate_key(site, quick_escrow(tmp_path), now=NOW)
    assert [path.name for path in site.folder.deid_key.parent.iterdir()] == ["deid.key"]


def test_a_rotation_made_again_is_one_rotation(site: Site, tmp_path: Path) -> None:
    """The same escrow means the same rotation; another file asks for another one."""
    first = rotate_key(site, quick_escrow(tmp_path), now=NOW)
    assert rotate_key(site, quick_escrow(tmp_path), now=NOW) == first
    second = rotate_key(site, quick_escrow(tmp_path, "second.json"), now=NOW)
    assert second.old_check == first.new_check
    assert refusal_code(lambda: rotate_key(site, quick_escrow(tmp_path), now=NOW)) == "ESCROW_EXISTS"
    assert audited_actions(site) == ["KEY_ROTATED"] * 2


def test_nothing_is_rotated_when_the_escrow_cannot_be_trusted(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short passphrase, a wrong one for a file that is there, a file that reads back otherwise: the old key stays."""
    old = load_deid_keys(site.folder)
    assert (
        refusal_code(lambda: rotate_key(site, quick_escrow(tmp_path, passphrase="short"), now=NOW))
        == "PASSPHRASE_TOO_SHORT"
    )
    quick_escrow(tmp_path).hold(old, now=NOW)
    wrong = quick_escrow(tmp_path, passphrase="another passphrase")
    assert refusal_code(lambda: rotate_key(site, wrong, now=NOW)) == "ESCROW_PASSPHRASE"
    monkeypatch.setattr(custody, "write_atomically", lambda path, content: path.write_bytes(content[:-9]))
    assert refusal_code(lambda: rotate_key(site, quick_escrow(tmp_path, "cut.json"), now=NOW)) == "ESCROW_INVALID"
    assert load_deid_keys(site.folder) == old
    assert not key_facts(site, now=NOW).rotation_pending
    assert audited_actions(site) == []


def _with_image(site: Site) -> None:
    write_image(site.folder.dataset, Scan(1))


def _with_labels(site: Site) -> None:
    write_labels(site.folder.dataset, "S1")


def _with_series(site: Site) -> None:
    store = SiteStore(site.folder.store)
    row = store.begin_ingest("f" * 64, now="2026-01-01T00:00:00Z")
    store.record_outcome(SeriesRow("2.25.1", row.id, SeriesState.HELD, "HEAD_HELD_FOR_REVIEW", "S1", "A"))


def _with_work(site: Site) -> None:
    (site.folder.intake / "work-1" / "dataset" / "sub-S1").mkdir(parents=True)


@pytest.mark.parametrize("holds", [_with_image, _with_labels, _with_series, _with_work])
def test_a_site_with_subjects_is_rotated_only_on_purpose(
    site: Site, tmp_path: Path, holds: Callable[[Site], None]
) -> None:
    """New files of a patient would be another subject, one perhaps in training and one in test."""
    assert subjects_of(site.folder) == frozenset()
    holds(site)
    old = load_deid_keys(site.folder)
    assert subjects_of(site.folder) == {"S1"}
    assert refusal_code(lambda: rotate_key(site, quick_escrow(tmp_path), now=NOW)) == "SUBJECTS_PRESENT"
    assert not (tmp_path / "key.json").exists()
    assert load_deid_keys(site.folder) == old
    assert rotate_key(site, quick_escrow(tmp_path), now=NOW, abandon_links=True).abandoned_subjects == 1
    assert load_deid_keys(site.folder) != old


def _keys_on_disk(site: Site, escrow: Escrow) -> set[str]:
    held = {escrow.key().check()} if escrow.path.exists() else set()
    return held | {load_deid_keys(site.folder).check()}


STEPS = {
    "seal": custody,
    "unseal": custody,
    "write_atomically (escrow)": custody,
    "write_atomically (key)": rotation,
    "append": SiteAudit,
    "replace": Path,
    "fsync_folder": rotation,
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("after", [False, True])
def test_a_rotation_cut_short_at_any_step_is_made_again(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, *, after: bool
) -> None:
    """Before or after each step: the old key is still somewhere, and the same call again makes one rotation."""
    owner, name = STEPS[step], step.split(maxsplit=1)[0]
    old, real = load_deid_keys(site.folder), getattr(owner, name)

    def cut(*arguments: object, **named: object) -> object:
        if after:
            real(*arguments, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(owner, name, cut)
    with pytest.raises(KeyboardInterrupt):
        rotate_key(site, quick_escrow(tmp_path), now=NOW)
    monkeypatch.undo()
    assert old.check() in _keys_on_disk(site, quick_escrow(tmp_path))
    made = rotate_key(site, quick_escrow(tmp_path), now=NOW)
    assert made.old_check == old.check()
    assert made.new_check == load_deid_keys(site.folder).check() != old.check()
    assert quick_escrow(tmp_path).key() == old
    assert audited_actions(site) == ["KEY_ROTATED"]
    assert not key_facts(site, now=NOW).rotation_pending


def test_kill_9_at_random_moments_of_a_rotation_never_loses_the_old_key(tmp_path: Path) -> None:
    """Twenty rotations, each killed and made again: every old key opens from its escrow, one audit entry each."""
    site, draw = demo_site(tmp_path / "a"), random.Random(3)
    for number in range(20):
        old, escrow = load_deid_keys(site.folder), quick_escrow(tmp_path, f"{number}.json")
        worker = FORK.Process(target=rotate_key, args=(site, escrow), kwargs={"now": NOW})
        worker.start()
        time.sleep(draw.uniform(0.0, 0.02))
        assert worker.pid
        os.kill(worker.pid, signal.SIGKILL)
        worker.join(60)
        assert old.check() in _keys_on_disk(site, escrow)
        rotate_key(site, escrow, now=NOW)
        assert escrow.key() == old != load_deid_keys(site.folder)
    assert audited_actions(site) == ["KEY_ROTATED"] * 20


def test_a_pending_rotation_is_shown(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`key show` says that the call has to be made again."""

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", cut)
    with pytest.raises(KeyboardInterrupt):
        rotate_key(site, quick_escrow(tmp_path), now=NOW)
    assert key_facts(site, now=NOW).rotation_pending


def test_a_key_is_not_rotated_inside_the_site_or_under_an_ingest(site: Site, tmp_path: Path) -> None:
    """Half of the files would have the old key; an escrow inside is lost with the site."""
    assert (
        refusal_code(lambda: rotate_key(site, Escrow(site.folder.root / "e", PASSPHRASE), now=NOW))
        == "KEY_OUTPUT_INSIDE"
    )
    with no_ingest(site.folder):
        assert refusal_code(lambda: rotate_key(site, quick_escrow(tmp_path), now=NOW)) == "INGEST_RUNNING"
