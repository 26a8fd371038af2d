"""A seeded small sample of the kills of imports and publications, and the judge that looks at them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from proofs.site_kills import Reference, differences, half_files, killed_sites, make_site
from proofs.site_run import NOW, do, publisher

from myofed_node.audit import SiteAudit
from myofed_node.site_setup import open_site

pytestmark = [pytest.mark.functional, pytest.mark.slow]


def test_a_deed_that_was_killed_and_done_again_ends_like_one_that_was_done_once() -> None:
    """Ten of the hundred kills of `make prove NAME=site-kills`."""
    tried, failed = killed_sites(10, seed=1)
    assert failed == []
    assert tried[0]["kills"] == 10
    assert tried[0]["runs to the end"] >= 3, "not every deed was killed"


def test_the_judge_of_kills_finds_half_files_and_deeds_done_twice(tmp_path: Path) -> None:
    """A cut register, a register of neither time, a deed on record twice, and a card sent that should not be."""
    before, after = tmp_path / "before", tmp_path / "after"
    make_site(before, "import")
    shutil.copytree(before, after)
    do("import", after)
    reference = Reference(before, after, 0.0)
    assert half_files(before, reference) == half_files(after, reference) == differences(after, after) == []
    assert len(differences(before, after)) == 2, "the entry and the register are missing"
    SiteAudit(open_site(after).folder).append(
        "SUBJECTS_IMPORTED", now=NOW, detail={"subjects": 9, "new": 7, "changed": 2}
    )
    publisher(after).withdraw(now=NOW)
    found = differences(after, before)
    assert "something else was sent" in found
    assert "another card is kept" in found
    assert found.count("on record, but should not be: SUBJECTS_IMPORTED changed=2 new=7 subjects=9") == 2
    register = open_site(before).folder.subjects
    whole = register.read_bytes()
    register.write_bytes(whole[:-1])
    assert half_files(before, reference) == ["subjects.json: SUBJECTS_BROKEN"]
    register.write_bytes(whole.replace(b"female", b"other"))
    assert half_files(before, Reference(after, after, 0.0)) == [
        "a register that is neither the one before nor the one after"
    ]
