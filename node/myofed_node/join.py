"""Enrolment: the site's own keys, one request, a certificate; the same call goes on where the last one stopped."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from myofed_node import client_certificate
from myofed_node.audit import SiteAudit
from myofed_node.coordinator_link import CoordinatorLink, load_link, save_link
from myofed_node.enrolment_client import post_enrolment
from myofed_node.keys import flower_public_key, identity_public_key, renew_enrolment_keys, sign
from myofed_node.signed_heads import set_aside_heads
from myofed_node.site_setup import Site
from myofed_schemas.clock import system_now, utc_moment, utc_text
from myofed_schemas.enrolment import (
    EnrolmentBody,
    EnrolmentReply,
    EnrolmentRequest,
    Invite,
    for_reading_aloud,
    identity_fingerprint,
)
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import write_atomically
from myofed_schemas.service_loop import only_one

ASK_AGAIN_S = 2.0
MAX_INVITE_BYTES = 100_000


def read_invite(path: Path) -> Invite:
    """The invite in this file.

    Raises:
        MyofedError: INVITE_INVALID; nothing of the file is shown (it holds a token).
    """
    try:
        with path.open("rb") as stream:
            return Invite.model_validate_json(stream.read(MAX_INVITE_BYTES))
    except (OSError, ValidationError):
        raise MyofedError(
            "INVITE_INVALID",
            "expected an invite file of a coordinator, found none that can be read",
            hint="ask the coordinator for a new one: myofed-coordinator invite SITE --out FILE",
            exit_code=ExitCode.BAD_INPUT,
        ) from None


def join_anew(site: Site, invite: Invite, *, now: datetime) -> None:
    """The site's enrolment is forgotten and its keys are new; what was wrong with the invite was found out before.

    Raises:
        MyofedError: INVITE_OTHER_SITE, INVITE_EXPIRED, COSIGNATURE_INVALID where a kept audit head is damaged, or
            ALREADY_RUNNING while the site's services are up.
    """
    _check_invite(site, invite, now=now)
    site.folder.run.mkdir(mode=0o700, exist_ok=True)
    with only_one(site.folder.run / "up.lock"):
        set_aside_heads(site.folder, coordinator_key=invite.coordinator_key, now=now)
        renew_enrolment_keys(site.folder, now=now)
    SiteAudit(site.folder).append("KEYS_RENEWED", subject=site.config.site, now=now)


def join_within(
    site: Site,
    invite: Invite,
    *,
    wait_s: float,
    say: Callable[[str], None],
    clock: Callable[[], datetime] = system_now,
    sleep: Callable[[float], None] = time.sleep,
) -> EnrolmentReply:
    """The site is enrolled, or still pending after `wait_s`.

    Args:
        site: The site that joins.
        invite: From the coordinator.
        wait_s: How long to ask again while the answer is pending; 0 asks once.
        say: Takes a line for the person who waits.
        clock: UTC now.
        sleep: Waits.

    Raises:
        MyofedError: As `join_once`.
    """
    deadline = clock().timestamp() + wait_s
    reply = join_once(site, invite, now=clock())
    if reply.state == "pending":
        fingerprint = for_reading_aloud(identity_fingerprint(identity_public_key(site.folder)))
        say(
            f"identity key of this site, which the coordinator's people compare by voice before they approve: {fingerprint}"
        )
    if reply.state == "pending" and wait_s > 0:
        say("the request has arrived; waiting for the coordinator's people to approve it")
    while reply.state == "pending" and clock().timestamp() < deadline:
        sleep(ASK_AGAIN_S)
        reply = join_once(site, invite, now=clock())
    return reply


def join_once(site: Site, invite: Invite, *, now: datetime) -> EnrolmentReply:
    """The coordinator has been asked; when it approved, certificate and link lie in the site's folder.

    Killed at any moment it can be called again: the request is the same byte for byte, and the link, whose presence
    means "enrolled", is written last.

    Args:
        site: The site that joins.
        invite: From the coordinator.
        now: UTC.

    Returns:
        `approved` or `pending`.

    Raises:
        MyofedError: INVITE_OTHER_SITE, INVITE_EXPIRED, ALREADY_ENROLLED (elsewhere), the code of the other side's refusal,
            CERTIFICATE_INVALID, or what `post_enrolment` raises.
    """
    _check_invite(site, invite, now=now)
    if site.folder.coordinator.exists():
        return _already(site, invite)
    reply = post_enrolment(site, invite, _request(site, invite).model_dump_json().encode(), now=now)
    if reply.state == "refused":
        raise _refusal(reply.code)
    if reply.state == "approved":
        _finish(site, invite, reply, now=now)
    return reply


REFUSALS = {
    "ENROL_TOKEN_EXPIRED": (
        "found that the invite's time is over by the coordinator's clock",
        "ask the coordinator for a new invite; it opens for 72 hours unless they say otherwise",
    ),
    "ENROL_TOKEN_USED": (
        "found that another request used the invite",
        "ask for a new invite; if this site never joined, tell the coordinator at once: somebody else used it",
    ),
    "ENROL_TOKEN_UNKNOWN": (
        "found that the coordinator knows no such invite",
        "was it withdrawn, or is it of another coordinator? ask for a new one",
    ),
    "ENROL_TOKEN_REPLACED": (
        "found that a later invite of this site ended this one",
        "use the latest invite; if nobody gave you another one, tell the coordinator",
    ),
    "ENROL_KEY_TAKEN": (
        "found that a key of this site belongs to another one",
        "a site folder was copied: make a new one with `myofed-node init`",
    ),
    "ENROL_KEY_RETIRED": (
        "found that this site's Flower key was revoked before",
        "call `myofed-node join --new-keys` with the new invite",
    ),
    "SITE_REVOKED": ("found that this site was revoked", "ask the coordinator why, then for a new invite"),
}
"""What each refusal means for the person at the site; the mend is theirs."""


def _refusal(code: str) -> MyofedError:
    found, hint = REFUSALS.get(
        code, ("found a refusal with this code", "ask the coordinator for a new invite and name the code")
    )
    return MyofedError(
        code,
        f"expected the coordinator to take the enrolment request, {found}",
        hint=hint,
        exit_code=ExitCode.REFUSED,
    )


def _check_invite(site: Site, invite: Invite, *, now: datetime) -> None:
    if invite.site != site.config.site:
        raise MyofedError(
            "INVITE_OTHER_SITE",
            f"expected an invite for {site.config.site}, found one for {invite.site}",
            hint="an invite works for one site name only",
            exit_code=ExitCode.BAD_INPUT,
        )
    asked_before = site.folder.tls_request.exists()
    if utc_moment(invite.expires_at) < now and not asked_before:
        raise MyofedError(
            "INVITE_EXPIRED",
            f"expected an invite that is still open, found one that ended at {invite.expires_at}",
            hint="ask the coordinator for a new one, or set this machine's clock",
            exit_code=ExitCode.REFUSED,
        )


def _already(site: Site, invite: Invite) -> EnrolmentReply:
    if load_link(site.folder).coordinator_key != invite.coordinator_key:
        raise MyofedError(
            "ALREADY_ENROLLED",
            "expected a site that is not enrolled, found one that is enrolled at another coordinator",
            hint="a site folder belongs to one consortium; make another folder for the second",
            exit_code=ExitCode.SITE_FOLDER,
        )
    return EnrolmentReply(
        state="approved", code="OK", certificate_pem=site.folder.tls_certificate.read_text(encoding="ascii")
    )


def _request(site: Site, invite: Invite) -> EnrolmentRequest:
    folder = site.folder
    if not folder.tls_request.exists():
        write_atomically(folder.tls_request, client_certificate.make_request(folder.tls_key, site=site.config.site))
    body = EnrolmentBody(
        site=site.config.site,
        token=invite.token,
        csr_pem=folder.tls_request.read_text(encoding="ascii"),
        identity_key=identity_public_key(folder),
        flower_node_key=flower_public_key(folder),
        myofed_version=importlib.metadata.version("myofed"),
        flwr_version=importlib.metadata.version("flwr"),
    )
    return EnrolmentRequest(body=body, signature=sign(folder, body))


def _finish(site: Site, invite: Invite, reply: EnrolmentReply, *, now: datetime) -> None:
    certificate = (reply.certificate_pem or "").encode()
    client_certificate.check(
        site.folder.tls_key, certificate, ca=invite.ca_pem.encode(), site=site.config.site, now=now
    )
    write_atomically(site.folder.consortium_ca, invite.ca_pem.encode())
    write_atomically(site.folder.tls_certificate, certificate)
    SiteAudit(site.folder).append("SITE_ENROLLED", subject=client_certificate.fingerprint(certificate), now=now)
    link = CoordinatorLink(
        site=site.config.site,
        people_url=invite.people_url,
        sites_url=invite.sites_url,
        coordinator_key=invite.coordinator_key,
        joined_at=utc_text(now),
    )
    save_link(site.folder, link)
