"""The OpenID Connect provider, as a client sees it: discovery, authorisation code with PKCE, and the ID token's checks."""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import BoundedSemaphore
from typing import Annotated, TypeVar
from urllib.parse import quote, urlencode

import httpx
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from myofed_coordinator.accounts.oidc_settings import OidcSettings
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures with a private key; `none` and those with a shared secret are not among them."""
LEEWAY_S = 60
PATIENCE_S = 10.0
LARGEST_ANSWER = 262_144
DISCOVERY_LASTS = timedelta(minutes=10)
TALKS_AT_ONCE = 4
"""Threads that wait for the provider at a time, of the 40 in which the port answers: a provider that hangs stops nobody else."""
HttpsEndpoint = Annotated[str, StringConstraints(pattern=r"^https://")]


class _Answer(BaseModel):
    """What a provider says, of which we read only this."""

    model_config = ConfigDict(extra="ignore", frozen=True)


Document = TypeVar("Document", bound=_Answer)


class Discovery(_Answer):
    """OpenID Connect Discovery 1.0, section 3."""

    issuer: str
    authorization_endpoint: HttpsEndpoint
    token_endpoint: HttpsEndpoint
    jwks_uri: HttpsEndpoint
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class _Tokens(_Answer):
    id_token: str
    access_token: str


class _Keys(_Answer):
    keys: list[dict[str, str | list[str] | bool]]


@dataclass(frozen=True)
class Handshake:
    """What one attempt to sign in must come back with; known to the browser's sealed cookie alone.

    Attributes:
        state: Ties the answer to the browser that asked.
        nonce: Ties the ID token to this attempt.
        verifier: PKCE: ties the code to this attempt.
    """

    state: str
    nonce: str
    verifier: str

    def __repr__(self) -> str:
        return "Handshake()"


@dataclass(frozen=True)
class Identity:
    """Whom the provider vouches for.

    Attributes:
        subject: Its own, lasting name for the person.
        name: Value of the account claim; empty where it has none.
        values: Values of the role claim.
    """

    subject: str
    name: str
    values: frozenset[str]


class IdentityProvider:
    """Speaks with one provider over TLS; the client secret stays out of every repr, message and URL."""

    def __init__(self, settings: OidcSettings, *, keys: Path, redirect_uri: str) -> None:
        self._settings = settings
        self._keys = keys
        self._redirect_uri = redirect_uri
        self._known: tuple[datetime, Discovery] | None = None
        self._talks = BoundedSemaphore(TALKS_AT_ONCE)

    def authorization_url(self, handshake: Handshake, *, now: datetime) -> str:
        """Where the browser goes to sign in; the provider is asked once in DISCOVERY_LASTS.

        Raises:
            MyofedError: OIDC_UNREACHABLE, OIDC_ANSWER, OIDC_SETTINGS, OIDC_BUSY.
        """
        discovery = self._fresh(now)
        if discovery is None:
            with self._talk() as client:
                discovery = self._discover(client, now=now)
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": " ".join(("openid", *self._settings.scopes)),
            "state": handshake.state,
            "nonce": handshake.nonce,
            "code_challenge": create_s256_code_challenge(handshake.verifier),
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in discovery.authorization_endpoint else "?"
        return f"{discovery.authorization_endpoint}{joint}{urlencode(query)}"

    def identity(self, code: str, handshake: Handshake, *, now: datetime) -> Identity:
        """The person for whom this code was given.

        Args:
            code: From the provider's answer to the browser.
            handshake: Of the attempt that this answer belongs to.
            now: Aware.

        Raises:
            MyofedError: OIDC_UNREACHABLE, OIDC_ANSWER, OIDC_SETTINGS, OIDC_BUSY.
        """
        with self._talk() as client:
            discovery = self._fresh(now) or self._discover(client, now=now)
            tokens = self._redeem(client, discovery, code, handshake)
            keys = _read(_sent(client, "GET", discovery.jwks_uri), _Keys)
        claims = self._checked(tokens, keys, nonce=handshake.nonce, now=now)
        return Identity(
            subject=str(claims["sub"]),
            name=_text(claims.get(self._settings.account_claim)),
            values=_values(claims.get(self._settings.role_claim)),
        )

    def is_issuer(self, issuer: str | None) -> bool:
        """Whether an answer that names its issuer names this one (RFC 9207); one that names none is taken."""
        return issuer is None or issuer.rstrip("/") == self._settings.issuer

    @contextmanager
    def _talk(self) -> Generator[httpx.Client]:
        """A client, for one of TALKS_AT_ONCE; whoever finds no place is refused at once, and does not wait in a thread.

        Raises:
            MyofedError: OIDC_BUSY, OIDC_SETTINGS.
        """
        if not self._talks.acquire(blocking=False):
            raise MyofedError(
                "OIDC_BUSY",
                f"the identity provider is being asked for {TALKS_AT_ONCE} people already",
                hint="try again in a moment",
                exit_code=ExitCode.UNREACHABLE,
            )
        try:
            with self._client() as client:
                yield client
        finally:
            self._talks.release()

    def _client(self) -> httpx.Client:
        """Follows no redirect: what is asked goes to the provider and nowhere else.

        Raises:
            MyofedError: OIDC_SETTINGS.
        """
        trust: ssl.SSLContext | bool = True
        if self._settings.ca_file is not None:
            try:
                trust = ssl.create_default_context(cafile=str(self._keys / self._settings.ca_file))
            except OSError as error:
                raise _settings_fault("keys/ holds no readable PEM file of the name in oidc.ca_file") from error
        return httpx.Client(verify=trust, timeout=PATIENCE_S, follow_redirects=False)

    def _fresh(self, now: datetime) -> Discovery | None:
        """What the provider said of itself, where that is not too long ago."""
        known = self._known
        return known[1] if known is not None and timedelta(0) <= now - known[0] < DISCOVERY_LASTS else None

    def _discover(self, client: httpx.Client, *, now: datetime) -> Discovery:
        found = _read(_sent(client, "GET", f"{self._settings.issuer}/.well-known/openid-configuration"), Discovery)
        if found.issuer.rstrip("/") != self._settings.issuer:
            raise _bad_answer("the discovery document is of another issuer")
        self._known = now, found
        return found

    def _redeem(self, client: httpx.Client, discovery: Discovery, code: str, handshake: Handshake) -> _Tokens:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": handshake.verifier,
        }
        headers = {"accept": "application/json"}
        client_id, secret = self._settings.client_id, self._secret()
        if "client_secret_basic" in discovery.token_endpoint_auth_methods_supported:
            pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"  # RFC 6749, section 2.3.1
            headers["authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": client_id, "client_secret": secret}
        return _read(_sent(client, "POST", discovery.token_endpoint, form=form, headers=headers), _Tokens)

    def _checked(self, tokens: _Tokens, keys: _Keys, *, nonce: str, now: datetime) -> dict[str, object]:
        """The claims of an ID token that is this provider's, for us, of this attempt (OpenID Connect Core, 3.1.3.7)."""
        try:
            token = jwt.decode(tokens.id_token, KeySet.import_key_set(keys.model_dump()), algorithms=ALGORITHMS)  # type: ignore[arg-type]
            claims = CodeIDToken(
                token.claims,
                token.header,
                options={
                    "iss": {"essential": True, "values": [self._settings.issuer, f"{self._settings.issuer}/"]},
                    "aud": {"essential": True, "value": self._settings.client_id},
                    "sub": {"essential": True},
                    "nonce": {"essential": True, "value": nonce},
                },
                params={"nonce": nonce, "client_id": self._settings.client_id, "access_token": tokens.access_token},
            )
            claims.validate(now=int(now.timestamp()), leeway=LEEWAY_S)
        except (JoseError, ValueError) as error:
            raise _bad_answer("the ID token does not hold") from error
        if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255:
            raise _bad_answer("the ID token names nobody")
        return dict(claims)

    def _secret(self) -> str:
        try:
            secret = (self._keys / self._settings.client_secret_file).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise _settings_fault("keys/ holds no readable file of the name in oidc.client_secret_file") from error
        if not secret:
            raise _settings_fault("the file of oidc.client_secret_file is empty")
        return secret


