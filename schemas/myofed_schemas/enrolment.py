"""How a site becomes part of a consortium: invite, request with keys made on the site, certificate."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from myofed_schemas.ids import Code, Sha256, SiteId, UtcTime
from myofed_schemas.study import HexPublicKey, HexSignature
from myofed_schemas.wire import WireModel

Pem = Annotated[str, StringConstraints(pattern=r"^-----BEGIN [A-Z ]+-----\n", max_length=20_000)]
HttpsUrl = Annotated[str, StringConstraints(pattern=r"^https://[A-Za-z0-9.\-\[\]:]+(:\d{1,5})?$")]


class Invite(WireModel):
    """The file a coordinator hands to a site, by a trusted way; the token works once and only for this site name."""

    schema_version: Literal["myofed-invite-1"] = "myofed-invite-1"
    site: SiteId
    people_url: HttpsUrl
    """Where `join` sends its request."""
    sites_url: HttpsUrl
    """Where the egress proxy connects, with the certificate that `join` obtains."""
    ca_pem: Pem
    """The consortium's CA: the only one a node trusts for both ports."""
    coordinator_key: HexPublicKey
    """Ed25519 key that signs manifests and models."""
    token: str = Field(min_length=32, max_length=128)
    expires_at: UtcTime


class EnrolmentBody(WireModel):
    """What a site asks for; every key in it was made on the site and its private half stays there."""

    site: SiteId
    token: str = Field(min_length=32, max_length=128)
    csr_pem: Pem
    identity_key: HexPublicKey
    """Ed25519: signs decisions and audit heads."""
    flower_node_key: str = Field(pattern=r"^ecdsa-sha2-nistp384 [A-Za-z0-9+/=]+$", max_length=1000)
    """OpenSSH public key of the Flower node (EC P-384)."""
    myofed_version: str = Field(max_length=32)
    flwr_version: str = Field(max_length=32)


class EnrolmentRequest(WireModel):
    """POST /enrol. The signature is the identity key's over the canonical JSON of `body`: proof of possession."""

    body: EnrolmentBody
    signature: HexSignature


class EnrolmentReply(WireModel):
    """Pending until an administrator approves; the same request sent again gives the same answer (or the certificate)."""

    state: Literal["pending", "approved", "refused"]
    code: Code
    certificate_pem: Pem | None = None


class RenewalBody(WireModel):
    """What an enrolled site asks for before its certificate ends; the key of the request is made on the site, too."""

    site: SiteId
    csr_pem: Pem
    asked_at: UtcTime


class SignedRenewal(WireModel):
    """POST /site/certificate, under the present certificate. The signature is the identity key's over `body`.

    So neither a stolen TLS key nor a stolen identity key alone gets a certificate.
    """

    body: RenewalBody
    signature: HexSignature


class RenewalReply(WireModel):
    """The next certificate; the present one stays valid until its own end."""

    certificate_pem: Pem


class SiteRecord(WireModel):
    """One enrolled site as `sites list --json` shows it."""

    site: SiteId
    state: Literal["invited", "pending", "approved", "revoked"]
    certificate_sha256: Sha256 | None
    certificate_not_after: UtcTime | None
    last_seen: UtcTime | None
    heartbeat: Code | None
    identity_sha256: Sha256 | None = None
    """Fingerprint of the identity key in its last request: what both sides compare by voice; `join` prints it, too."""
    request_sha256: Sha256 | None = None
    """Of its last request, whose keys an approval lets in."""
    requests: int = Field(default=0, ge=0, strict=True)
    """Requests, each with an invite of its own, since the site was new or revoked; two while it is pending want an answer."""


def identity_fingerprint(identity_key: str) -> str:
    """SHA-256 of a raw Ed25519 public key, both in hexadecimal."""
    return hashlib.sha256(bytes.fromhex(identity_key)).hexdigest()


def for_reading_aloud(fingerprint: str) -> str:
    """The fingerprint in groups of four digits."""
    return " ".join(fingerprint[i : i + 4] for i in range(0, len(fingerprint), 4))


def as_typed(fingerprint: str) -> str:
    """The fingerprint that a person typed, without blanks, colons and capitals."""
    return "".join(fingerprint.split()).replace(":", "").lower()
