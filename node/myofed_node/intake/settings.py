"""Who may send images here and how much; nobody, until a site names its scanners and archives."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from myofed_schemas.wire import WireModel

AeTitle = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_. -]{0,14}[A-Za-z0-9_.-]?$")]
"""At most 16 characters, as DICOM has it."""


def _network(value: str) -> str:
    return str(ip_network(value, strict=False))


Network = Annotated[str, AfterValidator(_network)]
"""An address or a network, e.g. `10.1.2.3` or `10.1.2.0/24`."""

FilePath = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
LegalBasis = Literal["consent", "broad-consent", "public-interest-research", "legal-obligation", "synthetic"]
"""Why this site may use images for research; set by its data protection officer."""


class Peer(WireModel):
    """One scanner or archive.

    Attributes:
        ae_title: It calls itself so.
        networks: From where it calls.
    """

    ae_title: AeTitle
    networks: tuple[Network, ...] = Field(min_length=1)

    def admits(self, *, ae_title: str, address: str) -> bool:
        """Whether a caller of this name and address is this peer."""
        return ae_title == self.ae_title and any(ip_address(address) in ip_network(each) for each in self.networks)


class TlsSettings(WireModel):
    """DICOM over TLS (PS3.15 B.12, BCP 195): files in PEM, relative ones start at the site's folder.

    Attributes:
        certificate: Of this node, with its chain.
        key: Its private key, 0600.
        client_ca: Senders need a certificate of this CA; None takes any peer.
    """

    certificate: FilePath
    key: FilePath
    client_ca: FilePath | None = None


class IntakeSettings(WireModel):
    """The site's DICOM port and what becomes of a study that came through it.

    Attributes:
        port: TCP port; None opens none.
        address: Of this machine on which it listens.
        ae_title: What callers must call this node.
        peers: Who may call; nobody else is listened to.
        processes: That listen side by side; the system spreads senders over them.
        max_associations: At a time, of each process; further ones are refused until one ends.
        max_instance_mb: A larger instance is refused (MiB).
        reserve_gb: Nothing is taken while the disk has less free (GiB).
        tls: With which certificate; None speaks DICOM in the clear.
        quiet_s: A study is complete when so long nothing of it came.
        legal_basis: Under which studies that come may be used; None holds them until it is set.
    """

    port: int | None = Field(default=None, ge=1, le=65_535)
    address: Annotated[str, AfterValidator(lambda value: str(ip_address(value)))] = "127.0.0.1"
    ae_title: AeTitle = "MYOFED"
    peers: tuple[Peer, ...] = ()
    processes: int = Field(default=2, ge=1, le=16)
    max_associations: int = Field(default=16, ge=1, le=256)
    max_instance_mb: int = Field(default=1024, ge=1, le=1 << 14)
    reserve_gb: float = Field(default=5.0, ge=0)
    tls: TlsSettings | None = None
    quiet_s: int = Field(default=120, ge=1, le=86_400)
    legal_basis: LegalBasis | None = None

    @model_validator(mode="after")
    def _open_to_somebody(self) -> Self:
        if self.port is not None and not self.peers:
            msg = "a port without peers would refuse everybody: name who may send"
            raise ValueError(msg)
        return self

    def admits(self, *, ae_title: str, address: str) -> bool:
        """Whether this caller is a peer."""
        return any(peer.admits(ae_title=ae_title, address=address) for peer in self.peers)

    def is_known(self, address: str) -> bool:
        """Whether any peer calls from there."""
        return any(ip_address(address) in ip_network(each) for peer in self.peers for each in peer.networks)
