"""The demonstration, step by step: patients, nodes, enrolment, study, rounds, comparison, proof of what left."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from myofed_demo.egress_check import check_egress, planted_leak_is_found
from myofed_demo.federation import Federation
from myofed_demo.hospital import make_hospital
from myofed_demo.presets import preset_of_site
from myofed_demo.result import DemoResult, DiceTable, EgressCheck, SiteCounts
from myofed_demo.settings import STUDY_ID
from myofed_demo.study import study_draft
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.federation import MuscleScore, RunStatus, mean_dice

RUN_TIMEOUT_S = 3600.0
FINAL_STATES = ("completed", "failed", "stopped")


@dataclass(frozen=True)
class TrainedRun:
    """A finished run and where its model lies."""

    status: RunStatus
    model: Path


def tell(federation: Federation, *, peak_memory_mb: Callable[[], int]) -> DemoResult:
    """All steps have been done and everything they showed is in the result.

    Raises:
        MyofedError: A step failed; the message names the command and its log.
    """
    say, names = federation.progress.say, federation.options.site_names
    say("the coordinator comes up; hospitals make their synthetic patients and ingest them")
    federation.start_coordinator()
    counts = federation.each(lambda name: prepare_site(federation, name), names)
    federation.wait_for("start of the coordinator", lambda: federation.all_ready(federation.home))
    join_all(federation)
    catalog = publish_all(federation)
    run = train_federated(federation)
    say("the nodes go down; what left each hospital is searched")
    federation.stop(*names)
    egress = dict(zip(names, federation.each(lambda name: check_egress(federation, name), names), strict=True))
    leak_found = planted_leak_is_found(federation, names[0])
    dice = compare(federation, run.model)
    return DemoResult(
        seed=federation.options.seed,
        duration_s=federation.progress.seconds,
        sites=tuple(counts),
        catalog=catalog,
        dice=dice,
        rounds=tuple(_round_rows(run.status)),
        model_path=str(run.model),
        model_sha256=run.status.model_sha256 or "",
        egress=_proven(egress),
        planted_leak_found=leak_found,
        peak_memory_mb=peak_memory_mb(),
        workdir=str(federation.options.workdir),
    )


def prepare_site(federation: Federation, name: str) -> SiteCounts:
    """The hospital has patients, and its node holds their de-identified, validated data set with label maps."""
    options = federation.options
    number = options.site_names.index(name)
    federation.make(
        make_hospital,
        federation.hospital(name),
        name=name,
        preset=preset_of_site(number),
        subjects=options.subjects[number],
        seed=options.seed,
    )
    federation.commands.run("myofed-node", "init", federation.site(name), "--site", name, "--demo-policy")
    _capture_what_leaves(federation.site(name))
    report = federation.node(name, "ingest", federation.hospital(name) / "dicom")
    labels = federation.node(name, "labels", "import", federation.hospital(name) / "labels")
    counts = _counts(name, report, subjects=options.subjects[number])
    federation.progress.say(
        f"{name}: {counts.received} series received, {counts.converted} converted, {counts.skipped} skipped, "
        f"{counts.quarantined} quarantined; {len(labels['imported'])} label maps"
    )
    return counts


def join_all(federation: Federation) -> None:
    """Every hospital is enrolled with keys made on its own node, and its services are up."""

    def join(name: str) -> None:
        invite = federation.options.workdir / f"invite-{name}.json"
        federation.coordinator("invite", name, "--out", invite, "--pre-approve")
        federation.node(name, "join", "--invite", invite)
        federation.start_node(name)

    federation.each(join, federation.options.site_names)
    federation.progress.say("all hospitals are enrolled; their nodes come up")
    for name in federation.options.site_names:
        folder = federation.site(name)
        federation.wait_for(f"start of {name}", lambda folder=folder: federation.all_ready(folder))  # type: ignore[misc]


def publish_all(federation: Federation) -> dict[str, Any]:
    """Every site's card is in the catalog; returns the answer to one query."""
    federation.each(lambda name: federation.node(name, "publish"), federation.options.site_names)
    answer: dict[str, Any] = federation.coordinator("catalog", "query", "--region", "thigh", "--muscle", "VL")
    federation.progress.say(
        f"catalog: {len(answer['cards'])} data sets show the thigh with vastus lateralis labelled, "
        f"at least {answer['subjects_at_least']} subjects"
    )
    return {"query": {"region": "thigh", "muscle": "VL"}, **answer}


def train_federated(federation: Federation) -> TrainedRun:
    """The study was created, approved at every site, and its run has completed."""
    workdir, draft = federation.options.workdir, study_draft(federation.options)
    weights, study_file = workdir / "initial.safetensors", workdir / "study.yaml"
    study_file.write_text(json.dumps(draft, indent=1))  # JSON is YAML
    federation.commands.run(
        "myofed-node", "model", "init", "--study", study_file, "--out", weights, "--seed", str(federation.options.seed)
    )
    federation.coordinator("study", "create", "--file", study_file, "--weights", weights)
    federation.each(lambda name: _approve(federation, name), federation.options.site_names)
    run_id = federation.coordinator("study", "start", STUDY_ID)["run_id"]
    federation.progress.say(f"every site approved {STUDY_ID}; {run_id} starts")
    status = follow_run(federation, run_id)
    if status.state != "completed":
        raise MyofedError(
            "DEMO_RUN_FAILED",
            f"the run ended '{status.state}' with code {status.code}",
            hint=f"Look at {federation.home / 'runs' / run_id}.",
            exit_code=ExitCode.RUN_FAILED,
        )
    model = workdir / "federated.safetensors"
    federation.coordinator("models", "export", status.model_sha256 or "", "--out", model)
    return TrainedRun(status=status, model=model)


