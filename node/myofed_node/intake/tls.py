"""TLS of the DICOM port: the non-downgrading secure transport profile of BCP 195 (DICOM PS3.15 B.12), TLS 1.2 and 1.3."""

from __future__ import annotations

import ssl
from pathlib import Path

from myofed_node.intake.settings import TlsSettings
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode


def server_context(settings: TlsSettings, *, root: Path) -> ssl.SSLContext:
    """What the port shows its callers, and whom it asks for a certificate.

    Args:
        settings: Files.
        root: Folder at which relative ones start.

    Raises:
        MyofedError: INTAKE_TLS.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    try:
        context.load_cert_chain(root / settings.certificate, root / settings.key)
        if settings.client_ca is not None:
            context.load_verify_locations(root / settings.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError):
        raise MyofedError(
            "INTAKE_TLS",
            "expected certificate, key and CA of the DICOM port in PEM, found files that are missing or do not fit together",
            hint="compare intake.tls of config.yaml with the files; a key needs no passphrase and mode 0600",
            exit_code=ExitCode.SITE_FOLDER,
        ) from None
    return context
