"""An OpenID Connect provider in the test's own process, over TLS; every answer can be spoiled."""

from __future__ import annotations

import json
import ssl
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from myofed_coordinator.certificates import issue_server, new_authority

CLIENT, SECRET = "myofed", "s3cret/+ with odd %"


@cache
def _key(_which: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": "one", "alg": "RS256", "use": "sig"})


@dataclass
class FakeProvider:
    """Knows one client and one person.

    Attributes:
        now: Time of its clock.
        issuer: Its address.
        claims: Of the person's ID token, beside those that every one has.
        spoil: Claims and answers that replace the right ones.
    """

    now: datetime
    issuer: str = ""
    claims: dict[str, Any] = field(default_factory=lambda: {"preferred_username": "Ann.Lee", "groups": ["leads"]})
    spoil: dict[str, Any] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    key: RSAKey = field(default_factory=lambda: _key("one"))
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def sign_in(self, url: str) -> dict[str, str]:
        """The person signed in at this address: what the browser brings back."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        self.asked.append(query)
        code = f"code-{len(self.asked)}"
        self._codes[code] = query
        return {"state": query["state"], "code": code, "iss": self.issuer}

    def answer(self, method: str, path: str, headers: dict[str, str], body: str) -> tuple[int, bytes]:
        if (raw := self.spoil.get(path)) is not None:
            return raw
        if path == "/.well-known/openid-configuration":
            document = {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize?tenant=1",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "more": "that nobody reads",
            }
            return 200, json.dumps({**document, **self.spoil.get("discovery", {})}).encode()
        if path == "/jwks":
            return 200, json.dumps({"keys": [self.key.as_dict(private=False)]}).encode()
        return self._redeem(headers, body) if (method, path) == ("POST", "/token") else (404, b"")

    def _redeem(self, headers: dict[str, str], body: str) -> tuple[int, bytes]:
        form = {name: values[0] for name, values in parse_qs(body).items()}
        if self.spoil.get("discovery", {}).get("token_endpoint_auth_methods_supported") == ["client_secret_post"]:
            client = (form.get("client_id"), form.get("client_secret"))
        else:
            client = tuple(map(unquote, b64decode(headers["authorization"].split()[1]).decode().split(":")))
        asked = self._codes.pop(form["code"], None)
        right = asked is not None and asked["redirect_uri"] == form["redirect_uri"]
        if client != (CLIENT, SECRET) or not right:
            return 401, b"{}"
        assert asked is not None
        if create_s256_code_challenge(form["code_verifier"]) != asked["code_challenge"]:
            return 400, b"{}"
        return 200, json.dumps({"access_token": "at", "id_token": self._token(asked["nonce"])}).encode()

    def _token(self, nonce: str) -> str:
        claims = {
            "iss": self.issuer,
            "sub": "subject-1",
            "aud": CLIENT,
            "iat": int(self.now.timestamp()),
            "exp": int((self.now + timedelta(minutes=5)).timestamp()),
            "nonce": nonce,
            **self.claims,
            **self.spoil.get("claims", {}),
        }
        signing = self.spoil.get("signing", "right")
        if signing == "shared":
            return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET * 2), algorithms=["HS256"])
        if signing == "none":
            return jwt.encode({"alg": "none"}, claims, OctKey.import_key(SECRET * 2), algorithms=["none"])
        key = _key("other") if signing == "other" else self.key
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, key)


@contextmanager
def served(provider: FakeProvider, folder: Path) -> Iterator[Path]:
    """The provider answers on loopback over TLS; yields its CA."""
    authority = new_authority("fake provider CA", now=provider.now)
    issued = issue_server(authority, names=("127.0.0.1",), now=provider.now)
    (folder / "provider.pem").write_bytes(issued.key_pem + issued.certificate_pem)
    (folder / "provider-ca.pem").write_bytes(authority.certificate_pem)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, content = provider.answer(self.command, urlsplit(self.path).path, headers, body)
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            if status == 302:
                self.send_header("location", "https://127.0.0.1:1/elsewhere")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "provider.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    provider.issuer = f"https://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield folder / "provider-ca.pem"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
