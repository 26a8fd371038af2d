"""20,000 damaged data sets: the validator never fails, never waits, and what it lets pass is what it was."""

from __future__ import annotations

import gzip
import json
import random
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from broken.good import good

from myofed_node.mids.validation.validate import validate
from myofed_node.mids.validation.validation_page import validation_page
from myofed_schemas.rules import ValidationReport

BATCH = 500
SECONDS_A_DATASET = 10
STANDARD_EACH = 4
"""Every fourth is validated with the rules of the draft alone as well."""
LEAST_FOUND = 0.5
"""Below this share of damages with a finding, the search for what passes says little."""
CORNER_MM = 0.05
"""What the geometry may have moved unnoticed: the rule's own 0.01 mm on each of three axes, and rounding."""
IDENTITY = ('"PatientName": "Fantasia^Ottilie",', '"Visit": "2026-11-22",', '"Nested": [{"AccessionNumber": "x"}],')
VALUES = (
    "NaN", "-Infinity", "1e999", "1" * 6000, "10" + "0" * 400, "null", "true", "[]", "{}", '"12"', '"\\ud800"', '"\\u0000"',
    "[" * 100 + "]" * 100, "[" * 200_000, '{"a":' * 100 + "1" + "}" * 100, "-1", "0", "0.012", '[1, "x"]', "[1, 2, NaN]",
    '{"Bone": "femur", "PercentOfLength": [1' + "0" * 400 + "]}", '{"Landmark": 5, "DistanceToLandmark": "all"}',
)  # fmt: skip


@dataclass(frozen=True)
class Damage:
    """One file of the good data set with other bytes."""

    name: str
    how: str
    content: bytes


@dataclass(slots=True)
class Batch:
    """What became of some damaged data sets; `failed` names each by its number, so that `damage(seed, number)` makes it again."""

    datasets: int = 0
    found: int = 0
    slowest_s: float = 0.0
    codes: Counter[str] = field(default_factory=Counter)
    ways: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    def add(self, other: Batch) -> None:
        """The counts are those of both."""
        self.datasets += other.datasets
        self.found += other.found
        self.slowest_s = max(self.slowest_s, other.slowest_s)
        self.codes.update(other.codes)
        self.ways.update(other.ways)
        self.failed += other.failed


def mutated_datasets(
    count: int = 20_000, seed: int = 1, *, processes: int = 2
) -> tuple[list[dict[str, Any]], list[str]]:
    """What became of so many damaged data sets, and what must not have."""
    begin, total = time.monotonic(), Batch()
    with ProcessPoolExecutor(processes) as pool:
        runs = [pool.submit(run_batch, seed, first, min(BATCH, count - first)) for first in range(0, count, BATCH)]
        for done, run in enumerate(as_completed(runs), start=1):
            total.add(run.result())
            print(f"{done} of {len(runs)} batches, {total.found} found, {len(total.failed)} failed", file=sys.stderr)
    failed = total.failed
    if total.found < LEAST_FOUND * count:
        failed.append(f"{total.found} of {count} damages found: too few to say that what passes is right")
    tried = {
        "seed": seed,
        "datasets": total.datasets,
        "with_findings": total.found,
        "findings_by_code": dict(sorted(total.codes.items())),
        "damages_by_way": dict(sorted(total.ways.items())),
        "slowest_dataset_s": round(total.slowest_s, 2),
        "seconds": round(time.monotonic() - begin, 1),
    }
    return [tried], failed


