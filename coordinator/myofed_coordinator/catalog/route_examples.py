"""Examples and answers for the OpenAPI document that no type says."""

from __future__ import annotations

from typing import Any

from fastapi.openapi.models import Example

COUNT_EXAMPLES: dict[str, Example] = {
    "fshd-thigh": Example(
        summary="FSHD, thigh, with single-muscle labels",
        value={
            "cards": {"choices": [{"facet": "region", "value": "thigh"}]},
            "filters": [
                {"dimension": "diagnosis", "value": "ORPHA:269"},
                {"dimension": "labels", "value": "single-muscles"},
            ],
        },
    ),
    "all-of-3t": Example(
        summary="All subjects of data sets with images at 3 T",
        value={"cards": {"choices": [{"facet": "field-strength", "value": "3T"}]}},
    ),
}
RDF_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The card as RDF",
        "content": {
            "text/turtle": {"schema": {"type": "string"}},
            "application/ld+json": {"schema": {"type": "object"}},
        },
    }
}
