"""What may leave: ten calls of Flower and `/site/*`, in plain paths; decided before anything is sent."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from myofed_node.federation.ledger import Kind
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import FLEET_HEADERS, FLEET_PATHS
from myofed_schemas.weights_transfer import PIECE_BYTES

LOCAL_TOKEN_HEADER = "x-myofed-local-token"  # noqa: S105  the header's name
STUDY_HEADER = "x-myofed-study"
BODY_HEADER = "x-myofed-body"
"""With `file`: the weights are no body on loopback, they lie or come to lie in `run/weights/`."""
WEIGHTS_PATH = re.compile(r"/site/weights/[a-z0-9-]+/([0-9a-f]{64})")
SITE_PATH = re.compile(r"/site(/[A-Za-z0-9_-]+)+")
"""Only plain segments: no dot, no percent sign, no empty segment, so no traversal in any decoding."""
SITE_METHODS = ("GET", "PUT", "POST", "DELETE")
SITE_HEADERS = ("content-type", "accept", "range", "content-range")
RANGES = {
    "range": re.compile(r"bytes=\d{1,15}-(\d{1,15})?"),
    "content-range": re.compile(r"bytes \d{1,15}-\d{1,15}/\d{1,15}"),
}
"""What the two may say: numbers of bytes, of weights that move in pieces (RFC 9110, 14.2 and 14.4)."""
LONGEST_PATH = 200
LONGEST_HEADER = 1024
"""Characters; a node key and a signature of Flower take some 300. Paths and headers are no way out for data."""
STUDY = re.compile(r"([a-z][a-z0-9-]{2,47})?")


@dataclass(frozen=True)
class Piece:
    """Bytes of a file in `run/weights/`.

    Attributes:
        name: `SHA256.in` for what comes, `SHA256.out` for what leaves; the digest is that of the path.
        first: The first byte.
        length: How many.
    """

    name: str
    first: int
    length: int


@dataclass(frozen=True)
class Outgoing:
    """A request that may leave.

    Attributes:
        kind: `engine` or `site`.
        method: HTTP method.
        path: Exactly as it will be sent.
        headers: All that leave beside what HTTP needs.
        study: For the ledger; does not leave.
        piece: Where the weights of this request lie, if they are no body.
    """

    kind: Kind
    method: str
    path: str
    headers: Mapping[str, str]
    study: str
    piece: Piece | None = None


def decide(*, method: str, target: tuple[str, bytes], headers: Mapping[str, str], local_token: str) -> Outgoing:
    """The request, reduced to what may leave of it.

    Fleet calls come from the stock SuperNode, which can send no token of ours; it signs them with the node's key. All
    other requests prove by the local token that their sender may read the site's folder.

    Args:
        method: HTTP method.
        target: Raw path and query string.
        headers: Lower-case names.
        local_token: From `run/egress.json`.

    Raises:
        MyofedError: EGRESS_PATH, EGRESS_HEADER or EGRESS_TOKEN; nothing is sent then.
    """
    path, query = target
    if len(path) > LONGEST_PATH:
        raise _refused("EGRESS_PATH", f"a path of more than {LONGEST_PATH} characters")
    if query:
        raise _refused("EGRESS_PATH", "a query string")
    if method == "POST" and path in FLEET_PATHS:
        return Outgoing("engine", method, path, _only(headers, FLEET_HEADERS), study="")
    if method not in SITE_METHODS or SITE_PATH.fullmatch(path) is None:
        raise _refused("EGRESS_PATH", "another path or method")
    if not hmac.compare_digest(headers.get(LOCAL_TOKEN_HEADER, "").encode(), local_token.encode()):
        raise _refused("EGRESS_TOKEN", "no local token or another")
    study = headers.get(STUDY_HEADER, "")
    if STUDY.fullmatch(study) is None:
        raise _refused("EGRESS_PATH", "a study header that names no study")
    kept = _only(headers, SITE_HEADERS)
    piece = _piece(method, path, kept) if BODY_HEADER in headers else None
    return Outgoing("site", method, path, kept, study=study, piece=piece)


def _piece(method: str, path: str, headers: Mapping[str, str]) -> Piece:
    """What the range of a request for weights says."""
    weights = WEIGHTS_PATH.fullmatch(path)
    said = headers.get({"GET": "range", "PUT": "content-range"}.get(method, ""), "")
    numbers = [int(number) for number in re.findall(r"\d+", said)]
    if weights is None or len(numbers) < 2 or not 0 <= numbers[1] - numbers[0] < PIECE_BYTES:
        raise _refused("EGRESS_HEADER", "a file for something else than a piece of weights")
    suffix = "in" if method == "GET" else "out"
    return Piece(f"{weights[1]}.{suffix}", numbers[0], numbers[1] - numbers[0] + 1)


def _only(headers: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    found = {name: headers[name] for name in names if name in headers}
    if any(len(value) > LONGEST_HEADER for value in found.values()):
        raise _refused("EGRESS_HEADER", f"a header of more than {LONGEST_HEADER} characters")
    if any(rule.fullmatch(found[name]) is None for name, rule in RANGES.items() if name in found):
        raise _refused("EGRESS_HEADER", "a range that is no range of bytes")
    return found


def _refused(code: str, found: str) -> MyofedError:
    return MyofedError(code, f"expected one of Flower's ten calls, or /site/* with the local token, found {found}")
