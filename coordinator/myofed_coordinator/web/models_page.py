"""Models: the registry, and one model with its card, what it came from, and whether its signature holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Permission, Person
from myofed_coordinator.models.card import release_of
from myofed_coordinator.models.card_page import release_line
from myofed_coordinator.models.cards import CardsService
from myofed_coordinator.models.lineage import verify_lineage
from myofed_coordinator.services import Services
from myofed_coordinator.web.render import Asked, Renderer
from myofed_schemas.errors import MyofedError
from myofed_schemas.ids import Sha256
from myofed_schemas.lineage import Lineage
from myofed_schemas.model import ModelRecord
from myofed_schemas.model_card import ModelCard

AT = "/models"
Seer = Annotated[Person, Depends(gate.page(Permission.SEE_MODELS))]


@dataclass(frozen=True)
class ModelRow:
    """One registered model and its card's release mark; `unknown` where its study is gone."""

    record: ModelRecord
    release: str


@dataclass(frozen=True)
class ModelsView:
    """The registry, newest first."""

    models: tuple[ModelRow, ...]


@dataclass(frozen=True)
class ModelView:
    """One model.

    Attributes:
        record: Signed.
        card: None where its study is gone.
        release: The card's mark and reasons in one line; empty without a card.
        verified: The code of what is wrong with the stored bytes or their signature; `OK` where both hold.
        lineage: Signed records of its rounds; empty for a run of an earlier release.
        lineage_verified: The code of what is wrong with them, `OK` where they lead from the manifest to this model.
    """

    record: ModelRecord
    card: ModelCard | None
    release: str
    verified: str
    lineage: Lineage
    lineage_verified: str


def add_models(router: APIRouter, renderer: Renderer, services: Services, cards: CardsService) -> None:
    """The router serves the pages of models."""

    @router.get("/models")
    def every(request: Request, person: Seer) -> HTMLResponse:
        rows = tuple(
            ModelRow(record, release_mark(services, record)) for record in reversed(services.models.list_models())
        )
        return renderer.page(Asked(request, person), "models.html", at=AT, view=ModelsView(rows))

    @router.get("/models/{sha256}")
    def one(sha256: Sha256, request: Request, person: Seer) -> HTMLResponse:
        view = model_view(services, cards, services.models.show(sha256))
        return renderer.page(Asked(request, person), "model.html", at=AT, view=view)


def release_mark(services: Services, record: ModelRecord) -> str:
    """Whether the model may leave the consortium; `unknown` where its study is gone."""
    try:
        return release_of(services.studies.by_digest(record.statement.manifest_digest).manifest).mark
    except MyofedError:
        return "unknown"


def model_view(services: Services, cards: CardsService, record: ModelRecord) -> ModelView:
    """One model, its bytes and signature checked now."""
    try:
        card = cards.show(record.statement.sha256)
    except MyofedError:
        card = None
    lineage = services.lineage.of_model(record.statement)
    return ModelView(
        record,
        card,
        release_line(card) if card else "",
        _verified(services, record),
        lineage,
        _lineage_verified(record, lineage),
    )


def _verified(services: Services, record: ModelRecord) -> str:
    try:
        services.models.verify_file(services.models.read(record.statement.sha256))
    except MyofedError as error:
        return error.code
    return "OK"


def _lineage_verified(record: ModelRecord, lineage: Lineage) -> str:
    try:
        verify_lineage(lineage, record.statement, signer=record.signer)
    except MyofedError as error:
        return error.code
    return "OK"
