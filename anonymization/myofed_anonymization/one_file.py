"""One input file: let in, treated, written, verified, released; or withheld with one code. No fault of a file stops a run."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import FileDataset

from myofed_anonymization.admission import admit
from myofed_anonymization.burned_in import check_burned_in
from myofed_anonymization.clean_elements import Clean
from myofed_anonymization.dataset import deidentified
from myofed_anonymization.element_reader import Bounds, read_elements
from myofed_anonymization.elements import peek
from myofed_anonymization.identifying_values import Common
from myofed_anonymization.identity import Identity, Patient, identity_of, patient_of
from myofed_anonymization.output_folder import Staging
from myofed_anonymization.part10 import EXPLICIT_BIG, damage_withholds, inflated, quiet_pydicom, read, write
from myofed_anonymization.policy import Policy
from myofed_anonymization.side_numbers import side_numbers
from myofed_anonymization.treatment import Rules, Treatment
from myofed_anonymization.vault import Vault
from myofed_anonymization.verify import verify
from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import FileOutcome, InstancePath, NoteCode, WithheldCode

PATIENT_IDENTITY_REMOVED = 0x00120062
UIDS = (0x0020000D, 0x0020000E, 0x00080018)
"""StudyInstanceUID, SeriesInstanceUID, SOPInstanceUID."""
_NEW_UID = re.compile(r"2\.25\.\d{1,39}")
_UID = re.compile(r"[0-9.]{1,64}")


@dataclass(frozen=True, slots=True)
class Treated:
    """A file's outcome, and the numbers of its vendor's binary header for the side record."""

    outcome: FileOutcome
    numbers: dict[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bench:
    """Where files are treated: the rules, the vault if there is one, and this process's place for unverified files."""

    rules: Rules
    staging: Staging
    vault: Vault | None = None
    common: Common = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "common", Common.from_policy(self.rules.policy))  # once a run: several hundred words


def read_input(path: Path, *, max_bytes: int) -> bytes:
    """The bytes of a regular file.

    Raises:
        WithheldError: NOT_A_REGULAR_FILE, TOO_LARGE or UNREADABLE.
    """
    if path.is_symlink() or not path.is_file():
        raise WithheldError(WithheldCode.NOT_A_REGULAR_FILE)
    try:
        if path.stat().st_size > max_bytes:
            raise WithheldError(WithheldCode.TOO_LARGE)
        return path.read_bytes()
    except OSError as error:
        raise WithheldError(WithheldCode.UNREADABLE) from error


def treat(content: bytes, *, sha256: str, number: int, bench: Bench) -> Treated:
    """The one outcome of these bytes; where it is a release, the verified file lies in the output folder.

    Args:
        content: The whole input file.
        sha256: Its digest.
        number: The input's running number.
        bench: See Bench.

    Raises:
        MyofedError: The vault or the source of pseudonyms refuses; the run ends.
        OSError: The output folder cannot be written.
    """
    try:
        with quiet_pydicom():
            return _released(content, sha256=sha256, number=number, bench=bench)
    except WithheldError as refusal:
        return withheld(number, refusal.reason, sha256=sha256)


def withheld(number: int, code: WithheldCode, *, sha256: str | None = None) -> Treated:
    """The outcome of a file that is not released."""
    return Treated(FileOutcome(number=number, input_sha256=sha256, outcome="withheld", code=code))


def _released(content: bytes, *, sha256: str, number: int, bench: Bench) -> Treated:
    policy = bench.rules.policy
    bounds = Bounds.from_policy(policy)
    with damage_withholds():
        original = inflated(content, max_bytes=policy.max_inflated_bytes)
        before = read_elements(original, bounds=bounds)
        known = _known(original, policy)
    patient = patient_of(known.identity, keys=bench.rules.keys, pseudonyms=bench.rules.pseudonyms)
    with damage_withholds():
        candidate = _candidate(known, patient, bench.rules)
    with bench.staging.holding(candidate.content) as staged:
        written = staged.read_bytes()
        with damage_withholds():
            verified = verify(written, original=original, before=before, common=bench.common, bounds=bounds)
        notes = known.identity.notes + candidate.notes
        outcome = FileOutcome(
            number=number,
            input_sha256=sha256,
            outcome="deidentified",
            notes=notes if original is content else (*notes, NoteCode.INFLATED),
            output=candidate.output,
            output_sha256=verified.sha256,
            pixel_sha256=verified.pixel_sha256,
            actions=candidate.actions,
            checks=verified.checks,
        )
        if bench.vault is not None:
            identity = known.identity
            bench.vault.record(pseudonym=patient.label, issuer=identity.issuer, patient_id=identity.patient_id)
        bench.staging.release(staged, output=candidate.output)
    return Treated(outcome, candidate.numbers)


@dataclass(frozen=True, slots=True)
class _Known:
    """A file that was let in: its elements, its IOD, and who it is of."""

    dataset: FileDataset
    iod: str
    identity: Identity


def _known(content: bytes, policy: Policy) -> _Known:
    dataset = read(content)
    iod = admit(dataset, policy=policy)
    check_burned_in(dataset, policy=policy)
    return _Known(dataset, iod, identity_of(dataset, max_depth=policy.max_depth))


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A de-identified file in memory, before it is written and verified."""

    content: bytes
    output: InstancePath
    notes: tuple[NoteCode, ...]
    actions: dict[str, int]
    numbers: dict[str, tuple[float, ...]]


def _candidate(known: _Known, patient: Patient, rules: Rules) -> _Candidate:
    dataset = known.dataset
    syntax = dataset.file_meta.TransferSyntaxUID
    told = side_numbers(dataset)
    treatment = Treatment(rules, patient, known.iod, little=syntax != EXPLICIT_BIG)
    result = deidentified(dataset, treatment=treatment)
    claimed = str(peek(dataset, PATIENT_IDENTITY_REMOVED, "")).strip() == "YES"
    notes = {NoteCode.ALREADY_DEIDENTIFIED: claimed, NoteCode.VENDOR_HEADER_DAMAGED: told.damaged}
    return _Candidate(
        content=write(result, transfer_syntax=syntax),
        output=_output(result, rules),
        notes=tuple(note for note, holds in notes.items() if holds) + tuple(sorted(treatment.notes)),
        actions=dict(sorted(treatment.counts.items())),
        numbers=told.values,
    )


def _output(result: Clean, rules: Rules) -> InstancePath:
    """Folders and file are named by new UIDs, even where the policy retains those in the file.

    Raises:
        WithheldError: UID_MISSING, no UID that could be a name.
    """
    names = []
    for tag in UIDS:
        value = result[tag].value if tag in result else b""
        uid = value.decode("latin-1").rstrip("\0") if isinstance(value, bytes) else ""
        names.append(rules.file_name(uid) if _UID.fullmatch(uid) else "")
    if not all(_NEW_UID.fullmatch(name) for name in names):
        raise WithheldError(WithheldCode.UID_MISSING)
    return f"{'/'.join(names)}.dcm"
