"""`study create|start|stop|list|show` and `runs list|show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from myofed_coordinator.commands.frame import (
    HomeOption,
    JsonOption,
    actor,
    dumped,
    new_group,
    opened,
    operator,
    read_input,
    show,
)
from myofed_coordinator.runs.starts import Eyes, Reason, StartsService
from myofed_coordinator.services import open_runs
from myofed_coordinator.studies import draft
from myofed_coordinator.studies.service import StudyOverview
from myofed_coordinator.studies.summary import detail, summarise
from myofed_schemas.clock import system_now
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.federation import FinalEvaluation, RoundReport, RunStatus
from myofed_schemas.run_start import StartRecord
from myofed_schemas.study_summary import StudySummary

study = new_group("Studies: what the sites are asked to do, and who approved it.")
runs = new_group("Runs of studies.")
StudyArgument = Annotated[str, typer.Argument(help="The study's id, e.g. thigh-muscles.", show_default=False)]

StartArgument = Annotated[
    str, typer.Argument(help="The start's id, e.g. start-202611301612000a1b2c3d.", show_default=False)
]


@study.command()
def create(
    file: Annotated[Path, typer.Option("--file", help="The study as YAML.", show_default=False)],
    weights: Annotated[Path, typer.Option("--weights", help="Initial weights (safetensors).", show_default=False)],
    home: HomeOption,
    json: JsonOption = False,
) -> None:
    """Signs a new version of a study and offers it to the sites it names.

    Example: myofed-coordinator study create --file thigh.yaml --weights initial.safetensors --home /srv/myofed

    The YAML holds the fields of the study manifest (docs/study.md); version, state_dict and initial_weights_sha256 are
    filled in from the weights. Initial weights are made by `myofed-node model init`. Called again with nothing changed it
    makes no new version: approvals stay.
    """
    text = read_input(file, what="the study (--file)")
    content = read_input(weights, what="the weights (--weights)")
    with opened(home) as services:
        last = services.studies.last_manifest(draft.study_id_of(text))
        manifest = draft.next_manifest(text, initial_weights=content, last=last)
        signed = services.studies.create(manifest, content, actor=operator(), now=system_now())
    offered = "was offered before and is unchanged, for" if manifest == last else "is offered to"
    line = (
        f"{manifest.study_id} version {manifest.version} {offered} {', '.join(manifest.sites)}; digest {signed.digest}"
    )
    fields = {"study_id": manifest.study_id, "version": manifest.version, "digest": signed.digest}
    show({**fields, "sites": list(manifest.sites)}, lines=[line], as_json=json)


@study.command("list")
def list_studies(home: HomeOption, json: JsonOption = False) -> None:
    """Shows the newest version of every study.

    Example: myofed-coordinator study list --home /srv/myofed
    """
    with opened(home) as services:
        summaries = [summarise(overview) for overview in services.studies.list_studies()]
    show({"studies": dumped(summaries)}, lines=[_study_line(s) for s in summaries] or ["No study yet."], as_json=json)


@study.command("show")
def show_study(study_id: StudyArgument, home: HomeOption, json: JsonOption = False) -> None:
    """Shows the newest version of one study and each site's decision.

    Example: myofed-coordinator study show thigh-muscles --home /srv/myofed
    """
    with opened(home) as services:
        overview = services.studies.show(study_id)
    found = detail(overview)
    show(found, lines=[_study_line(found), *_decision_lines(overview)], as_json=json)


@study.command()
def start(study_id: StudyArgument, home: HomeOption, json: JsonOption = False) -> None:
    """Starts a run of the newest version, or asks for its start where a second person has to confirm (four eyes).

    Example: myofed-coordinator study start thigh-muscles --home /srv/myofed

    The exit status is 23 while the start waits for the confirmation.
    """
    with opened(home) as services:
        runs_ = open_runs(services)
        asked = StartsService(services, runs_).ask(study_id, _eyes(), now=system_now())
        if asked.run_id is not None:
            status = runs_.show(asked.run_id)
            show(status, lines=[_run_line(status)], as_json=json)
            return
    show(asked, lines=[_start_line(asked), "Another person confirms it."], as_json=json)
    raise typer.Exit(int(ExitCode.PENDING))


@study.command()
def starts(home: HomeOption, json: JsonOption = False) -> None:
    """Shows every start that was asked for, newest first.

    Example: myofed-coordinator study starts --home /srv/myofed
    """
    with opened(home) as services:
        found = StartsService(services, open_runs(services)).list_starts(now=system_now())
    show({"starts": dumped(found)}, lines=[_start_line(s) for s in found] or ["No start yet."], as_json=json)


@study.command()
def confirm(start_id: StartArgument, home: HomeOption, json: JsonOption = False) -> None:
    """Confirms a start that another person asked for: its run begins.

    Example: myofed-coordinator study confirm start-202611301612000a1b2c3d --home /srv/myofed

    The person is who is logged in at this machine. Whoever asked for the start here, or with the administrator's token,
    cannot confirm it with the other of the two.
    """
    with opened(home) as services:
        done = StartsService(services, open_runs(services)).confirm(start_id, _eyes(), now=system_now())
    show(done, lines=[_start_line(done)], as_json=json)


@study.command()
def decline(
    start_id: StartArgument,
    reason: Annotated[str, typer.Option(help="Why; who asked for the start reads it.", show_default=False)],
    home: HomeOption,
    json: JsonOption = False,
) -> None:
    """Declines a start that waits; its run does not begin.

    Example: myofed-coordinator study decline start-202611301612000a1b2c3d --reason 'wrong quarter' --home /srv/myofed
    """
    try:
        TypeAdapter(Reason).validate_python(reason)
    except ValidationError as error:
        raise MyofedError(
            "REASON_TEXT",
            "a reason has 1 to 200 letters, digits, spaces and . , : ; ( ) / -",
            exit_code=ExitCode.USAGE,
        ) from error
    with opened(home) as services:
        starts_ = StartsService(services, open_runs(services))
        done = starts_.decline(start_id, _eyes(), reason=reason, now=system_now())
    show(done, lines=[_start_line(done)], as_json=json)


@study.command()
def stop(study_id: StudyArgument, home: HomeOption, json: JsonOption = False) -> None:
    """Stops the runs of a study that have not ended; their checkpoints stay.

    Example: myofed-coordinator study stop thigh-muscles --home /srv/myofed
    """
    with opened(home) as services:
        every = open_runs(services)
        active = [s.run_id for s in every.list() if s.study_id == study_id and s.state in {"submitted", "running"}]
        if not active:
            raise MyofedError("NO_ACTIVE_RUN", "no run of this study is active", exit_code=ExitCode.BAD_INPUT)
        stopped = [every.stop(run_id, actor=operator(), now=system_now()) for run_id in active]
    show({"runs": dumped(stopped)}, lines=[_run_line(status) for status in stopped], as_json=json)


@runs.command("list")
def list_runs(home: HomeOption, json: JsonOption = False) -> None:
    """Shows every run.

    Example: myofed-coordinator runs list --home /srv/myofed
    """
    with opened(home) as services:
        every = list(open_runs(services).list())
    show({"runs": dumped(every)}, lines=[_run_line(status) for status in every] or ["No run yet."], as_json=json)


@runs.command("show")
def show_run(
    run_id: Annotated[str, typer.Argument(help="The run's id, e.g. run-0a1b2c3d.", show_default=False)],
    home: HomeOption,
    json: JsonOption = False,
) -> None:
    """Shows one run, round by round.

    Example: myofed-coordinator runs show run-0a1b2c3d --home /srv/myofed
    """
    with opened(home) as services:
        status = open_runs(services).show(run_id)
    lines = [
        f"  round {r.round}: {len(r.sites)} sites, Dice {_dice(r.dice)}, {r.seconds:.1f} s{_trouble(r)}"
        for r in status.rounds
    ]
    if status.final is not None:
        lines.append(f"  final evaluation: Dice {_dice(status.final.dice)}{_trouble(status.final)}")
    show(status, lines=[_run_line(status), *lines], as_json=json)


def _eyes() -> Eyes:
    """Whoever is logged in at this machine."""
    return Eyes(actor(), "machine")


def _start_line(start_: StartRecord) -> str:
    decided = f" by {start_.decided_by}" if start_.decided_by else ""
    return f"{start_.start_id} {start_.study_id} version {start_.version}, asked by {start_.asked_by}: {start_.state}{decided}"


def _decision_lines(overview: StudyOverview) -> list[str]:
    """Each site's last word, with the code of its reason where it declined."""
    said = {site: f" ({overview.reasons[site]})" for site, word in overview.decisions.items() if word == "declined"}
    return [f"  {site:<32} {word}{said.get(site, '')}" for site, word in overview.decisions.items()]


def _study_line(summary: StudySummary) -> str:
    approved = sum(decision == "approved" for decision in summary.decisions.values())
    return f"{summary.study_id} version {summary.version}: {approved} of {len(summary.decisions)} sites approved"


def _run_line(status: RunStatus) -> str:
    return f"{status.run_id} {status.study_id} {status.state} {status.code}, {len(status.rounds)} rounds"


def _trouble(report: RoundReport | FinalEvaluation) -> str:
    """Sites that failed, and the subjects that the others could not use, as buckets."""
    errors = [f"{error.site} {error.code}" for error in report.errors]
    left_out = [
        f"{site} left out {count.subjects} or more {count.code}"
        for site, counts in report.exclusions.items()
        for count in counts
    ]
    return "".join(f"; {text}" for text in (*errors, *left_out))


def _dice(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
