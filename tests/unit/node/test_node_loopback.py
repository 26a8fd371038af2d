"""The loopback certificate: trusted for 127.0.0.1 only, renewed in time, repaired after a kill."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from myofed_node.loopback import make_loopback_certificate
from myofed_node.site_folder import SiteFolder

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def folder(tmp_path: Path) -> SiteFolder:
    made = SiteFolder(tmp_path)
    made.keys.mkdir(mode=0o700)
    make_loopback_certificate(made, now=NOW)
    return made


def _handshake(folder: SiteFolder, *, name: str) -> None:
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(folder.loopback_certificate, folder.loopback_key)
    client_side = ssl.create_default_context(cafile=str(folder.loopback_ca))
    client_side.verify_flags |= ssl.VERIFY_X509_STRICT
    ends = [ssl.MemoryBIO() for _ in range(2)]
    client = client_side.wrap_bio(ends[0], ends[1], server_hostname=name)
    server = server_side.wrap_bio(ends[1], ends[0], server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert client.version() == "TLSv1.3"


def test_other_host_name_is_refused(folder: SiteFolder) -> None:
    """The certificate is for this machine's loopback only."""
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(folder, name="192.0.2.1")


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_strict_client_trusts_the_loopback_address(folder: SiteFolder, name: str) -> None:
    """A TLS 1.3 handshake with strict verification succeeds."""
    _handshake(folder, name=name)


def test_key_of_the_loopback_ca_is_nowhere(folder: SiteFolder) -> None:
    """Nobody can sign a second certificate: the only private key is the egress's."""
    keys = [path.name for path in folder.keys.iterdir() if b"PRIVATE KEY" in path.read_bytes()]
    assert keys == [folder.loopback_key.name]


def test_certificate_near_its_end_is_replaced_and_a_fresh_one_kept(folder: SiteFolder) -> None:
    """Renewal happens two months before the end, not earlier."""
    first = folder.loopback_certificate.read_bytes()
    make_loopback_certificate(folder, now=NOW + timedelta(days=600))
    assert folder.loopback_certificate.read_bytes() == first
    make_loopback_certificate(folder, now=NOW + timedelta(days=680))
    renewed = x509.load_pem_x509_certificate(folder.loopback_certificate.read_bytes())
    assert renewed.not_valid_after_utc > NOW + timedelta(days=1300)


def test_half_written_renewal_is_repaired(folder: SiteFolder) -> None:
    """Without its CA, which is written last, the rest is made anew and fits together."""
    folder.loopback_ca.unlink()
    make_loopback_certificate(folder, now=NOW)
    _handshake(folder, name="127.0.0.1")
