"""The site's private keys: made here, 0600, never sent; a second call changes none of them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from myofed_node.loopback import make_loopback_certificate
from myofed_node.site_folder import SiteFolder
from myofed_schemas.canonical import canonical_json
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import fsync_folder, write_atomically
from myofed_schemas.wire import WireModel

if TYPE_CHECKING:
    from myofed_anonymization.keys import SiteKeys

SECRET_BYTES = 32
GROUP_AND_OTHERS = 0o077


def make_site_keys(folder: SiteFolder, *, now: datetime) -> None:
    """Every key of the site exists; those that existed before are byte for byte the same.

    Args:
        folder: The site's folder; it must exist.
        now: Start of the loopback certificate's validity, UTC.

    Raises:
        MyofedError: KEY_TWICE.
        OSError: The folder cannot be written.
    """
    folder.keys.mkdir(mode=0o700, exist_ok=True)
    settle_deid_key(folder)
    folder.deid_keys.mkdir(mode=0o700, exist_ok=True)
    makers: dict[Path, Callable[[], bytes]] = {
        folder.deid_key: lambda: secrets.token_bytes(SECRET_BYTES),
        folder.executor_secret: lambda: secrets.token_bytes(SECRET_BYTES),
        folder.split_key: lambda: secrets.token_bytes(SECRET_BYTES),
        folder.web_token: lambda: secrets.token_hex(SECRET_BYTES).encode(),
        folder.identity_key: lambda: _pem(Ed25519PrivateKey.generate()),
        folder.tls_key: lambda: _pem(ec.generate_private_key(ec.SECP256R1())),
        folder.flower_key: lambda: _openssh(ec.generate_private_key(ec.SECP384R1())),
    }
    for path, make in makers.items():
        if not path.exists():
            write_atomically(path, make())
    if not folder.flower_public_key.exists():
        write_atomically(folder.flower_public_key, flower_public_key(folder).encode() + b"\n")
    make_loopback_certificate(folder, now=now)


def settle_deid_key(folder: SiteFolder) -> None:
    """The de-identification key lies in its own folder, also where version 0.1 had put it beside the others.

    Killed at any moment, the next call goes on; the key is never in no place. It keeps its mode, so that a key that others
    could read is still told.

    Raises:
        MyofedError: KEY_TWICE where another key lies there already; nothing was changed.
        OSError: The folder cannot be written.
    """
    early = folder.early_deid_key
    try:
        key, mode = early.read_bytes(), early.stat().st_mode & 0o777
    except FileNotFoundError:
        return
    folder.deid_keys.mkdir(mode=0o700, exist_ok=True)
    if not folder.deid_key.exists():
        write_atomically(folder.deid_key, key, mode=mode)
        fsync_folder(folder.keys)
    if folder.deid_key.read_bytes() != key:
        raise MyofedError(
            "KEY_TWICE",
            "expected one de-identification key, found another in keys/deid.key than in keys/deid/deid.key",
            hint="remove the one that the data set was not made with; the backup tells which it is",
            exit_code=ExitCode.SITE_FOLDER,
        )
    early.unlink(missing_ok=True)
    fsync_folder(folder.keys)


def renew_enrolment_keys(folder: SiteFolder, *, now: datetime) -> None:
    """The site is not enrolled any more, and its TLS, Flower and identity keys are new; pseudonyms stay as they are.

    For a site that comes back after a revocation: revoked keys never come back. Approvals signed with the old identity
    key no longer hold. The mark "enrolled" goes first, so that a call cut short is simply made again.

    Args:
        folder: The site's folder; its services must be down.
        now: UTC.
    """
    for path in (
        folder.coordinator,
        folder.tls_certificate,
        folder.tls_request,
        folder.next_tls_certificate,
        folder.next_tls_key,
        folder.tls_key,
        folder.flower_public_key,
        folder.flower_key,
        folder.identity_key,
    ):
        path.unlink(missing_ok=True)
    make_site_keys(folder, now=now)


def load_deid_keys(folder: SiteFolder) -> SiteKeys:
    """The key on which pseudonyms, UIDs and date shifts depend.

    Raises:
        MyofedError: KEY_MISSING, KEY_PERMISSIONS or SITE_KEY_LENGTH.
    """
    from myofed_anonymization.keys import SiteKeys

    return SiteKeys.from_bytes(read_secret(folder.deid_key))


def settled_split_key(folder: SiteFolder) -> bytes:
    """The key that decides who trains and who tests; made where a site of version 0.1 has none.

    Unlike a lost key of pseudonyms, a new one harms nothing: splits are stored, and known subjects keep their roles.

    Raises:
        MyofedError: KEY_PERMISSIONS.
        OSError: The folder cannot be written.
    """
    if not folder.split_key.exists():
        write_atomically(folder.split_key, secrets.token_bytes(SECRET_BYTES))
    return read_secret(folder.split_key)


def load_identity_key(folder: SiteFolder) -> Ed25519PrivateKey:
    """The key that signs the site's decisions and audit heads.

    Raises:
        MyofedError: KEY_MISSING, KEY_PERMISSIONS or KEY_INVALID.
    """
    key = _load_pem(folder.identity_key)
    if not isinstance(key, Ed25519PrivateKey):
        raise _invalid(folder.identity_key)
    return key


def load_tls_key(folder: SiteFolder) -> ec.EllipticCurvePrivateKey:
    """The key of the site's client certificate.

    Raises:
        MyofedError: KEY_MISSING, KEY_PERMISSIONS or KEY_INVALID.
    """
    return load_tls_key_at(folder.tls_key)


def load_tls_key_at(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key in this file: the present one, or the next one of a renewal.

    Raises:
        MyofedError: KEY_MISSING, KEY_PERMISSIONS or KEY_INVALID.
    """
    key = _load_pem(path)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _invalid(path)
    return key


