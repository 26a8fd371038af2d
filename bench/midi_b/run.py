"""One run: de-identify the data, map its identifiers, score the output, write what came of it."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.midi_b.answer_key import read_answer_key
from bench.midi_b.mapping import Inputs, read_inputs
from bench.midi_b.report import document
from bench.midi_b.score import Output, Score, score
from myofed_anonymization import Policy, SiteKeys, deidentify
from myofed_schemas.deid import REPORT_NAME, DeidentificationReport
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import write_atomically

PUBLIC_KEY_NEVER_FOR_PATIENTS = SiteKeys(hashlib.sha256(b"myofed bench midi-b").digest())
"""The same for everyone: the data are synthetic and public, and two runs can be compared byte for byte."""
RESULT = "midi_b.json"
WITHOUT_DIGEST = "WITHOUT_DIGEST"
"""Stands for the code of an input that the report holds no digest of (unreadable, or its process died)."""


def run(data: Path, key: Path, out: Path, *, policy: Policy, now: dt.datetime) -> dict[str, Any]:
    """`out` holds the de-identified data, both mapping files and midi_b.json; returns the latter.

    May be called again with the same arguments after an interruption.

    Args:
        data: The benchmark's images.
        key: Its answer key, unpacked.
        out: Not inside the data; `out`/deidentified is new, empty or of an earlier run with this policy.
        policy: What may stay.
        now: Time of the report.

    Raises:
        MyofedError: ANSWER_KEY_INVALID, ANSWER_KEY_EMPTY, or what `deidentify` says.
    """
    next(read_answer_key(key), None)  # a file that is no key is found before hours of work
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    deidentified = out / "deidentified"
    deidentify(data, deidentified, keys=PUBLIC_KEY_NEVER_FOR_PATIENTS, policy=policy, now=now)
    inputs = read_inputs(data, keys=PUBLIC_KEY_NEVER_FOR_PATIENTS, retain_uids=policy.retain_uids)
    inputs.mappings.write(out)
    report = DeidentificationReport.model_validate_json((deidentified / REPORT_NAME).read_bytes())
    result = score(read_answer_key(key), output_of(report, inputs, deidentified, dates=policy.retain_modified_dates))
    found = document(result, run=_facts(report, inputs, result, key))
    write_atomically(out / RESULT, json.dumps(found, indent=1).encode() + b"\n", mode=0o644)
    return found


def output_of(report: DeidentificationReport, inputs: Inputs, folder: Path, *, dates: bool) -> Output:
    """The report's outcomes by old SOPInstanceUID: input and outcome are joined by the input's digest.

    An instance that several inputs claim is released when one of them was; one without outcome (its digest was never
    taken) counts as withheld.
    """
    outcomes = {file.input_sha256: file for file in report.files if file.input_sha256}
    released: dict[str, Path] = {}
    withheld: dict[str, str] = {}
    days: dict[str, int] = {}
    for uid, claims in inputs.instances.items():
        for claim in claims:
            outcome = outcomes.get(claim.sha256)
            if outcome is not None and outcome.output is not None:
                released[uid] = folder / outcome.output
                days[uid] = claim.days
            else:
                withheld[uid] = outcome.code.value if outcome is not None and outcome.code else WITHOUT_DIGEST
    return Output(released, withheld, inputs.mappings, days if dates else {})


def _facts(report: DeidentificationReport, inputs: Inputs, result: Score, key: Path) -> dict[str, Any]:
    if not result.total.total():
        raise MyofedError(
            "ANSWER_KEY_EMPTY",
            "expected an answer key with required actions, found none",
            hint="a score of nothing says nothing",
            exit_code=ExitCode.USAGE,
        )
    with key.open("rb") as stream:
        key_sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return {
        "created": report.created,
        "answer_key_sha256": key_sha256,
        "policy": report.policy,
        "policy_digest": report.policy_digest,
        "tools": {**report.tools, "numpy": version("numpy")},
        "files": {
            "received": report.received,
            "deidentified": report.deidentified,
            "withheld": report.withheld,
            "not_dicom": len(inputs.not_dicom),
            "patient_ids_of_two_issuers": len(inputs.ambiguous),
        },
    }