def follow_run(federation: Federation, run_id: str) -> RunStatus:
    """The run has ended; a line was said for each round."""
    seen: list[RunStatus] = []

    def ended() -> bool:
        status = federation.run_status(run_id)
        for report in status.rounds[len(seen[-1].rounds) if seen else 0 :]:
            dice = f"{report.dice:.3f}" if report.dice is not None else "-"
            errors = ", ".join(f"{e.site} {e.code}" for e in report.errors)
            federation.progress.say(
                f"round {report.round}/{federation.options.rounds}: {report.seconds:.1f} s, {len(report.sites)} sites, "
                f"validation Dice before it {dice}{', ' + errors if errors else ''}"
            )
        seen.append(status)
        return status.state in FINAL_STATES

    federation.wait_for(f"end of {run_id}", ended, RUN_TIMEOUT_S)
    return seen[-1]


def compare(federation: Federation, federated_model: Path) -> DiceTable:
    """Site-only models with as many optimiser steps, and the Dice of every model on every site's test subjects."""
    options = federation.options
    federation.progress.say("each hospital trains a model of its own, with as many steps")

    def train_alone(name: str) -> Path:
        out = options.workdir / f"own-{name}.safetensors"
        federation.node(name, "train-local", "--study", STUDY_ID, "--out", out)
        return out

    own = dict(zip(options.site_names, federation.each(train_alone, options.site_names), strict=True))
    federation.progress.say("every model visits every hospital's test subjects (models travel, images do not)")
    models = [federated_model, *own.values()]

    def evaluate(name: str) -> dict[str, Any]:
        arguments = [argument for model in models for argument in ("--model", str(model))]
        document: dict[str, Any] = federation.node(name, "evaluate", "--study", STUDY_ID, *arguments)
        return document

    answers = dict(zip(options.site_names, federation.each(evaluate, options.site_names), strict=True))
    dice = {site: [_dice(model["scores"]) for model in answer["models"]] for site, answer in answers.items()}
    return _table(options.site_names, dice, answers=answers, steps=options.rounds * options.local_steps)


def _table(names: tuple[str, ...], dice: dict[str, list[float]], *, answers: dict[str, Any], steps: int) -> DiceTable:
    def elsewhere(site: str, model: int) -> float:
        others = [dice[other][model] for other in names if other != site]
        return sum(others) / len(others)

    several = len(names) > 1
    return DiceTable(
        federated={site: dice[site][0] for site in names},
        single_home={site: dice[site][1 + n] for n, site in enumerate(names)},
        single_elsewhere={site: elsewhere(site, 1 + n) for n, site in enumerate(names)} if several else {},
        federated_elsewhere={site: elsewhere(site, 0) for site in names} if several else {},
        split_sha256=",".join(answers[site]["split_sha256"] for site in names),
        federated_steps=steps,
        single_steps=steps,
    )


def _dice(scores: list[dict[str, Any]]) -> float:
    value = mean_dice(tuple(MuscleScore.model_validate(score) for score in scores))
    if value is None:
        raise MyofedError("DEMO_NO_TEST_SUBJECTS", "an evaluation had no test subject")
    return value


def _approve(federation: Federation, name: str) -> None:
    def offered() -> bool:
        return any(study["study_id"] == STUDY_ID for study in federation.node(name, "studies", "list")["studies"])

    federation.wait_for(f"arrival of the study at {name}", offered)
    federation.node(name, "approve", STUDY_ID)


def _capture_what_leaves(site: Path) -> None:
    config = site / "config.yaml"
    text = config.read_text()
    if "capture_egress: false" not in text:
        raise MyofedError("DEMO_CONFIG", "config.yaml has no line 'capture_egress: false'")
    config.write_text(text.replace("capture_egress: false", "capture_egress: true"))


def _counts(name: str, report: dict[str, Any], *, subjects: int) -> SiteCounts:
    outcomes = [series["outcome"] for series in report["series"]]
    return SiteCounts(
        name=name,
        received=len(outcomes),
        converted=outcomes.count("converted"),
        skipped=outcomes.count("skipped"),
        quarantined=outcomes.count("quarantined"),
        subjects=subjects,
    )


def _round_rows(status: RunStatus) -> list[dict[str, Any]]:
    return [
        {"round": r.round, "seconds": round(r.seconds, 2), "sites": list(r.sites), "dice": r.dice}
        for r in status.rounds
    ]


def _proven(egress: dict[str, EgressCheck]) -> dict[str, EgressCheck]:
    for name, check in egress.items():
        if check.hits or not check.searched_bytes:
            raise MyofedError(
                "DEMO_LEAK",
                f"{name}: {check.hits} leaks in {check.searched_bytes} searched bytes",
                hint="Nothing may leave but weights, counts and codes: this is a defect of the software.",
            )
        if check.bytes != check.received_bytes:
            raise MyofedError(
                "DEMO_LEDGER",
                f"{name}: the ledger says {check.bytes} bytes left, the sites' port received {check.received_bytes}",
                hint="The ledger must hold every byte: this is a defect of the software.",
            )
    return egress