def make_next_tls_key(folder: SiteFolder) -> None:
    """The key of the next certificate exists; one that was made before stays, so that a request is the same again.

    Raises:
        OSError: The folder cannot be written.
    """
    if not folder.next_tls_key.exists():
        write_atomically(folder.next_tls_key, _pem(ec.generate_private_key(ec.SECP256R1())))


def identity_public_key(folder: SiteFolder) -> str:
    """The public half of the identity key, 64 hexadecimal digits."""
    return load_identity_key(folder).public_key().public_bytes_raw().hex()


def flower_public_key(folder: SiteFolder) -> str:
    """The public half of the Flower node's key as one OpenSSH line without a comment.

    Raises:
        MyofedError: KEY_MISSING, KEY_PERMISSIONS or KEY_INVALID.
    """
    try:
        key = serialization.load_ssh_private_key(read_secret(folder.flower_key), password=None)
    except (ValueError, UnsupportedAlgorithm):
        raise _invalid(folder.flower_key) from None
    encoded = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return encoded.decode("ascii").strip()


def sign(folder: SiteFolder, document: WireModel) -> str:
    """The identity key's Ed25519 signature over the canonical JSON of `document`, 128 hexadecimal digits (RFC 8032)."""
    return load_identity_key(folder).sign(canonical_json(document)).hex()


def read_secret(path: Path) -> bytes:
    """The content of a key file that nobody but its owner can read.

    Raises:
        MyofedError: KEY_MISSING, or KEY_PERMISSIONS where group or others may read it.
    """
    try:
        mode = path.stat().st_mode
        content = path.read_bytes()
    except FileNotFoundError:
        raise MyofedError(
            "KEY_MISSING",
            f"expected {path.name} among the site's keys, found none",
            hint="restore the keys from the backup; init does not touch an existing site",
            exit_code=ExitCode.SITE_FOLDER,
        ) from None
    if mode & GROUP_AND_OTHERS:
        raise MyofedError(
            "KEY_PERMISSIONS",
            f"expected mode 0600 on {path.name}, found {mode & 0o777:04o}",
            hint=f"chmod 600 {path.name} in the site's keys folder, and ask who could read it",
            exit_code=ExitCode.SITE_FOLDER,
        )
    return content


def _load_pem(path: Path) -> object:
    try:
        return serialization.load_pem_private_key(read_secret(path), password=None)
    except (ValueError, UnsupportedAlgorithm):
        raise _invalid(path) from None


def _invalid(path: Path) -> MyofedError:
    return MyofedError(
        "KEY_INVALID",
        f"expected a private key in {path.name}, found something else",
        hint="restore the keys from the backup",
        exit_code=ExitCode.SITE_FOLDER,
    )


def _pem(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _openssh(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
