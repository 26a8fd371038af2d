"""TLS of the sites' port: version 1.3, a client certificate of the consortium's CA, and its digest beside each request."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Callable

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

PEER = "peer_sha256"
"""Key in `scope["state"]`: SHA-256 of the client certificate's DER, hexadecimal."""


class PeerCertificateProtocol(HttpToolsProtocol):
    """uvicorn 0.49 has no ASGI TLS extension; it copies `app_state` into the scope of every request."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The connection's requests carry the digest of the certificate that the TLS handshake verified."""
        tls = transport.get_extra_info("ssl_object")
        der = tls.getpeercert(binary_form=True) if tls is not None else None
        self.app_state = {**self.app_state, PEER: hashlib.sha256(der).hexdigest() if der else ""}
        super().connection_made(transport)


def tls_1_3(_config: Config, make_default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """The context that uvicorn makes, with nothing older than TLS 1.3."""
    context = make_default()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context
