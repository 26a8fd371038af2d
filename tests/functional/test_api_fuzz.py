"""A seeded small sample of `make prove NAME=api`: the port against its own OpenAPI document."""

from __future__ import annotations

import pytest
from proofs.api import Fuzzed, fuzz, shortfalls
from proofs.api_port import fuzzed_port

pytestmark = [pytest.mark.functional, pytest.mark.slow]


def test_port_answers_as_its_document_says() -> None:
    """Every path: no server error, no answer that is not documented, nothing without login, nothing malformed accepted."""
    with fuzzed_port() as port:
        found = fuzz(port, seed=1, examples=3, edges=False)
        assert found.failed == set()
        assert shortfalls(port.document, found) == []
        assert {"200", "201", "401", "404", "422"} <= set(found.answers)


def test_answer_that_is_not_documented_is_found() -> None:
    """The judge sees what it is there for: a status and a field that the document does not know, a path never asked."""
    with fuzzed_port() as port:
        answers = port.document["paths"]["/health"]["get"]["responses"]
        answers["204"] = answers.pop("200")
        only = {"/health": port.document["paths"]["/health"]}
        found = fuzz(
            type(port)(port.app, {**port.document, "paths": only}, port.services), seed=1, examples=1, edges=False
        )
        assert any("status_code_conformance" in what for what in found.failed)
        assert shortfalls(port.document, Fuzzed())[0].startswith("never asked: DELETE /api/v1/")
