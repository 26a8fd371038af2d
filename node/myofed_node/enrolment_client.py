"""The one request that a node sends before it has a certificate: POST /enrol, to the invite's CA and no other."""

from __future__ import annotations

import errno
import hashlib
import socket
import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

import httpx
from pydantic import ValidationError

from myofed_node.client_certificate import clock_wrong
from myofed_node.federation.ledger import EgressLedger, Passage
from myofed_node.site_setup import Site
from myofed_node.tls_diagnosis import PATH as HEALTH
from myofed_node.tls_diagnosis import diagnosed, look_at_server, server_date, verify_code
from myofed_schemas.enrolment import EnrolmentReply, Invite
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

TIMEOUT_S = 30.0
MAX_REPLY_BYTES = 64 * 1024
PATH = "/enrol"
MOST_SKEW = timedelta(hours=1)
"""A certificate is valid from an hour before it is made: clocks further apart find none that is valid on both."""


def post_enrolment(site: Site, invite: Invite, body: bytes, *, now: datetime) -> EnrolmentReply:
    """The coordinator's answer to this request; the exchange stands in the egress ledger.

    Args:
        site: Its outbound proxy is used; variables of the environment are not.
        invite: Names the address and the only CA that is trusted.
        body: EnrolmentRequest as JSON.
        now: UTC, for the ledger.

    Raises:
        MyofedError: COORDINATOR_UNREACHABLE or PROXY_REFUSED where there is no way; what `tls_diagnosis` says where the
            server is not the invite's; CLOCK_AHEAD, CLOCK_BEHIND; ENROLMENT_REFUSED, REPLY_INVALID.
    """
    answer = _send(site, invite, body, now=now)
    status, reply = answer.status, answer.content
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
    if answer.failed is not None:
        raise answer.failed
    if status != HTTPStatus.OK:
        raise MyofedError(
            "ENROLMENT_REFUSED",
            f"expected the coordinator's answer to an enrolment request, found HTTP status {status}",
            hint="ask the coordinator whether its people's port is this address",
            exit_code=ExitCode.REFUSED,
        )
    try:
        parsed = EnrolmentReply.model_validate_json(reply)
    except ValidationError:
        raise MyofedError(
            "REPLY_INVALID",
            "expected an EnrolmentReply from the coordinator, found something else",
            hint="is a proxy answering in its place?",
            exit_code=ExitCode.REFUSED,
        ) from None
    if parsed.state != "refused" and answer.date is not None and abs(now - answer.date) > MOST_SKEW:
        raise clock_wrong("behind" if now < answer.date else "ahead of", now - answer.date)
    return parsed


@dataclass(frozen=True)
class _Answer:
    """What came back.

    Attributes:
        status: HTTP status; 0 where nobody answered.
        content: The body.
        date: The server's clock.
        failed: Why nobody answered.
    """

    status: int = 0
    content: bytes = b""
    date: datetime | None = None
    failed: MyofedError | None = None


def _send(site: Site, invite: Invite, body: bytes, *, now: datetime) -> _Answer:
    """What the coordinator said.

    Raises:
        MyofedError: The server is not the invite's coordinator; nothing was sent then.
    """
    trust = ssl.create_default_context(cadata=invite.ca_pem)
    trust.minimum_version = ssl.TLSVersion.TLSv1_3
    headers, proxy = {"content-type": "application/json"}, site.config.outbound_proxy
    try:
        with (
            httpx.Client(verify=trust, proxy=proxy, trust_env=False, timeout=TIMEOUT_S) as client,
            client.stream("POST", invite.people_url + PATH, content=body, headers=headers) as response,
        ):
            return _Answer(response.status_code, _bounded(response), server_date(response))
    except httpx.TransportError as error:
        code = verify_code(error)
        if code is None:
            return _Answer(failed=_no_way(error, site))
        raise _looked(site, invite, code, now=now) from None


def _looked(site: Site, invite: Invite, code: int, *, now: datetime) -> MyofedError:
    """The error that a look at the server gives; the look stands in the ledger."""
    seen = look_at_server(invite.people_url, proxy=site.config.outbound_proxy)
    looked = Passage(kind="enrol", method="GET", path=HEALTH, status=0 if seen is None else int(HTTPStatus.OK))
    EgressLedger(site.folder.ledger).append(looked, now=now)
    return diagnosed(seen, ca_pem=invite.ca_pem, code=code, now=now)


def _bounded(response: httpx.Response) -> bytes:
    received = bytearray()
    for chunk in response.iter_bytes():
        received += chunk
        if len(received) > MAX_REPLY_BYTES:
            break
    return bytes(received[: MAX_REPLY_BYTES + 1])


def _no_way(error: httpx.TransportError, site: Site) -> MyofedError:
    """Why nobody answered, as far as this side can know."""
    if isinstance(error, httpx.ProxyError):
        return MyofedError(
            "PROXY_REFUSED",
            "expected the outbound proxy to pass the connection on, found that it refuses",
            hint="outbound_proxy in config.yaml: its address, user and password; ask for CONNECT to the coordinator's ports",
            exit_code=ExitCode.UNREACHABLE,
        )
    return MyofedError(
        "COORDINATOR_UNREACHABLE",
        f"expected the coordinator's people's port at the invite's address, found {_way(error)}",
        hint="ask your network people to open the address; outbound_proxy in config.yaml "
        + ("is set" if site.config.outbound_proxy else "is not set: does the hospital need one?"),
        exit_code=ExitCode.UNREACHABLE,
    )


def _way(error: httpx.TransportError) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return "that its name does not resolve (DNS)"
        if isinstance(cause, ConnectionRefusedError):
            return "nobody listening (connection refused)"
        if isinstance(cause, ssl.SSLError):
            return "something there that does not speak TLS 1.3"
        if isinstance(cause, OSError) and cause.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
            return "no route to it"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {TIMEOUT_S:.0f} s (a firewall that drops?)"
    return "nobody"
