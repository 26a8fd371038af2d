"""The use case of model cards: the registry's record, the study's manifest and the run's rounds put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from myofed_coordinator.models.card import card_of
from myofed_coordinator.models.service import ModelsService
from myofed_coordinator.studies.service import StudiesService
from myofed_schemas.federation import RunStatus
from myofed_schemas.model_card import ModelCard


class RunsList(Protocol):
    """What a card needs of the runs' service."""

    def list(self) -> Sequence[RunStatus]:
        """Every run."""


class CardsService:
    """Makes cards anew each time: they follow the figures of the installed release."""

    def __init__(self, models: ModelsService, studies: StudiesService, runs: RunsList) -> None:
        self._models = models
        self._studies = studies
        self._runs = runs

    def show(self, sha256: str) -> ModelCard:
        """The card of the model whose digest is, or uniquely begins with, `sha256`.

        Raises:
            MyofedError: MODEL_UNKNOWN; STUDY_UNKNOWN, a registry restored without its study.
        """
        statement = self._models.show(sha256).statement
        manifest = self._studies.by_digest(statement.manifest_digest).manifest
        status = next((run for run in self._runs.list() if run.run_id == statement.run_id), None)
        return card_of(statement, manifest, status)