def run_batch(seed: int, first: int, size: int) -> Batch:
    """The damages with these numbers, each judged alone in one data set that is mended in between."""
    batch = Batch()
    with tempfile.TemporaryDirectory(prefix="myofed-damaged-") as folder:
        root = good(Path(folder))
        whole = {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
        for number in range(first, first + size):
            one = damage(whole, seed, number)
            (root / one.name).write_bytes(one.content)
            _judge(batch, root, one, whole[one.name], f"{seed}/{number} ({one.how} {one.name})")
            (root / one.name).write_bytes(whole[one.name])
    return batch


def _judge(batch: Batch, root: Path, one: Damage, before: bytes, told: str) -> None:
    batch.datasets += 1
    batch.ways[one.how] += 1
    begin = time.monotonic()
    try:
        report = validate(root)
        standard = validate(root, standard_only=True) if batch.datasets % STANDARD_EACH == 0 else None
        shown = validation_page(report) + report.model_dump_json().encode()
    except Exception as error:  # noqa: BLE001  whatever a validation raises on damaged files is what is looked for
        batch.failed.append(f"{told}: {type(error).__name__}: {error}")
        return
    seconds = time.monotonic() - begin
    batch.slowest_s = max(batch.slowest_s, seconds)
    batch.found += bool(report.findings)
    batch.codes.update({finding.code for finding in report.findings})
    batch.failed += [f"{told}: {fault}" for fault in _faults(report, standard, one, before)]
    if b"Fantasia" in shown:
        batch.failed.append(f"{told}: the report repeats a name")
    if seconds > SECONDS_A_DATASET:
        batch.failed.append(f"{told}: took {seconds:.1f} s")


def _faults(report: ValidationReport, standard: ValidationReport | None, one: Damage, before: bytes) -> list[str]:
    codes = {finding.code for finding in report.findings}
    of_the_draft = {finding.code for finding in standard.findings} if standard else set()
    faults = [] if of_the_draft <= codes else ["the draft alone finds more than draft and profile"]
    if one.how == "plant" and not codes & {"IDENTIFYING_KEY", "DATE_FOUND", "SIDECAR_INVALID"}:
        faults.append("a planted identity is not found")
    if not report.findings and one.content != before:
        faults += _still_what_it_was(one, before)
    return faults


def _still_what_it_was(one: Damage, before: bytes) -> list[str]:
    """How a file that passed differs from what it was in a way that should have been found."""
    if one.name.endswith(".nii.gz"):
        return _same_image(gzip.decompress(one.content), gzip.decompress(before))
    if one.name.endswith(".json"):
        then, now = json.loads(before), json.loads(one.content)
        return (
            []
            if isinstance(now, dict) and "Profile" in now and type(then) is type(now)
            else ["another JSON value passes"]
        )
    if one.name.endswith(".tsv"):
        return [] if _first_column(one.content) == _first_column(before) else ["another first column passes"]
    return []


def _first_column(content: bytes) -> list[str]:
    return sorted(line.split("\t")[0] for line in content.decode("utf-8-sig").splitlines()[1:] if line.strip())


def _same_image(now: bytes, then: bytes) -> list[str]:
    """By the standard's offsets alone: size, shape, type, and every corner where it was."""
    faults = [] if len(now) == len(then) else ["another number of bytes passes"]
    axes = struct.unpack_from("<h", then, 40)[0]
    for name, start, end in (("shape", 40, 42 + 2 * axes), ("voxel type", 70, 74)):
        if now[start:end] != then[start:end]:
            faults.append(f"another {name} passes")
    rows = [struct.unpack_from("<12f", content, 280) for content in (now, then)]
    shape = struct.unpack_from("<3h", then, 42)
    for corner in ((0, 0, 0), shape):
        places = [
            [sum(row[4 * a + i] * corner[i] for i in range(3)) + row[4 * a + 3] for a in range(3)] for row in rows
        ]
        if not all(abs(one - other) <= CORNER_MM for one, other in zip(*places, strict=True)):
            faults.append("another geometry passes")
    return faults


def damage(whole: dict[str, bytes], seed: int, number: int) -> Damage:
    """The data set's one damaged file with this number: the same for the same seed."""
    rng = random.Random(f"{seed}/{number}")
    name = rng.choice(sorted(whole))
    content = whole[name]
    ways: list[tuple[str, Callable[[random.Random, bytes], bytes]]] = [*BYTES]
    if name.endswith(".json"):
        ways += JSON_TEXT
    if name.endswith(".nii.gz"):
        ways += HEADER
    how, change = rng.choice(ways)
    return Damage(name, how, change(rng, content))


def _flip(rng: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 4, 32))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(rng: random.Random, content: bytes) -> bytes:
    return content[: rng.randrange(len(content))]


def _grow(rng: random.Random, content: bytes) -> bytes:
    place = rng.randrange(len(content) + 1)
    return content[:place] + rng.randbytes(rng.choice((1, 7, 4096))) + content[place:]


def _blank(rng: random.Random, content: bytes) -> bytes:
    start = rng.randrange(len(content))
    end = min(len(content), start + rng.randrange(1, 64))
    return content[:start] + bytes(end - start) + content[end:]


def _repeat(rng: random.Random, content: bytes) -> bytes:
    start = rng.randrange(len(content))
    piece = content[start : start + rng.randrange(1, 200)]
    return content[:start] + piece * rng.randrange(2, 20) + content[start + len(piece) :]


def _value(rng: random.Random, content: bytes) -> bytes:
    lines = content.decode().splitlines()
    with_key = [number for number, line in enumerate(lines) if '": ' in line]
    if not with_key:
        return b'{"x": ' + rng.choice(VALUES).encode() + b"}"
    number = rng.choice(with_key)
    key, comma = lines[number].split('": ')[0], "," if lines[number].endswith(",") else ""
    lines[number] = f'{key}": {rng.choice(VALUES)}{comma}'
    return "\n".join(lines).encode()


def _plant(rng: random.Random, content: bytes) -> bytes:
    return content.replace(b"{", b"{" + rng.choice(IDENTITY).encode(), 1)


def _header_bits(rng: random.Random, content: bytes) -> bytes:
    changed = bytearray(gzip.decompress(content))
    for _ in range(rng.choice((1, 1, 2))):
        changed[rng.randrange(352)] ^= 1 << rng.randrange(8)
    return gzip.compress(bytes(changed), compresslevel=1, mtime=0)


def _header_field(rng: random.Random, content: bytes) -> bytes:
    """A float or short of the header with a value that breaks programs."""
    changed = bytearray(gzip.decompress(content))
    if rng.random() < 0.5:
        place = rng.choice((*range(76, 120, 4), *range(256, 328, 4)))
        struct.pack_into("<f", changed, place, rng.choice((float("nan"), float("inf"), -1.0, 0.0, 1e30, 1e-30, 2e9)))
    else:
        struct.pack_into(
            "<h", changed, rng.choice((*range(40, 56, 2), 70, 72, 252, 254)), rng.choice((-1, 0, 1, 2, 32767))
        )
    return gzip.compress(bytes(changed), compresslevel=1, mtime=0)


def _resized(rng: random.Random, content: bytes) -> bytes:
    inside = gzip.decompress(content)
    longer = inside + rng.randbytes(rng.choice((1, 2, 100)))
    return gzip.compress(rng.choice((longer, inside[: rng.randrange(len(inside))])), compresslevel=1, mtime=0)


BYTES = (("flip", _flip), ("cut", _cut), ("grow", _grow), ("blank", _blank), ("repeat", _repeat))
JSON_TEXT = (("value", _value), ("value", _value), ("plant", _plant))
HEADER = (("header bits", _header_bits), ("header field", _header_field), ("resized", _resized))
