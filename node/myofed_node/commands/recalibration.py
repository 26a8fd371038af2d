"""`model recalibrate`: a released model for a site that never trained, fitted to its own unlabelled images; nothing leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from myofed_node.commands.console import JsonOption, SiteOption, reporting
from myofed_schemas.clock import system_now
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.wire import WireModel


class Written(WireModel):
    """What `model recalibrate --json` prints: where the files lie, and the lineage that stands in the second."""

    model: str
    lineage: str
    sha256: str
    parent_sha256: str
    subjects: int


def register(model: typer.Typer) -> None:
    """The command has its name in the group `model`."""
    model.command(
        "recalibrate",
        epilog="Example: myofed-node model recalibrate thigh.safetensors --study thigh-muscles --site /srv/myofed --out own.safetensors",
    )(model_recalibrate)


def model_recalibrate(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="The released model (safetensors).", show_default=False)
    ],
    site: SiteOption,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Weights go here, FILE.json says where they come from.")
    ],
    study: Annotated[
        str, typer.Option("--study", metavar="STUDY", help="Its study, where the coordinator offered it to this site.")
    ] = "",
    manifest: Annotated[
        Path | None,
        typer.Option("--manifest", metavar="FILE", help="Its study's manifest (JSON), where this site is not in it."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Fit a released model of `release: recalibrated` to this site's images, which need no labels; nothing leaves.

    For a site that never trained. Only the study's local tensors move.
    """
    with reporting(as_json=as_json) as console:
        from myofed_node.recalibrated_model import known_manifest, read_manifest, recalibrate_model
        from myofed_node.site_setup import open_site
        from myofed_schemas.canonical import canonical_json
        from myofed_schemas.files import write_atomically

        if bool(study) == bool(manifest):
            raise MyofedError(
                "STUDY_NOT_NAMED",
                "expected --study or --manifest, found neither or both",
                hint="--study names a study that `studies list` shows",
                exit_code=ExitCode.USAGE,
            )
        opened = open_site(site)
        asked = read_manifest(manifest) if manifest else known_manifest(opened, study)
        made = recalibrate_model(opened, asked, model, now=system_now())
        beside = out.with_name(out.name + ".json")
        write_atomically(beside, canonical_json(made.lineage))  # first: weights never lie without where they come from
        write_atomically(out, made.weights)
        lineage = made.lineage
        result = Written(
            model=str(out),
            lineage=str(beside),
            sha256=lineage.sha256,
            parent_sha256=lineage.parent_sha256,
            subjects=lineage.subjects,
        )
        missing = [f"  left out: {item.subjects} or more subjects, {item.code}" for item in lineage.left_out]
        told = "test subjects were not looked at" if lineage.test_subjects_left_out else "all subjects were looked at"
        line = f"{out.name}: {lineage.tensors} tensors moved on images of {lineage.subjects} or more subjects; {told}"
        console.result(result, [line, *missing, "  it was fitted to this site's subjects: keep it here"])
