"""What must hold after a federation was killed again and again: the same weights, whole records on both sides, nothing left."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from myofed_coordinator.audit import AuditLog
from myofed_coordinator.federation.checkpoint import load_progress
from myofed_coordinator.runs.folder import RunFolder, read_events
from myofed_node.audit import SiteAudit
from myofed_node.audit_exchange import verify_cosigned
from myofed_node.federation.privacy_ledger import PrivacyLedger
from myofed_node.federation.round_log import MAX_ASKED, MAX_RUNS, RoundLog
from myofed_schemas.audit import AuditEntry
from myofed_schemas.federation import RunStatus
from proofs.federation_plant import PROGRAM, Plant

TEMPORARY = ("*.tmp", "*.new", "*.part", "*.draft")


def faults_of_the_end(status: RunStatus, *, rounds: int, sites: tuple[str, ...]) -> list[str]:
    """The run is completed, every round with every site, and every site evaluated the last model."""
    faults = [] if status.state == "completed" else [f"the run ended {status.state} with {status.code}"]
    if len(status.rounds) != rounds:
        faults.append(f"{len(status.rounds)} rounds, not {rounds}")
    short = [report for report in status.rounds if report.sites != sites or report.errors]
    faults += [f"round {report.round} with {', '.join(report.sites)} only" for report in short]
    if status.final is None or tuple(sorted(status.final.dice_per_site)) != sites:
        faults.append("the last model was not evaluated at every site")
    return faults


def faults_of_the_weights(found: RunFolder, wanted: RunFolder, *, rounds: int) -> list[str]:
    """Each round's file is that of the undisturbed run to the bit, and so is what each site sent."""
    faults = []
    for number in range(1, rounds + 1):
        if digest_of(found.weights(number)) != digest_of(wanted.weights(number)):
            faults.append(f"round {number}: other weights than the undisturbed run's")
        if read(found.record(number)) != read(wanted.record(number)):
            faults.append(f"round {number}: a site sent other numbers than in the undisturbed run")
    initial = found.manifest().manifest.initial_weights_sha256
    if len(load_progress(found, initial_sha256=initial).reports) != rounds:
        faults.append("the checkpoints cannot be gone on from")
    return faults


def digest_of(path: Path) -> str:
    """SHA-256 of a file; empty where there is none."""
    return hashlib.sha256(read(path)).hexdigest() if path.exists() else ""


def read(path: Path) -> bytes:
    """The file's bytes; none where it is missing."""
    return path.read_bytes() if path.exists() else b""


def faults_of_the_coordinators_chain(plant: Plant, run: RunFolder) -> list[str]:
    """The chain holds, and says of this run one beginning and one end."""
    code, said = _command("myofed_coordinator", "audit", "verify", "--home", str(plant.it.home.root))
    faults = [] if code == 0 else [f"coordinator: audit verify ended with {code}: {said[-200:]}"]
    actions = Counter(e.action for e in AuditLog(plant.it.home.audit).entries() if e.subject == run.run_id)
    if (actions["RUN_STARTED"], actions["RUN_ENDED"]) != (1, 1):
        faults.append(f"coordinator: the audit chain says of the run {dict(actions)}")
    events = Counter((e.event, e.round) for e in read_events(run))
    numbers = range(1, len(run.status().rounds) + 1)
    if unheard := [n for n in numbers if not events["ROUND_STARTED", n]]:
        faults.append(f"coordinator: no event of the beginning of rounds {unheard}")
    return faults


