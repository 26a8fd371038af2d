"""One deed of a site in a process of its own: an import of facts, a publication, or its withdrawal."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.federation.egress_client import Response
from myofed_node.publish import Publisher
from myofed_node.site_setup import open_site
from myofed_node.subjects.register import FactsFile, import_facts

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FACTS, RECEIVED = "facts.csv", "received.jsonl"
TOLD = {"import": "SUBJECTS_IMPORTED", "publish": "CARD_PUBLISHED", "withdraw": "CARD_WITHDRAWN"}
"""Each deed, and what the audit chain calls it."""


class RememberingCoordinator:
    """Takes whatever a site sends and keeps it in a file, so that it outlives the site's process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def request(self, method: str, path: str, *, body: bytes = b"", study: str = "") -> Response:
        """As EgressClient."""
        line = json.dumps([method, path, body.decode()]) + "\n"
        with self._path.open("ab") as stream:
            stream.write(line.encode())
        return Response(200, b"{}")

    def received(self) -> list[tuple[str, ...]]:
        """Method, path and body of every request."""
        return [tuple(json.loads(line)) for line in self._path.read_text().splitlines()]


def publisher(root: Path) -> Publisher:
    """Of this site, to a coordinator that remembers."""
    return Publisher(open_site(root), CoordinatorApi(RememberingCoordinator(root / RECEIVED)))  # type: ignore[arg-type]


def do(deed: str, root: Path) -> None:
    """The deed is done, as its command does it."""
    if deed == "import":
        import_facts(open_site(root), FactsFile(root / FACTS), now=NOW, actor="steward")
    elif deed == "publish":
        publisher(root).publish(now=NOW)
    elif publisher(root).may_stand():
        publisher(root).withdraw(now=NOW)


def process(deed: str, root: Path, watch: Connection) -> None:
    """The deed; whoever watches learns when it begins, and at the end how many seconds it took."""
    begin = time.monotonic()
    watch.send(0.0)
    do(deed, root)
    watch.send(time.monotonic() - begin)
