"""The register: 0600, whole or not at all, the same file twice changes nothing, and only counts are on record."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from site_factories import NOW, audited_actions, demo_site, refusal_code

import myofed_node.subjects.register
from myofed_anonymization.pseudonyms import pseudonym
from myofed_node.audit import SiteAudit
from myofed_node.key_custody import subjects_of
from myofed_node.keys import load_deid_keys
from myofed_node.site_setup import Site
from myofed_node.subjects.register import FactsFile, facts_of, import_facts, read_register
from myofed_schemas.canonical import canonical_json
from myofed_schemas.subject_facts import SubjectsImported


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return demo_site(tmp_path / "a")


def _import(site: Site, text: str) -> SubjectsImported:
    path = site.folder.root / "facts.csv"
    path.write_text(text)
    return import_facts(site, FactsFile(path), now=NOW, actor="datasteward")


def test_faulty_file_leaves_the_register_as_it_is(site: Site) -> None:
    """Good rows beside a bad one are not imported either."""
    _import(site, "subject,sex\nS1,male\n")
    before = site.folder.subjects.read_bytes()
    assert refusal_code(lambda: _import(site, "subject,sex\nS1,female\nS2,x\n")) == "SUBJECTS_INVALID"
    assert site.folder.subjects.read_bytes() == before


def test_broken_register_is_refused(site: Site) -> None:
    """What is not of its form is not overwritten silently."""
    site.folder.subjects.write_text("{}x")
    assert refusal_code(lambda: read_register(site)) == "SUBJECTS_BROKEN"


def test_unknown_subject_is_refused(site: Site) -> None:
    """Before the first import nobody is known."""
    assert refusal_code(lambda: facts_of(site, "S1")) == "SUBJECT_UNKNOWN"


def test_import_is_kept_privately_and_on_record_by_counts(site: Site) -> None:
    """0600; the audit entry names nobody."""
    done = _import(site, "subject,sex\nS1,male\nS2,female\n")
    assert (done.state, done.subjects, done.new, done.without_images) == ("imported", 2, 2, 2)
    assert stat.S_IMODE(site.folder.subjects.stat().st_mode) == 0o600
    entry = list(SiteAudit(site.folder).entries())[-1]
    assert (entry.action, entry.actor) == ("SUBJECTS_IMPORTED", "datasteward")
    assert entry.detail == {"subjects": 2, "new": 2, "changed": 0}
    assert facts_of(site, "S2").sex == "female"


def test_same_file_twice_changes_nothing(site: Site) -> None:
    """Neither the register nor the audit chain."""
    _import(site, "subject,sex\nS1,male\n")
    assert _import(site, "subject,sex\nS1,male\n").state == "unchanged"
    assert audited_actions(site).count("SUBJECTS_IMPORTED") == 1


class Dying(SiteAudit):
    """Its process ends as it is about to be told of a deed."""

    def append(self, *_args: object, **_named: object) -> None:  # type: ignore[override]  dies instead
        raise KeyboardInterrupt


class DyingAfterwards(SiteAudit):
    """Its process ends as soon as the deed stands there."""

    def append(self, action: str, **named: Any) -> None:  # type: ignore[override]  dies instead
        super().append(action, **named)
        raise KeyboardInterrupt


@pytest.mark.parametrize("audit", [Dying, DyingAfterwards])
def test_import_killed_around_its_audit_entry_is_on_record_once_after_the_next(
    site: Site, monkeypatch: pytest.MonkeyPatch, audit: type[SiteAudit]
) -> None:
    """The facts are there, the entry stands once, and the second run says what the first would have said."""
    monkeypatch.setattr(myofed_node.subjects.register, "SiteAudit", audit)
    with pytest.raises(KeyboardInterrupt):
        _import(site, "subject,sex\nS1,male\n")
    monkeypatch.undo()
    done = _import(site, "subject,sex\nS1,male\n")
    assert (done.state, done.new, done.changed) == ("imported", 1, 0)
    assert audited_actions(site).count("SUBJECTS_IMPORTED") == 1
    assert _import(site, "subject,sex\nS1,male\n").state == "unchanged"


@pytest.mark.parametrize("audit", [Dying, DyingAfterwards])
def test_killed_import_is_on_record_even_if_another_file_follows(
    site: Site, monkeypatch: pytest.MonkeyPatch, audit: type[SiteAudit]
) -> None:
    """Each with its own counts, in order."""
    monkeypatch.setattr(myofed_node.subjects.register, "SiteAudit", audit)
    with pytest.raises(KeyboardInterrupt):
        _import(site, "subject,sex\nS1,male\nS2,male\n")
    monkeypatch.undo()
    assert _import(site, "subject,sex\nS1,female\n").state == "imported"
    told = [entry.detail for entry in SiteAudit(site.folder).entries() if entry.action == "SUBJECTS_IMPORTED"]
    assert told == [{"subjects": 2, "new": 2, "changed": 0}, {"subjects": 1, "new": 0, "changed": 1}]


def test_register_that_an_older_program_left_off_the_record_is_entered(site: Site) -> None:
    """It kept no counts for the entry: the subjects it knows are counted."""
    _import(site, "subject,sex\nS1,male\n")
    register = read_register(site)
    site.folder.subjects.write_bytes(canonical_json(register.model_copy(update={"on_record": False})))
    assert _import(site, "subject,sex\nS1,male\n").state == "imported"
    assert audited_actions(site).count("SUBJECTS_IMPORTED") == 2
    assert read_register(site).on_record


def test_later_file_replaces_what_it_names_and_keeps_the_rest(site: Site) -> None:
    """Subject by subject."""
    _import(site, "subject,sex\nS1,male\nS2,female\n")
    done = _import(site, "subject,sex\nS2,other\nS3,male\n")
    assert (done.new, done.changed) == (1, 1)
    assert [(f.subject, f.sex) for f in read_register(site).subjects] == [
        ("S1", "male"),
        ("S2", "other"),
        ("S3", "male"),
    ]


def test_patient_id_is_linked_as_de_identification_does(site: Site) -> None:
    """The same keyed pseudonym as in the data set; the number is nowhere in the folder."""
    _import(site, "patient_id,issuer,sex\n 4711-0815 ,KH,male\n")
    (site.folder.root / "facts.csv").unlink()
    label = pseudonym(load_deid_keys(site.folder), issuer="KH", patient_id="4711-0815")
    assert facts_of(site, label).sex == "male"
    assert all(b"4711-0815" not in path.read_bytes() for path in site.folder.root.rglob("*") if path.is_file())
    assert label in subjects_of(site.folder)


def test_bundle_is_told_from_csv_by_its_content(site: Site) -> None:
    """JSON begins with a brace, whatever the file is called."""
    assert refusal_code(lambda: _import(site, ' {"resourceType": "Bundle"}')) == "SUBJECTS_INVALID"


def test_file_that_is_too_large_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it is parsed."""
    monkeypatch.setattr(myofed_node.subjects.register, "LARGEST_FILE_BYTES", 10)
    assert refusal_code(lambda: _import(site, "subject,sex\nS1,male\n")) == "SUBJECTS_INVALID"
