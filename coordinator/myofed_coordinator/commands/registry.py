"""`models list|show|card|export|verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from myofed_coordinator.commands.frame import HomeOption, JsonOption, dumped, new_group, opened, read_input, show
from myofed_coordinator.models.card_page import markdown, release_line
from myofed_coordinator.models.cards import CardsService
from myofed_coordinator.services import Services, open_runs
from myofed_schemas.canonical import canonical_json
from myofed_schemas.files import write_atomically
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
    """Writes a model's weights, its signed record as OUT.json, and its card as OUT.card.json and OUT.card.md.

    Example: myofed-coordinator models export 3f2a9c01 --out thigh.safetensors --home /srv/myofed
    """
    with opened(home) as services:
        record = services.models.show(model)
        content = services.models.read(record.statement.sha256)
        card = _card(services, record.statement.sha256)
    beside = out.with_name(out.name + ".json")
    write_atomically(out, content, mode=0o644)
    write_atomically(beside, canonical_json(record), mode=0o644)
    page = out.with_name(out.name + ".card.md")
    write_atomically(out.with_name(out.name + ".card.json"), canonical_json(card), mode=0o644)
    write_atomically(page, markdown(card).encode(), mode=0o644)
    document = {"path": str(out), "record": str(beside), "card": str(page), "sha256": record.statement.sha256}
    document["release"] = card.release.mark
    show(document, lines=[f"Written: {_line(record)}", f"Release: {release_line(card)}"], as_json=json)


@models.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A safetensors file.", show_default=False)],
    home: HomeOption,
    json: JsonOption = False,
) -> None:
    """Says whether a file is, byte for byte, a model that this coordinator registered and signed.

    Example: myofed-coordinator models verify thigh.safetensors --home /srv/myofed
    """
    content = read_input(file, what="the model file")
    with opened(home) as services:
        record = services.models.verify_file(content)
    show({"verified": True, **record.model_dump(mode="json")}, lines=[f"Verified: {_line(record)}"], as_json=json)


def _card(services: Services, model: str) -> ModelCard:
    return CardsService(services.models, services.studies, open_runs(services)).show(model)


def _line(record: ModelRecord) -> str:
    statement = record.statement
    return f"{statement.sha256[:16]} {statement.study_id} {statement.run_id} {statement.rounds} rounds"
