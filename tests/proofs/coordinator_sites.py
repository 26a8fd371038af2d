"""The sites of the proof of kills: keys that a killed run leaves behind for the next one."""

from __future__ import annotations

from pathlib import Path

from coordinator_factories import FakeSite, make_site
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from myofed_coordinator.signing import load_signer
from myofed_schemas.files import write_atomically


def kept_site(folder: Path, name: str) -> FakeSite:
    """The site of this name, with the keys and the request that it had before."""
    identity, tls, flower, csr = (folder / f"{name}.{kind}" for kind in ("identity", "tls", "flower", "csr"))
    if not csr.exists():
        made = make_site(name)
        write_atomically(identity, made.identity.pem())
        for path, key in ((tls, made.tls), (flower, made.flower)):
            write_atomically(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        write_atomically(csr, made.csr().encode())
    keys = [load_pem_private_key(path.read_bytes(), password=None) for path in (tls, flower)]
    assert all(isinstance(key, ec.EllipticCurvePrivateKey) for key in keys)
    return KeptSite(name, load_signer(identity), *keys, kept_csr=csr.read_text())  # type: ignore[arg-type]


class KeptSite(FakeSite):
    """A site that sends the same request, byte for byte, until it is answered, as `join` does."""

    def __init__(self, *parts: object, kept_csr: str) -> None:
        super().__init__(*parts)  # type: ignore[arg-type]
        self._kept_csr = kept_csr

    def csr(self, *, common_name: str | None = None) -> str:
        return self._kept_csr
