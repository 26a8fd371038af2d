"""Commands that bring models in and give them out in other forms; torch is imported only inside them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from myofed_node.commands.console import JsonOption, OptionalSiteOption, reporting
from myofed_schemas.clock import system_now


def register(model: typer.Typer) -> None:
    """The commands have their names in `model`."""
    exported = "Example: myofed-node model export thigh.safetensors --manifest thigh.json --bundle thigh-bundle"
    model.command("export", epilog=exported)(model_export)
    imported = "Example: myofed-node model import sent.pt --study study.yaml --out initial.safetensors"
    model.command("import", epilog=imported)(model_import)


def model_export(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Safetensors file.", show_default=False)],
    bundle: Annotated[
        Path | None, typer.Option("--bundle", metavar="OUT", help="New folder: a MONAI bundle.", show_default=False)
    ] = None,
    onnx: Annotated[
        Path | None, typer.Option("--onnx", metavar="FILE", help="ONNX file; needs myofed[onnx].", show_default=False)
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option("--manifest", metavar="FILE", help="The study's manifest as JSON (study show --json)."),
    ] = None,
    study: Annotated[
        str | None, typer.Option("--study", metavar="STUDY", help="With --site: a study that this site knows.")
    ] = None,
    card: Annotated[
        Path | None, typer.Option("--card", metavar="FILE", help="The model's card (OUT.card.json of models export).")
    ] = None,
    site: OptionalSiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a model as a MONAI bundle or as ONNX, after it was loaded again and gave the same numbers."""
    if (manifest is None) == (study is None or site is None) or (bundle is None) == (onnx is None):
        raise typer.BadParameter("expected --manifest, or --study and --site; and --bundle or --onnx")
    with reporting(as_json=as_json) as console:
        from myofed_node.model_export import Source, export_bundle, export_onnx, read_card
        from myofed_node.own_model import read_model
        from myofed_node.recalibrated_model import known_manifest, read_manifest
        from myofed_node.site_setup import open_site

        if manifest is not None:
            found = read_manifest(manifest)
        else:
            found = known_manifest(open_site(site or Path()), study or "")
        source = Source(read_model(model), found, read_card(card) if card else None)
        if bundle is not None:
            files = [str(path) for path in export_bundle(source, bundle)]
            said = f"{bundle.name}: a MONAI bundle of {len(files)} files; MONAI's network gives the same numbers"
            console.result({"bundle": str(bundle), "sha256": source.sha256, "files": files}, [said])
        elif onnx is not None:
            compared = export_onnx(source, onnx)
            said = (
                "an ONNX runtime gives the same numbers" if compared else "not compared: no ONNX runtime is installed"
            )
            console.result({"onnx": str(onnx), "sha256": source.sha256, "compared": compared}, [f"{onnx.name}: {said}"])


def model_import(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help=".pt file, or folder of a MONAI bundle.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Safetensors file to write.")],
    study: Annotated[
        Path | None, typer.Option("--study", metavar="FILE", help="A study's draft: its architecture is taken.")
    ] = None,
    architecture: Annotated[
        str | None,
        typer.Option("--architecture", metavar="NAME", help="Of ordinary size, with --muscles; as in model init."),
    ] = None,
    muscles: Annotated[str, typer.Option("--muscles", help="Muscle ids, e.g. VL,VI,VM.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Turn a model that somebody sent into safetensors of an allow-listed network; the file is read by a closed process."""
    with reporting(as_json=as_json) as console:
        from myofed_node.initial_model import architecture_for, draft_architecture
        from myofed_node.model_import import import_model
        from myofed_schemas.canonical import canonical_json
        from myofed_schemas.files import write_atomically

        named = draft_architecture(study) if study else None
        if architecture is not None and named is None:
            named = architecture_for(muscles, name=architecture)
        imported = import_model(source, named, now=system_now())
        write_atomically(out, imported.weights)
        write_atomically(out.with_name(out.name + ".json"), canonical_json(imported.record))
        record = imported.record
        console.result(
            record, [f"{out.name}: {record.tensors} tensors of {record.architecture.name}, SHA-256 {record.sha256}"]
        )
