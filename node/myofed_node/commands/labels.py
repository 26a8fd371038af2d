"""`labels`: label maps come in and go out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from myofed_node.commands.console import Console, JsonOption, OptionalSiteOption, reporting
from myofed_schemas.clock import system_now
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

if TYPE_CHECKING:
    from myofed_node.label_exchange.delivery import Reading


class OriginChoice(StrEnum):
    """How a map was made."""

    MANUAL = "manual"
    EDITED = "edited"
    AUTOMATIC = "automatic"


class FormatChoice(StrEnum):
    """For whom maps are written."""

    SEG = "seg"
    SEG_BINARY = "seg-binary"
    NIFTI = "nifti"
    ITKSNAP = "itksnap"
    SLICER = "slicer"


class LevelChoice(StrEnum):
    """How coarse the values are."""

    MUSCLE = "muscle"
    GROUP = "group"
    COMPARTMENT = "compartment"


IgnoreOption = Annotated[
    list[str] | None,
    typer.Option(
        "--ignore", metavar="NAME", help="Drop this label, or all of bone, tissue, other.", show_default=False
    ),
]
SplitOption = Annotated[
    bool, typer.Option("--split-midline", help="Tell left from right by geometry where a value means both.")
]


def register(app: typer.Typer) -> None:
    """The commands have their names in `app`."""
    labels = typer.Typer(help="Label maps in and out.", no_args_is_help=True, rich_markup_mode=None)
    labels.command("import", epilog="Example: myofed-node labels import delivery/ --site /srv/myofed")(labels_import)
    labels.command("export", epilog="Example: myofed-node labels export mids/ out/ --format slicer")(labels_export)
    app.add_typer(labels, name="labels")


def labels_import(
    delivery: Annotated[
        Path, typer.Argument(metavar="DELIVERY", help="Folder with labels.csv; or one map.", show_default=False)
    ],
    site: OptionalSiteOption = None,
    dataset: Annotated[
        Path | None, typer.Option("--dataset", metavar="DATASET", help="Any data set, for one map.", show_default=False)
    ] = None,
    image: Annotated[
        Path | None, typer.Option("--image", metavar="PATH", help="Image it was drawn on.", show_default=False)
    ] = None,
    scheme: Annotated[
        str | None,
        typer.Option("--scheme", metavar="SCHEME", help="Whose values: docs/label-maps.md.", show_default=False),
    ] = None,
    table: Annotated[
        Path | None, typer.Option("--table", metavar="FILE", help="Names or muscles of the values.", show_default=False)
    ] = None,
    origin: Annotated[
        OriginChoice | None,
        typer.Option("--origin", help="How it was made; a delivery's are manual.", show_default=False),
    ] = None,
    ignore: IgnoreOption = None,
    split_midline: SplitOption = False,
    as_json: JsonOption = False,
) -> None:
    """Import label maps: a site's delivery by its labels.csv, or one map into any data set (--dataset, --image, --scheme)."""
    with reporting(as_json=as_json) as console:
        from myofed_node.label_exchange.delivery import Reading

        reading = Reading(scheme or "table", table, tuple(ignore or ()), split_midline)
        if dataset is not None and image is not None and origin is not None and (scheme or table):
            _import_one(console, delivery, (dataset, image, origin), reading)
        elif dataset is None and image is None and scheme is None and table is None and site is not None:
            _import_delivery(console, delivery, site, reading, origin or OriginChoice.MANUAL)
        else:
            raise MyofedError(
                "LABEL_OPTIONS",
                "expected --site for a folder, or --dataset, --image, --origin and --scheme or --table for one map, found another choice",
                hint="docs/label-maps.md has an example of each",
                exit_code=ExitCode.USAGE,
            )


def _import_one(console: Console, path: Path, place: tuple[Path, Path, OriginChoice], reading: Reading) -> None:
    from myofed_node.label_exchange.single_import import Destination, import_map

    dataset, image, origin = place
    imported = import_map(path, Destination(dataset, image, origin.value), reading)
    console.result(imported, imported.lines())


def _import_delivery(console: Console, delivery: Path, site: Path, reading: Reading, origin: OriginChoice) -> None:
    from myofed_node.label_intake import import_into_site
    from myofed_node.site_setup import open_site

    report = import_into_site(open_site(site), delivery, now=system_now(), reading=reading, origin=origin.value)
    console.result(report, report.lines())
    if report.refused:
        raise typer.Exit(ExitCode.WITHHELD)


def labels_export(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="ORMIR-MIDS data set.", show_default=False)],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="New or empty folder.", show_default=False)],
    form: Annotated[FormatChoice, typer.Option("--format", help="For whom.", show_default=False)],
    level: Annotated[LevelChoice, typer.Option("--group-level", help="How coarse.")] = LevelChoice.MUSCLE,
    source: Annotated[
        Path | None,
        typer.Option("--source", metavar="DICOM_FOLDER", help="De-identified source, for seg.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Export a data set's label maps: DICOM SEG, or NIfTI with a table, for single muscles, groups or compartments."""
    with reporting(as_json=as_json) as console:
        from myofed_node.label_exchange.export import ExportFormat, ExportOptions, GroupLevel, export_labels

        options = ExportOptions(ExportFormat(form.value), GroupLevel(level.value), system_now(), source)
        report = export_labels(dataset, out, options)
        console.result(report, report.lines())
        if not report.complete:
            raise typer.Exit(ExitCode.WITHHELD)
