"""HTTP of the model registry, for people."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Response
from fastapi.responses import PlainTextResponse

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Permission
from myofed_coordinator.models.card_page import markdown
from myofed_coordinator.models.cards import CardsService
from myofed_coordinator.models.lineage import LineageService
from myofed_coordinator.models.service import ModelsService
from myofed_schemas.ids import Sha256
from myofed_schemas.lineage import Lineage
from myofed_schemas.model import ModelRecord
from myofed_schemas.model_card import ModelCard


def models_router(models: ModelsService, cards: CardsService, lineage: LineageService) -> APIRouter:
    """`GET /models`, `GET /models/{sha256}`, its weights and its card."""
    router = APIRouter(tags=["models"])
    see = [Depends(gate.require(Permission.SEE_MODELS))]

    @router.get("/models", dependencies=see)
    def every() -> list[ModelRecord]:
        """All registered models, oldest first, each record signed."""
        return models.list_models()

    @router.get("/models/{sha256}", dependencies=see)
    def one(sha256: Sha256) -> ModelRecord:
        """The newest record of one model."""
        return models.show(sha256)

    @router.get(
        "/models/{sha256}/weights",
        dependencies=[Depends(gate.require(Permission.FETCH_MODELS))],
        response_class=Response,
    )
    def weights(sha256: Sha256) -> Response:
        """The weights as safetensors."""
        return Response(models.read(sha256), media_type="application/octet-stream")

    @router.get("/models/{sha256}/lineage", dependencies=see)
    def of_model(sha256: Sha256) -> Lineage:
        """The signed records of the rounds that the model is made of, in order; none for a run of an earlier release."""
        return lineage.of_model(models.show(sha256).statement)

    @router.get("/models/{sha256}/card", dependencies=see)
    def card(sha256: Sha256) -> ModelCard:
        """What the model was made from, how it scored, what is known of its privacy."""
        return cards.show(sha256)

    @router.get("/models/{sha256}/card.md", dependencies=see, response_class=PlainTextResponse)
    def card_page(sha256: Sha256) -> str:
        """The card as Markdown."""
        return markdown(cards.show(sha256))

    return router
