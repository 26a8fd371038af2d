"""How the node's other processes send something: through the egress, with the local token; there is no other way out."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import httpx
from pydantic import Field, ValidationError

from myofed_node.federation.egress_request import LOCAL_TOKEN_HEADER, STUDY_HEADER
from myofed_node.site_folder import SiteFolder
from myofed_schemas.errors import ErrorBody, MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.wire import WireModel

TIMEOUT_S = 120.0
NO_ANSWER = (502, 503)


class EgressAddress(WireModel):
    """`run/egress.json` (0600): where the running egress listens, and what proves that the sender may read this."""

    port: int = Field(ge=1, le=65_535)
    token: str = Field(min_length=32, max_length=128)


@dataclass(frozen=True)
class Response:
    """What came back.

    Attributes:
        status: HTTP status.
        body: All bytes.
    """

    status: int
    body: bytes

    def code(self) -> str:
        """The refusal's code, or `HTTP_<status>` where the answer carries none."""
        try:
            return ErrorBody.model_validate_json(self.body).code
        except ValidationError:
            return f"HTTP_{self.status}"


class EgressSession:
    """An open connection to the egress."""

    def __init__(self, client: httpx.Client, base: str, headers: Mapping[str, str]) -> None:
        self._client = client
        self._base = base
        self._headers = headers

    def request(
        self, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Response:
        """The coordinator has answered; the request stands in the ledger.

        Args:
            method: HTTP method.
            path: `/site/...`.
            body: All bytes, at most what the egress lets out at once.
            headers: Those of the body and its range.

        Raises:
            MyofedError: NODE_NOT_RUNNING where no egress answers, COORDINATOR_UNREACHABLE or COORDINATOR_ANSWER_CUT where
                it got no answer.
        """
        try:
            answer = self._client.request(
                method, self._base + path, content=body or None, headers={**self._headers, **(headers or {})}
            )
        except httpx.TransportError:
            raise _not_running() from None
        response = Response(answer.status_code, answer.content)
        if response.status in NO_ANSWER and response.code() in ("COORDINATOR_UNREACHABLE", "COORDINATOR_ANSWER_CUT"):
            raise MyofedError(
                response.code(),
                "expected an answer of the coordinator, found none",
                hint="myofed-node doctor tells which part of the way is closed",
                exit_code=ExitCode.UNREACHABLE,
            )
        return response


class EgressClient:
    """Sends requests to `/site/*` of the coordinator."""

    def __init__(self, folder: SiteFolder) -> None:
        self._folder = folder

    def request(
        self, method: Literal["GET", "PUT", "POST", "DELETE"], path: str, *, body: bytes = b"", study: str = ""
    ) -> Response:
        """The coordinator has answered; the request stands in the ledger.

        Args:
            method: HTTP method.
            path: `/site/...`.
            body: JSON, or empty.
            study: For the ledger; does not leave.

        Raises:
            MyofedError: NODE_NOT_RUNNING where no egress runs here, COORDINATOR_UNREACHABLE where it got no answer.
        """
        with self.session(study=study) as session:
            headers = {"content-type": "application/json"} if body else None
            return session.request(method, path, body=body, headers=headers)

    @contextmanager
    def session(self, *, study: str = "") -> Iterator[EgressSession]:
        """Several requests over one connection to the egress.

        Args:
            study: For the ledger; does not leave.

        Raises:
            MyofedError: NODE_NOT_RUNNING where no egress runs here.
        """
        address = self._address()
        headers = {LOCAL_TOKEN_HEADER: address.token, "accept-encoding": "identity"}
        if study:
            headers[STUDY_HEADER] = study
        context = ssl.create_default_context(cafile=str(self._folder.loopback_ca))
        with httpx.Client(verify=context, timeout=TIMEOUT_S, trust_env=False) as client:
            yield EgressSession(client, f"https://127.0.0.1:{address.port}", headers)

    def _address(self) -> EgressAddress:
        try:
            return EgressAddress.model_validate_json(self._folder.egress_address.read_bytes())
        except (FileNotFoundError, ValidationError):
            raise _not_running() from None


def _not_running() -> MyofedError:
    return MyofedError(
        "NODE_NOT_RUNNING",
        "expected the site's services to run, found no egress",
        hint="start them: myofed-node up DIR",
        exit_code=ExitCode.NOT_RUNNING,
    )