def faults_of_a_site(plant: Plant, name: str, run: RunFolder, undisturbed: RunFolder) -> list[str]:
    """Both chains hold and the coordinator co-signed the whole; every round was trained, each time with the same answer."""
    folder = plant.it.nodes[name].site.folder
    code, said = _command("myofed_node", "audit", "verify", "--site", str(folder.root), "--json")
    if code != 0:
        return [f"{name}: audit verify ended with {code}: {said[-200:]}"]
    verdict, faults = json.loads(said), []
    mine = list(_of_run(SiteAudit(folder).entries(), run))
    trained = {(int(e.detail["round"]), str(e.detail["weights"])) for e in mine if e.action == "ROUND_TRAINED"}
    calm = _of_run(SiteAudit(folder).entries(), undisturbed)
    wanted = {(int(e.detail["round"]), str(e.detail["weights"])) for e in calm if e.action == "ROUND_TRAINED"}
    if trained != wanted:
        rounds = sorted({number for number, _ in trained ^ wanted})
        faults.append(f"{name}: the audit chain has other updates than in the undisturbed run, in rounds {rounds}")
    if not any(e.action == "MODEL_EVALUATED" for e in mine):
        faults.append(f"{name}: the audit chain has no evaluation")
    if mine and verdict["cosigned_up_to"] < mine[-1].sequence:
        faults.append(f"{name}: co-signed up to {verdict['cosigned_up_to']}, the run ends at {mine[-1].sequence}")
    digests = {entry.sequence: entry.digest() for entry in SiteAudit(folder).entries()}
    heads = [e.detail for e in AuditLog(plant.it.home.audit).entries() if _is_head_of(e, name)]
    if not heads or any(digests.get(int(head["sequence"])) != head["head"] for head in heads):
        faults.append(f"{name}: a head in the coordinator's chain is not an entry of the site's")
    return faults + _faults_of_the_counters(plant, name, run)


def is_cosigned(plant: Plant, name: str, run: RunFolder) -> bool:
    """The coordinator has signed all that this site's chain says of the run; every node asks for that by itself."""
    folder = plant.it.nodes[name].site.folder
    mine = [entry.sequence for entry in _of_run(SiteAudit(folder).entries(), run)]
    return verify_cosigned(folder) >= max(mine, default=0)


def times_asked(plant: Plant, name: str, run: RunFolder) -> dict[int, int]:
    """Round -> how often this site was asked to train in it."""
    study = run.manifest().manifest.study_id
    entries = RoundLog(plant.it.nodes[name].site.folder.study(study) / "rounds.jsonl").entries()
    mine = [e.instruction for e in entries if e.instruction.run_id == run.run_id and e.instruction.kind == "train"]
    return dict(sorted(Counter(i.round for i in mine).items()))


def _faults_of_the_counters(plant: Plant, name: str, run: RunFolder) -> list[str]:
    study = run.manifest().manifest.study_id
    folder = plant.it.nodes[name].site.folder.study(study)
    asked = times_asked(plant, name, run)
    runs = {e.instruction.run_id for e in RoundLog(folder / "rounds.jsonl").entries()}
    faults = [f"{name}: asked for round {n} {k} times" for n, k in asked.items() if k > MAX_ASKED]
    if list(asked) != list(range(1, len(run.status().rounds) + 1)):
        faults.append(f"{name}: the log of rounds has {list(asked)}")
    if len(runs) >= MAX_RUNS:
        faults.append(f"{name}: {len(runs)} runs of one approval are used up")
    if PrivacyLedger(folder).entries():
        faults.append(f"{name}: a study without privacy has spent some")
    return faults


def half_files(plant: Plant) -> list[str]:
    """Temporary names in any of the folders; nothing runs."""
    found = [
        f"{name}: {path.relative_to(plant.root(name)).as_posix()}"
        for name in plant.names()
        for pattern in TEMPORARY
        for path in plant.root(name).rglob(pattern)
    ]
    return sorted(found)


def _of_run(entries: Iterator[AuditEntry], run: RunFolder) -> Iterator[AuditEntry]:
    return (entry for entry in entries if entry.detail.get("run") == run.run_id)


def _is_head_of(entry: AuditEntry, site: str) -> bool:
    return entry.action == "AUDIT_HEAD_COSIGNED" and entry.subject == site


def _command(module: str, *arguments: str) -> tuple[int, str]:
    argv = [sys.executable, "-c", PROGRAM.format(module=module), *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout if done.returncode == 0 else done.stderr + done.stdout
