"""`export-dicom`: converted images back as DICOM."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from myofed_node.commands.console import JsonOption, reporting
from myofed_schemas.exit_codes import ExitCode


def register(app: typer.Typer) -> None:
    """The commands have their names in `app`."""
    app.command("export-dicom", epilog="Example: myofed-node export-dicom dataset/ dicom/ --subject 4KQ2")(export_dicom)


def export_dicom(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="ORMIR-MIDS folder.", show_default=False)],
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="Folder for DICOM; may hold earlier exports.", show_default=False),
    ],
    image: Annotated[
        str | None,
        typer.Option("--image", metavar="PATH", help="One image, by its path in DATASET.", show_default=False),
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="LABEL", help="One subject, without sub-.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a DICOM series under new UIDs of every image that our conversion made; voxels and geometry are proven equal.

    Nothing identifying is in the files: PatientID is the subject's label, dates are empty. They stay on this machine.
    """
    with reporting(as_json=as_json) as console:
        if image is not None and subject is not None:
            raise typer.BadParameter("expected --image or --subject, found both")
        from myofed_node.mids.back_to_dicom.dicom_export import export_dicom as export

        report = export(dataset, out, image=image, subject=subject, progress=console.progress("exported"))
        console.result(report, report.lines())
        if not report.complete:
            raise typer.Exit(ExitCode.WITHHELD)
