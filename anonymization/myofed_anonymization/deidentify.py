"""The one public verb: files in, verified de-identified files and a report out."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Never

from myofed_anonymization.admission import admit
from myofed_anonymization.dataset import deidentified
from myofed_anonymization.elements import peek
from myofed_anonymization.identifying_values import Common
from myofed_anonymization.identity import patient_of
from myofed_anonymization.keys import SiteKeys
from myofed_anonymization.output_folder import OutputFolder
from myofed_anonymization.part10 import damage_withholds, quiet_pydicom, read, write
from myofed_anonymization.policy import Policy
from myofed_anonymization.profile import EDITION, ROWS, load_profile
from myofed_anonymization.text import Vocabulary
from myofed_anonymization.treatment import Rules, Treatment
from myofed_anonymization.verify import verify
from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import DeidentificationReport, FileOutcome, InstancePath, NoteCode, WithheldCode
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

Progress = Callable[[int, int], None]
"""Called with (files done, files in all) after every file."""
PATIENT_IDENTITY_REMOVED = 0x00120062
_NEW_UID = re.compile(r"2\.25\.\d{1,39}")
CLAIM = (
    "Pseudonymised by PS3.15 Annex E (Basic Application Level Confidentiality Profile with the options named in each file), "
    "keyed with the site's key, each file searched for its original's identifying values after writing. Not anonymous: "
    "who holds the site's key can test a guess, and images of a body remain images of that body."
)


def deidentify(
    sources: Path | Iterable[Path],
    out: Path,
    *,
    keys: SiteKeys,
    policy: Policy,
    now: dt.datetime,
    progress: Progress | None = None,
) -> DeidentificationReport:
    """`out` holds a verified de-identified copy of every input that could be proven clean, and a report on every input.

    Copies lie at <StudyInstanceUID>/<SeriesInstanceUID>/<SOPInstanceUID>.dcm (new UIDs); deidentification-report.json is
    written last. May be killed at any moment and called again with the same arguments: the result is that of one
    undisturbed run. A file of `out` that this call did not make is removed when it lies in that layout.

    Args:
        sources: A file, a folder (walked; symbolic links are not followed) or several of them.
        out: A folder that is new, empty, or of an earlier call with the same key and policy; not inside a source.
        keys: The site's key.
        policy: What may stay.
        now: Time of the report, with its time zone.
        progress: Called after every file.

    Returns:
        The report, as written.

    Raises:
        MyofedError: SOURCE_MISSING, SOURCE_EMPTY, SOURCE_UNREADABLE, OUT_INSIDE_SOURCE, OUT_NOT_EMPTY or OUT_OF_ANOTHER_RUN.
        OSError: `out` cannot be written.
    """
    roots = [sources] if isinstance(sources, Path) else list(sources)
    inputs = _inputs(roots, out)
    folder = OutputFolder.open(out, mark=f"{keys.check()}-{policy.digest()[:16]}")
    rules = Rules(keys, policy, load_profile(), Vocabulary.from_policy(policy))
    outcomes: list[FileOutcome] = []
    for number, path in enumerate(inputs, start=1):
        outcomes.append(_outcome(path, number=number, rules=rules, folder=folder))
        if progress:
            progress(number, len(inputs))
    files = _without_conflicts(outcomes)
    report = _report(files, keys=keys, policy=policy, now=now)
    folder.finish(report)
    return report


def _inputs(roots: list[Path], out: Path) -> list[Path]:
    """All files below the roots, each once, sorted by path."""
    target = out.resolve()
    found: set[Path] = set()
    for root in roots:
        if not root.exists():
            raise _refusal("SOURCE_MISSING", "expected a file or folder as source, found nothing", "check the path")
        if target.is_relative_to(root.resolve()):
            raise _refusal(
                "OUT_INSIDE_SOURCE", "expected an output folder outside the sources", "choose another folder"
            )
        found |= set(_walk(root))
    if not found:
        raise _refusal(
            "SOURCE_EMPTY", "expected a source with files, found none", "check the path, or whether it is mounted"
        )
    return sorted(found)


def _walk(root: Path) -> Iterator[Path]:
    """All files at or below the root; links to folders are entries of their own and not followed."""
    if not root.is_dir():
        yield root
        return
    for folder, folders, names in os.walk(root, onerror=_unreadable):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        yield from (Path(folder, name) for name in (*names, *links))


def _unreadable(error: OSError) -> Never:
    raise _refusal(
        "SOURCE_UNREADABLE", "expected a folder that can be listed, found one that cannot", "check its permissions"
    ) from error


def _refusal(code: str, message: str, hint: str) -> MyofedError:
    return MyofedError(code, message, hint=hint, exit_code=ExitCode.USAGE)


def _outcome(path: Path, *, number: int, rules: Rules, folder: OutputFolder) -> FileOutcome:
    """The one outcome of this input; no fault of a file stops the run."""
    digest: str | None = None
    try:
        content = _content(path, rules.policy.max_file_bytes)
        digest = hashlib.sha256(content).hexdigest()
        with quiet_pydicom():
            return _released(content, number=number, rules=rules, folder=folder)
    except WithheldError as refusal:
        return FileOutcome(number=number, input_sha256=digest, outcome="withheld", code=refusal.reason)


def _content(path: Path, max_bytes: int) -> bytes:
    if path.is_symlink() or not path.is_file():
        raise WithheldError(WithheldCode.NOT_A_REGULAR_FILE)
    try:
        if path.stat().st_size > max_bytes:
            raise WithheldError(WithheldCode.TOO_LARGE)
        return path.read_bytes()
    except OSError as error:
        raise WithheldError(WithheldCode.UNREADABLE) from error


def _released(content: bytes, *, number: int, rules: Rules, folder: OutputFolder) -> FileOutcome:
    with damage_withholds():
        candidate = _candidate(content, rules)
    with folder.staged(candidate.content) as staged:
        written = staged.read_bytes()
        with damage_withholds():
            verified = verify(written, original=content, common=Common.from_policy(rules.policy))
        outcome = FileOutcome(
            number=number,
            input_sha256=hashlib.sha256(content).hexdigest(),
            outcome="deidentified",
            notes=candidate.notes,
            output=candidate.output,
            output_sha256=verified.sha256,
            pixel_sha256=verified.pixel_sha256,
            actions=candidate.actions,
            checks=verified.checks,
        )
        folder.release(staged, output=candidate.output)
    return outcome


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A de-identified file in memory, before it is written and verified."""

    content: bytes
    output: InstancePath
    notes: tuple[NoteCode, ...]
    actions: dict[str, int]


