"""How the node's other processes send something: through the egress, with the local token; there is no other way out."""

from __future__ import annotations

import ssl
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
        address = self._address()
        headers = {LOCAL_TOKEN_HEADER: address.token, "accept-encoding": "identity"}
        if study:
            headers[STUDY_HEADER] = study
        if body:
            headers["content-type"] = "application/json"
        context = ssl.create_default_context(cafile=str(self._folder.loopback_ca))
        try:
            with httpx.Client(verify=context, timeout=TIMEOUT_S, trust_env=False) as client:
                answer = client.request(
                    method, f"https://127.0.0.1:{address.port}{path}", content=body or None, headers=headers
                )
        except httpx.TransportError:
            raise _not_running() from None
        response = Response(answer.status_code, answer.content)
        if response.code() in ("COORDINATOR_UNREACHABLE", "COORDINATOR_ANSWER_CUT"):
            raise MyofedError(
                response.code(),
                "expected an answer of the coordinator, found none",
                hint="myofed-node doctor tells which part of the way is closed",
                exit_code=ExitCode.UNREACHABLE,
            )
        return response

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
