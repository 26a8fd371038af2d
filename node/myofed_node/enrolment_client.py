"""The one request that a node sends before it has a certificate: POST /enrol, to the invite's CA and no other."""

from __future__ import annotations

import hashlib
import ssl
from datetime import datetime
from http import HTTPStatus

import httpx
from pydantic import ValidationError

from myofed_node.federation.ledger import EgressLedger, Passage
from myofed_node.site_setup import Site
from myofed_schemas.enrolment import EnrolmentReply, Invite
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

TIMEOUT_S = 30.0
MAX_REPLY_BYTES = 64 * 1024
PATH = "/enrol"


def post_enrolment(site: Site, invite: Invite, body: bytes, *, now: datetime) -> EnrolmentReply:
    """The coordinator's answer to this request; the exchange stands in the egress ledger.

    Args:
        site: Its outbound proxy is used; variables of the environment are not.
        invite: Names the address and the only CA that is trusted.
        body: EnrolmentRequest as JSON.
        now: UTC, for the ledger.

    Raises:
        MyofedError: COORDINATOR_UNREACHABLE, COORDINATOR_NOT_TRUSTED, ENROLMENT_REFUSED, REPLY_INVALID.
    """
    status, reply = _send(site, invite, body)
    passage = Passage(
        kind="enrol",
        method="POST",
        path=PATH,
        status=status,
        out_bytes=len(body),
        out_sha256=hashlib.sha256(body).hexdigest(),
        in_bytes=len(reply),
        in_sha256=hashlib.sha256(reply).hexdigest(),
    )
    EgressLedger(site.folder.ledger).append(passage, now=now)
    if status == 0:
        raise _unreachable()
    if status != HTTPStatus.OK:
        raise MyofedError(
            "ENROLMENT_REFUSED",
            f"expected the coordinator's answer to an enrolment request, found HTTP status {status}",
            hint="ask the coordinator whether its people's port is this address",
            exit_code=ExitCode.REFUSED,
        )
    try:
        return EnrolmentReply.model_validate_json(reply)
    except ValidationError:
        raise MyofedError(
            "REPLY_INVALID",
            "expected an EnrolmentReply from the coordinator, found something else",
            hint="is a proxy answering in its place?",
            exit_code=ExitCode.REFUSED,
        ) from None


def _send(site: Site, invite: Invite, body: bytes) -> tuple[int, bytes]:
    """Status and body; status 0 where nobody answered.

    Raises:
        MyofedError: COORDINATOR_NOT_TRUSTED; nothing was sent then.
    """
    trust = ssl.create_default_context(cadata=invite.ca_pem)
    trust.minimum_version = ssl.TLSVersion.TLSv1_3
    headers = {"content-type": "application/json"}
    try:
        with (
            httpx.Client(verify=trust, proxy=site.config.outbound_proxy, trust_env=False, timeout=TIMEOUT_S) as client,
            client.stream("POST", invite.people_url + PATH, content=body, headers=headers) as response,
        ):
            return response.status_code, _bounded(response)
    except httpx.TransportError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise MyofedError(
                "COORDINATOR_NOT_TRUSTED",
                "expected a server certificate from the invite's CA, found another",
                hint="TLS inspection of the hospital's network, or a wrong address; nothing was sent",
                exit_code=ExitCode.REFUSED,
            ) from None
        return 0, b""


def _bounded(response: httpx.Response) -> bytes:
    received = bytearray()
    for chunk in response.iter_bytes():
        received += chunk
        if len(received) > MAX_REPLY_BYTES:
            break
    return bytes(received[: MAX_REPLY_BYTES + 1])


def _unreachable() -> MyofedError:
    return MyofedError(
        "COORDINATOR_UNREACHABLE",
        "expected the coordinator's people's port at the invite's address, found nobody",
        hint="check outbound_proxy in config.yaml and ask your network people; myofed-node doctor says more",
        exit_code=ExitCode.UNREACHABLE,
    )
