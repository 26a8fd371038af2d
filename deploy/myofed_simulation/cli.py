"""`myofed-simulate`: parses, runs, prints; errors become one message and an exit code, here and nowhere else."""

from __future__ import annotations

import json
import re
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import click
import typer
from pydantic import ValidationError

from myofed_demo.progress import Progress
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.study import StudyManifest
from myofed_simulation.courier import Means
from myofed_simulation.folder import OutFolder
from myofed_simulation.plan import Dealt, Device, EngineName, Folders, FolderSite, Phantoms, Plan, RunRecord, Source
from myofed_simulation.repeat import Again, repeat
from myofed_simulation.run import Job, prepare, simulate
from myofed_simulation.study import read, read_study

if TYPE_CHECKING:
    from myofed_simulation.matrix import Summary

RUN_EXAMPLE = "Example: myofed-simulate run --study study.yaml --weights initial.safetensors --virtual 5 --out try-1"
REPEAT_EXAMPLE = "Example: myofed-simulate repeat try-1/run.json"
NAMED = re.compile(r"([a-z][a-z0-9-]{1,31})=(.+)")

app = typer.Typer(add_completion=False, rich_markup_mode=None, help="A federated study on one machine, for research.")

EngineOption = Annotated[
    str, typer.Option("--engine", help="flower (needs ray) or pool; both give the same weights.", metavar="NAME")
]
WorkersOption = Annotated[int, typer.Option("--workers", min=1, max=256, help="Processes that play the sites.")]
CacheOption = Annotated[
    int, typer.Option("--cache-mb", min=1, help="Prepared subjects that each process keeps in memory.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


@app.command(epilog=RUN_EXAMPLE)
def run(
    study: Annotated[Path, typer.Option("--study", help="The study's YAML, as for 'study create'.", metavar="FILE")],
    weights: Annotated[Path, typer.Option("--weights", help="Initial weights, safetensors.", metavar="FILE")],
    out: Annotated[Path, typer.Option("--out", help="New folder; the same again goes on.", metavar="DIR")],
    sites: Annotated[
        list[str] | None,
        typer.Option("--sites", help="ORMIR-MIDS data set of a site, DIR or NAME=DIR; once a site.", metavar="DIR"),
    ] = None,
    virtual: Annotated[int, typer.Option("--virtual", min=0, max=1000, help="So many virtual sites.")] = 0,
    deal: Annotated[
        Path | None,
        typer.Option("--deal", help="Deal this data set out to the virtual sites, by subject.", metavar="DIR"),
    ] = None,
    subjects: Annotated[
        int, typer.Option("--subjects", min=0, help="Synthetic patients a site; 0: min_subjects, at least 4.")
    ] = 0,
    skew: Annotated[float, typer.Option("--skew", min=0, max=5, help="Of the deal: site k has k^-SKEW.")] = 0.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of synthetic patients and of the deal.")] = 1,
    engine: EngineOption = "flower",
    workers: WorkersOption = 1,
    cache_mb: CacheOption = 64,
    min_scored: Annotated[
        int, typer.Option("--min-scored", min=1, help="Dice only over so many subjects; a hospital's policy: 5.")
    ] = 1,
    device: Annotated[str, typer.Option("--device", help="cpu (same bits every time) or auto.")] = "cpu",
    matrix: Annotated[
        bool, typer.Option("--matrix", help="Then every model on every site's test subjects (matrix.json).")
    ] = False,
    leave_one_out: Annotated[
        bool, typer.Option("--leave-one-out", help="With --matrix: also a run without each site in turn.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """The study's rounds on this machine, by the coordinator's own code, with virtual sites.

    Data of the sites: --sites for folders of your own, --virtual alone for synthetic patients, --deal with --virtual for one
    data set in many hands. A run that was killed goes on after its last round when the same command is given again.
    """
    initial = read(weights, what="initial weights")
    manifest = read_study(study, weights=initial)
    try:
        source = _source(manifest, sites or [], virtual, (deal, subjects, skew))
        plan = Plan(study=manifest, source=source, seed=seed, min_scored=min_scored, device=_device(device))
    except ValidationError as error:
        fault = error.errors()[0]
        raise typer.BadParameter(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None
    means = Means(workers, cache_mb << 20, min_scored, plan.device)
    job = Job(plan, initial, OutFolder(out.absolute()), _engine(engine), means, sys.argv)
    told = Progress().say
    record = simulate(job, told=told)
    print(record.model_dump_json(indent=1) if as_json else _summary(record, out))  # noqa: T201  the output
    if matrix or leave_one_out:
        from myofed_simulation.matrix import cross_site_matrix

        found = cross_site_matrix(job, prepare(job, told=told), leave_one_out=leave_one_out, told=told)
        if not as_json:
            print("\n".join(_line(row) for row in found.summaries))  # noqa: T201  the output


@app.command("repeat", epilog=REPEAT_EXAMPLE)
def repeat_run(
    record: Annotated[Path, typer.Argument(help="run.json of a completed run.", metavar="RUN.JSON")],
    out: Annotated[
        Path | None, typer.Option("--out", help="New folder to keep the repeated run in.", metavar="DIR")
    ] = None,
    engine: EngineOption = "flower",
    workers: WorkersOption = 1,
    cache_mb: CacheOption = 64,
    as_json: JsonOption = False,
) -> None:
    """Does a run again from what it exported; exit status 0 only if every round has the same bits."""
    with tempfile.TemporaryDirectory(prefix="myofed-repeat-") as temporary:
        folder = out or Path(temporary) / "run"
        again = Again(record, folder.absolute(), _engine(engine), workers, cache_mb << 20, sys.argv)
        found = repeat(again, told=Progress().say)
    text = f"the same bits in all {found.rounds} rounds: {found.model_sha256}"
    print(found.model_dump_json(indent=1) if as_json else text)  # noqa: T201  the output


def _source(manifest: StudyManifest, sites: list[str], virtual: int, more: tuple[Path | None, int, float]) -> Source:
    deal, subjects, skew = more
    if sites and (virtual or deal):
        raise typer.BadParameter("--sites brings its own sites; leave --virtual and --deal out")
    if not sites and not virtual:
        raise typer.BadParameter("say where sites come from: --sites DIR, or --virtual N")
    if skew and not deal:
        raise typer.BadParameter("--skew is of a deal; give --deal DIR, or leave it out")
    if sites:
        return Folders(sites=_folders(manifest, sites))
    if deal:
        return Dealt(dataset=str(deal.absolute()), sites=virtual, skew=skew)
    return Phantoms(sites=virtual, subjects=subjects or max(4, manifest.min_subjects))


def _folders(manifest: StudyManifest, given: list[str]) -> tuple[FolderSite, ...]:
    """NAME=DIR as named; a bare DIR is the study's next site that nobody named."""
    named = [match if (match := NAMED.fullmatch(text)) else None for text in given]
    taken = {match.group(1) for match in named if match}
    free = iter([name for name in manifest.sites if name not in taken])
    found = []
    for text, match in zip(given, named, strict=True):
        name = match.group(1) if match else next(free, None)
        if name is None:
            raise typer.BadParameter(f"the study names {len(manifest.sites)} sites; name others as NAME=DIR")
        folder = Path(match.group(2) if match else text)
        found.append(FolderSite(name=name, dataset=str(folder.absolute())))
    return tuple(found)


def _engine(name: str) -> EngineName:
    if name == "flower":
        return "flower"
    if name == "pool":
        return "pool"
    raise typer.BadParameter("--engine is flower or pool")


def _device(name: str) -> Device:
    if name == "cpu":
        return "cpu"
    if name == "auto":
        return "auto"
    raise typer.BadParameter("--device is cpu or auto")


def _summary(record: RunRecord, out: Path) -> str:
    lines = [
        f"{len(record.rounds_sha256)} rounds with {len(record.sites)} virtual sites in {record.seconds:.0f} s",
        f"model of round {record.kept_round}: {out / 'model.safetensors'}",
        f"SHA-256 {record.model_sha256}",
        f"to do it again: myofed-simulate repeat {out / 'run.json'}",
    ]
    return "\n".join(lines)


def _line(row: Summary) -> str:
    """One kind of model in words."""
    dice = [
        f"{name} {value:.3f}"
        for name, value in (("at home", row.home), ("elsewhere", row.foreign))
        if value is not None
    ]
    worst = f"worst site {row.worst_site} {row.worst:.3f}" if row.worst is not None else "no Dice"
    muscle = (
        f", worst muscle {row.worst_muscle} {row.worst_muscle_dice:.3f}" if row.worst_muscle_dice is not None else ""
    )
    return f"{row.kind}: {', '.join([*dice, worst])}{muscle}"


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """Entry point of the console script."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        status = app(standalone_mode=False)
    except typer.Exit as done:
        status = done.exit_code
    except (KeyboardInterrupt, typer.Abort):
        status = ExitCode.INTERRUPTED
    except MyofedError as error:
        print(f"myofed-simulate: {error}", file=sys.stderr)  # noqa: T201
        if "--json" in sys.argv:
            document = {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
            print(json.dumps(document))  # noqa: T201  the output
        status = error.exit_code
    except click.ClickException as error:
        error.show()
        status = ExitCode.USAGE
    if status == ExitCode.INTERRUPTED:
        print("stopped; the same command again goes on after the last round", file=sys.stderr)  # noqa: T201
    sys.exit(int(status or 0))
