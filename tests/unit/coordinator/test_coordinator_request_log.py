"""One line a request: nothing of what people type."""

from __future__ import annotations

import logging

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from myofed_coordinator.api.request_log import with_request_log
from myofed_schemas.json_log import correlation

SEEN: list[str] = []


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()

    @app.get("/cards/{card}")
    def show(card: str) -> str:
        SEEN.append(correlation.get())
        return card

    return TestClient(with_request_log(app))


def test_neither_path_nor_query_nor_a_strangers_id_is_logged(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The pattern of the route, the status, the time; the id is ours and comes back with the answer."""
    with caplog.at_level(logging.INFO, logger="myofed.requests"):
        answer = client.get("/cards/DOE-JANE?name=DOE", headers={"x-request-id": "planted"})
        client.get("/nobody/DOE-JANE")
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith("GET /cards/{card} 200 ")
    assert second.startswith("GET no route 404 ")
    assert answer.headers["x-request-id"] == SEEN[-1] != "planted"
    assert correlation.get() == ""
