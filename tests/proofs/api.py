"""The whole OpenAPI document against the port: what it says may come back is what comes back, and never a server error.

Schemathesis makes requests out of the document: examples, the edges of every schema, and seeded random ones, such as hold
and such as do not. Each answer is held against the document: status, content type, schema; a request that does not hold
must be refused, and one without login too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from schemathesis.config import (
    ChecksConfig,
    CoveragePhaseConfig,
    ExamplesPhaseConfig,
    FuzzingPhaseConfig,
    GenerationConfig,
    PhasesConfig,
    PositiveDataAcceptanceConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
    StatefulPhaseConfig,
)
from schemathesis.engine import Status, events, from_schema

from proofs.api_port import MARK, FuzzedPort, fuzzed_port

PROOF_EXAMPLES = 60
"""Random requests of each path and way in `make prove NAME=api`."""


BETWEEN_FIELDS = frozenset(
    {"GET /api/v1/catalog/cards", "GET /api/v1/catalog/facets", "POST /api/v1/catalog/feasibility"}
)
"""Their rules between fields (at most 40 values in all; one value of a dimension of which a subject has one) cannot stand in a
JSON schema: a request that the schema allows may be refused there with 422, as the description says."""


@dataclass
class Fuzzed:
    """What came of it.

    Attributes:
        paths: Operations that were asked at least once.
        answers: Status -> how often.
        failed: What did not hold.
    """

    paths: set[str] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)
    failed: set[str] = field(default_factory=set)


def whole_api() -> tuple[list[dict[str, Any]], list[str]]:
    """Three seeds, with the edges of every schema."""
    tried: list[dict[str, Any]] = []
    failed: list[str] = []
    for seed in (1, 2, 3):
        with fuzzed_port() as port:
            found = fuzz(port, seed=seed, examples=PROOF_EXAMPLES, edges=True)
        failed += [f"seed {seed}: {what}" for what in sorted(found.failed)] + shortfalls(port.document, found)
        answers = dict(sorted(found.answers.items()))
        tried.append({"seed": seed, "paths": len(found.paths), "requests": sum(answers.values()), "answers": answers})
        print(tried[-1])
    return tried, failed


def fuzz(port: FuzzedPort, *, seed: int, examples: int, edges: bool) -> Fuzzed:
    """Every operation of the document was asked.

    Args:
        port: Asked.
        seed: Of the random requests.
        examples: Random requests of each operation.
        edges: Also the edges of every schema, some dozens of requests each.
    """
    phases = PhasesConfig(
        examples=ExamplesPhaseConfig(),
        coverage=CoveragePhaseConfig(enabled=edges),
        fuzzing=FuzzingPhaseConfig(),
        stateful=StatefulPhaseConfig(enabled=False),
    )
    # 400 is a rule of ours that a valid request can meet; a server error never is.
    accepted = PositiveDataAcceptanceConfig(expected_statuses=["2xx", "400", "401", "403", "404", "409", "429"])
    project = ProjectConfig(
        checks=ChecksConfig(positive_data_acceptance=accepted),
        headers={"Authorization": MARK},
        continue_on_failure=True,
        phases=phases,
        generation=GenerationConfig(
            modes=list(schemathesis.GenerationMode), max_examples=examples, no_shrink=True, database="none"
        ),
    )
    config = SchemathesisConfig(seed=seed, projects=ProjectsConfig(default=project))
    schema = schemathesis.openapi.from_dict(port.document, config=config)
    schema.app = port.app
    found = Fuzzed()
    for event in from_schema(schema).execute():
        _note(found, event)
    return found


def shortfalls(document: dict[str, Any], found: Fuzzed) -> list[str]:
    """Operations that nobody asked: 0 failures of 0 requests is no proof."""
    operations = {f"{method.upper()} {path}" for path, ways in document["paths"].items() for method in ways}
    return [f"never asked: {path}" for path in sorted(operations - found.paths)]


def _note(found: Fuzzed, event: events.EngineEvent) -> None:
    if isinstance(event, events.NonFatalError | events.FatalError):
        found.failed.add(f"{getattr(event, 'label', 'all')}: {str(getattr(event, 'value', event))[:400]}")
    if not isinstance(event, events.ScenarioFinished):
        return
    recorder = event.recorder
    for interaction in recorder.interactions.values():
        if interaction.response is not None:
            found.paths.add(str(event.label))
            found.answers[str(interaction.response.status_code)] += 1
    for checks in recorder.checks.values():
        for check in checks:
            if check.name == "positive_data_acceptance" and event.label in BETWEEN_FIELDS:
                continue
            if check.status is Status.FAILURE and check.failure_info is not None:
                said = " ".join(f"{check.failure_info.failure} {check.failure_info.code_sample}".split())
                found.failed.add(f"{event.label}: {check.name}: {said[:700]}")
