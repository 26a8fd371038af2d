"""`models list|show|card|lineage|export|verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from myofed_coordinator.commands.frame import (
    HomeOption,
    JsonOption,
    OptionalHomeOption,
    dumped,
    new_group,
    opened,
    read_document,
    read_input,
    show,
)
from myofed_coordinator.models.card_page import markdown, release_line
from myofed_coordinator.models.cards import CardsService
from myofed_coordinator.models.lineage import verify_lineage
from myofed_coordinator.models.service import verify_record
from myofed_coordinator.services import Services, open_runs
from myofed_schemas.canonical import canonical_json
from myofed_schemas.files import write_atomically
from myofed_schemas.lineage import Lineage, LineageStatement
from myofed_schemas.model import ModelRecord
from myofed_schemas.model_card import ModelCard

models = new_group("Models: what runs made, each with a signed record.")
ModelArgument = Annotated[str, typer.Argument(help="SHA-256, or its first 8 or more characters.", show_default=False)]


@models.command("list")
def list_models(home: HomeOption, json: JsonOption = False) -> None:
    """Shows every registered model.

    Example: myofed-coordinator models list --home /srv/myofed
    """
    with opened(home) as services:
        records = services.models.list_models()
    show({"models": dumped(records)}, lines=[_line(record) for record in records] or ["No model yet."], as_json=json)


@models.command("show")
def show_model(model: ModelArgument, home: HomeOption, json: JsonOption = False) -> None:
    """Shows one model's signed record.

    Example: myofed-coordinator models show 3f2a9c01 --home /srv/myofed
    """
    with opened(home) as services:
        record = services.models.show(model)
    show(record, lines=[_line(record), f"  manifest {record.statement.manifest_digest}"], as_json=json)


@models.command("card")
def show_card(model: ModelArgument, home: HomeOption, json: JsonOption = False) -> None:
    """Shows one model's card as Markdown: data, rounds, scores, privacy, and whether it may leave the consortium.

    Example: myofed-coordinator models card 3f2a9c01 --home /srv/myofed
    """
    with opened(home) as services:
        card = _card(services, model)
    show(card, lines=[markdown(card)], as_json=json)


@models.command("lineage")
def show_lineage(model: ModelArgument, home: HomeOption, json: JsonOption = False) -> None:
    """Shows the rounds that a model is made of: what went in, what came out, with how many sites; each signed.

    Example: myofed-coordinator models lineage 3f2a9c01 --home /srv/myofed
    """
    with opened(home) as services:
        statement = services.models.show(model).statement
        lineage = services.lineage.of_model(statement)
    lines = [_round_line(record.statement) for record in lineage.records]
    show(lineage, lines=lines or ["No lineage: its run is of an earlier release."], as_json=json)


@models.command()
def export(
    model: ModelArgument,
    out: Annotated[
        Path,
        typer.Option("--out", help="Weights go here, the signed record and the card beside them.", show_default=False),
    ],
    home: HomeOption,
    json: JsonOption = False,
) -> None:
    """Writes a model's weights, its signed record as OUT.json, its card as OUT.card.json and OUT.card.md, its lineage.

    Example: myofed-coordinator models export 3f2a9c01 --out thigh.safetensors --home /srv/myofed
    """
    with opened(home) as services:
        record = services.models.show(model)
        content = services.models.read(record.statement.sha256)
        card = _card(services, record.statement.sha256)
        lineage = services.lineage.of_model(record.statement)
    beside = out.with_name(out.name + ".json")
    write_atomically(out, content, mode=0o644)
    write_atomically(beside, canonical_json(record), mode=0o644)
    page = out.with_name(out.name + ".card.md")
    write_atomically(out.with_name(out.name + ".card.json"), canonical_json(card), mode=0o644)
    write_atomically(page, markdown(card).encode(), mode=0o644)
    write_atomically(out.with_name(out.name + ".lineage.json"), canonical_json(lineage), mode=0o644)
    document = {"path": str(out), "record": str(beside), "card": str(page), "sha256": record.statement.sha256}
    document["release"] = card.release.mark
    show(document, lines=[f"Written: {_line(record)}", f"Release: {release_line(card)}"], as_json=json)


@models.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A safetensors file.", show_default=False)],
    home: OptionalHomeOption = None,
    record: Annotated[
        Path | None,
        typer.Option("--record", help="Its signed record (OUT.json): no home is needed.", show_default=False),
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", help="The coordinator's public key, from its invite.", show_default=False)
    ] = None,
    lineage: Annotated[
        Path | None, typer.Option("--lineage", help="Also its lineage (OUT.lineage.json).", show_default=False)
    ] = None,
    json: JsonOption = False,
) -> None:
    """Says whether a file is, byte for byte, a model that this coordinator registered and signed; offline with --record and --key.

    Example: myofed-coordinator models verify thigh.safetensors --record thigh.safetensors.json --key 3f2a9c01
    """
    if (record is None) != (key is None) or (record is None and home is None):
        raise typer.BadParameter("expected --home, or --record and --key")
    content = read_input(file, what="the model file")
    if record is not None and key is not None:
        found = read_document(ModelRecord, record, what="the model's record")
        verify_record(found, content=content, signer=key)
    else:
        with opened(home or Path()) as services:
            found = services.models.verify_file(content)
    if lineage is not None:
        rounds = read_document(Lineage, lineage, what="the model's lineage")
        verify_lineage(rounds, found.statement, signer=key or found.signer)
    document = {"verified": True, "lineage": lineage is not None, **found.model_dump(mode="json")}
    rounds_too = f", and its {found.statement.rounds} rounds" if lineage else ""
    show(document, lines=[f"Verified: {_line(found)}{rounds_too}"], as_json=json)


def _card(services: Services, model: str) -> ModelCard:
    return CardsService(services.models, services.studies, open_runs(services)).show(model)


def _line(record: ModelRecord) -> str:
    statement = record.statement
    return f"{statement.sha256[:16]} {statement.study_id} {statement.run_id} {statement.rounds} rounds"


def _round_line(said: LineageStatement) -> str:
    buckets = ", ".join(str(update.examples) for update in said.updates)
    dice = "not scored" if said.dice is None else f"Dice {said.dice:.3f} before"
    return (
        f"round {said.round}: {said.parent_sha256[:12]} -> {said.aggregated_sha256[:12]}, {said.sites} sites "
        f"({buckets} subjects or more), {dice}, myofed {said.software.myofed}"
    )
