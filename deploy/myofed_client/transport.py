"""Requests to a coordinator and their answers: typed, or a refusal with the coordinator's own code."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from myofed_schemas.canonical import canonical_json
from myofed_schemas.errors import ErrorBody, FieldsError, MyofedError
from myofed_schemas.exit_codes import ExitCode

API = "/api/v1"
PIECE_BYTES = 1 << 20
Answer = TypeVar("Answer")
Query = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Way:
    """How the coordinator is reached.

    Attributes:
        ca: PEM file of the consortium's CA; None trusts the system's.
        timeout_s: For each step of a request.
        proxy: None: as HTTPS_PROXY, ALL_PROXY and NO_PROXY say; empty: none; else this one. May hold a password: not in the repr.
        inner: Another way than the network, for tests.
    """

    ca: Path | None
    timeout_s: float
    proxy: str | None = field(default=None, repr=False)
    inner: httpx.BaseTransport | None = None


class Transport:
    """One connection pool to one coordinator; the token is in no repr and no message."""

    def __init__(self, url: str, token: str, way: Way) -> None:
        """The pool; nothing is asked yet.

        Raises:
            MyofedError: CLIENT_PROXY, the proxy named, here or by the environment, cannot be one.
        """
        with _naming_no_proxy():
            self._client = httpx.Client(
                base_url=url.rstrip("/") + API,
                headers={"authorization": f"Bearer {token}"},
                verify=_context(way.ca),
                timeout=way.timeout_s,
                transport=way.inner,
                proxy=way.proxy or None,
                trust_env=way.proxy is None,
            )

    def close(self) -> None:
        """No connection is open any more."""
        self._client.close()

    def get(self, kind: type[Answer], path: str, *, query: Query = ()) -> Answer:
        """The answer to this question.

        Raises:
            MyofedError: The coordinator's code; COORDINATOR_UNREACHABLE, ANSWER_INVALID.
        """
        with _reaching():
            return _answer(kind, self._client.get(path, params=[*query]))

    def post(self, kind: type[Answer], path: str, body: BaseModel | Mapping[str, object]) -> Answer:
        """What the coordinator did.

        Raises:
            MyofedError: As `get`.
        """
        with _reaching():
            headers = {"content-type": "application/json"}
            return _answer(kind, self._client.post(path, content=canonical_json(body), headers=headers))

    def put_file(self, kind: type[Answer], path: str, source: Path) -> Answer:
        """The file was sent, piece by piece.

        Raises:
            MyofedError: As `get`.
            OSError: The file cannot be read.
        """
        headers = {"content-type": "application/octet-stream", "content-length": str(source.stat().st_size)}
        with _reaching():
            return _answer(kind, self._client.put(path, content=_pieces(source), headers=headers))

    def fetch(self, path: str) -> Iterator[bytes]:
        """The bytes at this path, piece by piece.

        Raises:
            MyofedError: As `get`.
        """
        with _reaching(), self._client.stream("GET", path) as response:
            if not response.is_success:
                response.read()
                raise _refusal(response)
            yield from response.iter_bytes(PIECE_BYTES)


def _context(ca: Path | None) -> ssl.SSLContext:
    """The consortium's CA alone, where it is given; else what the system trusts."""
    return ssl.create_default_context(cafile=None if ca is None else str(ca))


@contextmanager
def _naming_no_proxy() -> Iterator[None]:
    """What httpx says of a proxy that cannot be one holds its address, with the password that may be in it."""
    try:
        yield
    except (ValueError, httpx.InvalidURL, ImportError):
        raise MyofedError(
            "CLIENT_PROXY",
            "expected a proxy like http://proxy.example:3128, found another form or one that is not supported",
            hint="look at proxy=, or at HTTPS_PROXY and ALL_PROXY in the environment",
            exit_code=ExitCode.USAGE,
        ) from None


@contextmanager
def _reaching() -> Iterator[None]:
    try:
        yield
    except httpx.TransportError as error:
        raise MyofedError(
            "COORDINATOR_UNREACHABLE",
            f"expected an answer of the coordinator, found none ({type(error).__name__})",
            hint="check the address, the proxy, and that ca= names the consortium's CA",
            exit_code=ExitCode.UNREACHABLE,
        ) from None


def _answer(kind: type[Answer], response: httpx.Response) -> Answer:
    if not response.is_success:
        raise _refusal(response)
    try:
        return TypeAdapter(kind).validate_json(response.content)
    except ValidationError:
        raise MyofedError(
            "ANSWER_INVALID",
            "expected an answer of the documented form, found another",
            hint="compare the versions of client and coordinator",
            exit_code=ExitCode.FAILED,
        ) from None


def _refusal(response: httpx.Response) -> FieldsError:
    """The coordinator's code, and the fields that it names; of anything else the HTTP status."""
    try:
        body = ErrorBody.model_validate_json(response.content)
        code, hint, fields = body.code, body.hint, body.fields
    except ValidationError:
        code, hint, fields = f"HTTP_{response.status_code}", "is a proxy answering in its place?", ()
    told = "".join(f"; {fault.field}: expected {fault.expected}" for fault in fields)
    return FieldsError(
        code,
        f"expected the coordinator to do as asked, found that it refused ({response.status_code}){told}",
        fields,
        hint=hint or "docs/codes.md says what this code means",
        exit_code=ExitCode.REFUSED,
    )


def _pieces(source: Path) -> Iterator[bytes]:
    with source.open("rb") as stream:
        while piece := stream.read(PIECE_BYTES):
            yield piece
