"""The register of subject facts of a site: one file, 0600, replaced whole or not at all."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from myofed_node.audit import SiteAudit
from myofed_node.key_custody import pseudonym_source
from myofed_node.keys import load_deid_keys
from myofed_node.site_setup import Site
from myofed_node.subjects.csv_facts import PseudonymOf, read_csv
from myofed_node.subjects.fhir_facts import read_bundle
from myofed_schemas.canonical import canonical_json
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import write_atomically
from myofed_schemas.service_loop import only_one
from myofed_schemas.subject_facts import PendingImport, SubjectFacts, SubjectRegister, SubjectsImported

LARGEST_FILE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class FactsFile:
    """What a person wants imported.

    Attributes:
        path: CSV, or JSON of a FHIR R4 bundle.
        issuer: IssuerOfPatientID for a bundle, which has none.
        system: The identifier of a bundle's patients that is the number in the images.
    """

    path: Path
    issuer: str = ""
    system: str = ""


def read_register(site: Site) -> SubjectRegister:
    """All facts of the site; none before the first import.

    Raises:
        MyofedError: SUBJECTS_BROKEN where the file is not of its form.
    """
    try:
        return SubjectRegister.model_validate_json(site.folder.subjects.read_bytes())
    except FileNotFoundError:
        return SubjectRegister()
    except ValidationError:
        raise MyofedError(
            "SUBJECTS_BROKEN",
            "expected subject facts in subjects.json, found something else",
            hint="restore it from the backup, or remove it and import again",
            exit_code=ExitCode.SITE_FOLDER,
        ) from None


def import_facts(site: Site, file: FactsFile, *, now: datetime, actor: str) -> SubjectsImported:
    """All facts of the file are in the register, in place of what it said of the same subjects; or nothing changed.

    Killed at any moment it can be run again: the same file brings the same register and one audit entry.

    Args:
        site: The site.
        file: The facts.
        now: UTC.
        actor: Login of who imports.

    Raises:
        MyofedError: SUBJECTS_INVALID, SUBJECTS_BROKEN, ALREADY_RUNNING, KEY_*, PSEUDONYMS_INVALID.
        OSError: The file cannot be read.
    """
    facts = _read(site, file)
    with only_one(site.folder.root / ".subjects.lock"):
        before, cut_short = _on_record(site, read_register(site), now=now, actor=actor)
        known = {each.subject: each for each in before.subjects}
        new = [each for each in facts if each.subject not in known]
        changed = [each for each in facts if each.subject in known and known[each.subject] != each]
        digest = hashlib.sha256(b"".join(canonical_json(each) for each in facts)).hexdigest()
        done = SubjectsImported(
            state="imported",
            subjects=len(facts),
            new=len(new),
            changed=len(changed),
            without_images=len({each.subject for each in facts} - _with_images(site)),
        )
        if not new and not changed:
            if cut_short is None or before.source_sha256 != digest:
                return done.model_copy(update={"state": "unchanged"})
            return done.model_copy(update={"new": cut_short.new, "changed": cut_short.changed})
        merged = {**known, **{each.subject: each for each in facts}}
        pending = PendingImport(
            after=SiteAudit(site.folder).last_sequence(), subjects=done.subjects, new=done.new, changed=done.changed
        )
        after = SubjectRegister(
            subjects=tuple(merged[label] for label in sorted(merged)),
            source_sha256=digest,
            on_record=False,
            pending=pending,
        )
        write_atomically(site.folder.subjects, canonical_json(after))
        _on_record(site, after, now=now, actor=actor)
    return done


def _on_record(
    site: Site, register: SubjectRegister, *, now: datetime, actor: str
) -> tuple[SubjectRegister, PendingImport | None]:
    """The import that brought this register stands in the audit chain, once; also one that was killed before it could.

    Returns:
        The register as it is kept now, and what was entered late or found entered; None where nothing was pending.
    """
    if register.on_record:
        return register, None
    audit = SiteAudit(site.folder)
    told = register.pending or PendingImport(
        after=audit.last_sequence(), subjects=len(register.subjects), new=0, changed=0
    )
    counts = {"subjects": told.subjects, "new": told.new, "changed": told.changed}
    if not audit.has_since(told.after, "SUBJECTS_IMPORTED", counts):
        audit.append("SUBJECTS_IMPORTED", now=now, actor=actor, detail=counts)
    kept = register.model_copy(update={"on_record": True, "pending": None})
    write_atomically(site.folder.subjects, canonical_json(kept))
    return kept, told


def facts_of(site: Site, subject: str) -> SubjectFacts:
    """What is known of this subject.

    Raises:
        MyofedError: SUBJECT_UNKNOWN, SUBJECTS_BROKEN.
    """
    for facts in read_register(site).subjects:
        if facts.subject == subject:
            return facts
    raise MyofedError(
        "SUBJECT_UNKNOWN",
        "expected a pseudonym of subjects.json, found none like it",
        hint="myofed-node subjects list --site DIR",
        exit_code=ExitCode.BAD_INPUT,
    )


def _with_images(site: Site) -> set[str]:
    return {path.name.removeprefix("sub-") for path in site.folder.dataset.glob("sub-*")}


def _read(site: Site, file: FactsFile) -> tuple[SubjectFacts, ...]:
    with file.path.open("rb") as stream:
        content = stream.read(LARGEST_FILE_BYTES + 1)
    if len(content) > LARGEST_FILE_BYTES:
        raise MyofedError(
            "SUBJECTS_INVALID",
            f"expected a file of at most {LARGEST_FILE_BYTES // 1024**2} MiB, found a larger one",
            hint="import it in parts",
            exit_code=ExitCode.BAD_INPUT,
        )
    if content.lstrip()[:1] == b"{":
        return read_bundle(content, pseudonym_of=_pseudonyms(site), issuer=file.issuer, system=file.system)
    return read_csv(content, pseudonym_of=_pseudonyms(site))


def _pseudonyms(site: Site) -> PseudonymOf:
    """As de-identification gives them; the keys are read only where a file names a patient by number."""
    from myofed_anonymization.pseudonym_sources import KeyedPseudonyms, PseudonymSource
    from myofed_anonymization.withheld import WithheldError

    opened: list[PseudonymSource] = []

    def label(issuer: str, patient_id: str) -> str:
        if not opened:
            opened.append(pseudonym_source(site) or KeyedPseudonyms(load_deid_keys(site.folder)))
        try:
            return opened[0].label(issuer=issuer, patient_id=patient_id)
        except WithheldError:
            return ""

    return label