def _sent(
    client: httpx.Client,
    method: str,
    url: str,
    *,
    form: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> bytes:
    """The body of a 200; never more than LARGEST_ANSWER is read of it."""
    try:
        with client.stream(method, url, data=form, headers=headers) as response:
            if response.status_code != httpx.codes.OK:
                raise _bad_answer(f"expected status 200, found {response.status_code}")
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > LARGEST_ANSWER:
                    raise _bad_answer(f"more than {LARGEST_ANSWER} bytes")
            return bytes(body)
    except httpx.HTTPError as error:
        raise MyofedError(
            "OIDC_UNREACHABLE",
            "the identity provider does not answer",
            hint="check oidc.issuer in config.yaml, the network, and oidc.ca_file where its CA is not a public one",
            exit_code=ExitCode.UNREACHABLE,
        ) from error


def _read(body: bytes, model: type[Document]) -> Document:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise _bad_answer(f"not a {model.__name__.strip('_')} document") from error


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _values(value: object) -> frozenset[str]:
    if isinstance(value, str):
        return frozenset({value})
    return frozenset(v for v in value if isinstance(v, str)) if isinstance(value, list) else frozenset()


def _bad_answer(what: str) -> MyofedError:
    return MyofedError(
        "OIDC_ANSWER",
        f"the identity provider's answer cannot be taken: {what}",
        hint="check oidc in config.yaml against the provider's registration of this coordinator, and both clocks",
        exit_code=ExitCode.REFUSED,
    )


def _settings_fault(what: str) -> MyofedError:
    return MyofedError(
        "OIDC_SETTINGS", what, hint="docs/accounts.md explains each setting of `oidc`", exit_code=ExitCode.SITE_FOLDER
    )