def _candidate(content: bytes, rules: Rules) -> _Candidate:
    dataset = read(content)
    iod = admit(dataset, policy=rules.policy)
    patient = patient_of(dataset, keys=rules.keys, max_depth=rules.policy.max_depth)
    syntax = dataset.file_meta.TransferSyntaxUID
    treatment = Treatment(rules, patient, iod, implicit=syntax.is_implicit_VR, little=syntax.is_little_endian)
    result = deidentified(dataset, treatment=treatment)
    uids = (result.StudyInstanceUID, result.SeriesInstanceUID, result.SOPInstanceUID)
    if not all(_NEW_UID.fullmatch(str(uid)) for uid in uids):
        raise WithheldError(WithheldCode.UID_MISSING)
    claimed = str(peek(dataset, PATIENT_IDENTITY_REMOVED, "")).strip() == "YES"
    return _Candidate(
        content=write(result, transfer_syntax=syntax),
        output=f"{'/'.join(uids)}.dcm",
        notes=patient.notes + (NoteCode.ALREADY_DEIDENTIFIED,) * claimed,
        actions=dict(sorted(treatment.counts.items())),
    )


def _without_conflicts(outcomes: list[FileOutcome]) -> tuple[FileOutcome, ...]:
    """The outcomes with every group of inputs that claim one SOPInstanceUID judged: identical or withheld, all of them."""
    claims: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.output and outcome.output_sha256:
            claims.setdefault(Path(outcome.output).name, []).append(outcome.output + outcome.output_sha256)
    seen: set[str] = set()
    return tuple(_judged(outcome, claims, seen) for outcome in outcomes)


def _judged(outcome: FileOutcome, claims: dict[str, list[str]], seen: set[str]) -> FileOutcome:
    if outcome.output is None:
        return outcome
    name = Path(outcome.output).name
    if len(set(claims[name])) > 1:
        return FileOutcome(
            number=outcome.number,
            input_sha256=outcome.input_sha256,
            outcome="withheld",
            code=WithheldCode.DUPLICATE_CONFLICT,
        )
    if name in seen:
        return outcome.model_copy(update={"notes": (*outcome.notes, NoteCode.DUPLICATE_IDENTICAL)})
    seen.add(name)
    return outcome


def _report(
    files: tuple[FileOutcome, ...], *, keys: SiteKeys, policy: Policy, now: dt.datetime
) -> DeidentificationReport:
    released = sum(file.outcome == "deidentified" for file in files)
    codes = Counter(file.code.value for file in files if file.code)
    return DeidentificationReport(
        created=now.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        policy=policy.version,
        policy_digest=policy.digest(),
        profile_edition=EDITION,
        profile_rows=ROWS,
        tools={name: version(name) for name in ("myofed", "pydicom")},
        key_check=keys.check(),
        claim=CLAIM,
        received=len(files),
        deidentified=released,
        withheld=len(files) - released,
        withheld_by_code=dict(sorted(codes.items())),
        files=files,
    )
