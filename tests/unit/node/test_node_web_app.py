"""The site's page: nothing without the token, nothing for another host name, nothing that changes anything."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from myofed_node.web.app import MAX_FORM_BYTES, PageApp

TOKEN = "a" * 64
HOST = "127.0.0.1:8600"


def _ask(
    method: str = "GET", path: str = "/", *, host: str = HOST, cookie: str = "", body: bytes = b""
) -> tuple[int, dict[str, str], bytes]:
    app = PageApp(token=TOKEN, port=8600, render=lambda: "<p>patients inside</p>")
    sent: list[MutableMapping[str, Any]] = []
    chunks = [body[i : i + 500] for i in range(0, len(body), 500)] or [b""]

    async def receive() -> MutableMapping[str, Any]:
        if not chunks:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    headers = [(b"host", host.encode()), (b"cookie", cookie.encode())]
    asyncio.run(app({"type": "http", "method": method, "path": path, "headers": headers}, receive, send))
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answered, sent[1]["body"]


def _login() -> str:
    status, headers, _ = _ask("POST", "/login", body=f"token={TOKEN}".encode())
    assert status == 303
    return headers["set-cookie"].split(";", 1)[0]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:80", ""])
def test_other_host_name_is_refused_even_with_the_cookie(host: str) -> None:
    """A page of another site that points its name at 127.0.0.1 sees nothing."""
    assert _ask(host=host, cookie=_login())[0] == 421


@pytest.mark.parametrize("cookie", ["", "myofed_site=", "myofed_site=" + "0" * 64, f"myofed_site={TOKEN}", "=;;\x00"])
def test_page_is_not_shown_without_the_session(cookie: str) -> None:
    """The login form comes in its place."""
    status, _, body = _ask(cookie=cookie)
    assert status == 401
    assert b"patients inside" not in body


@pytest.mark.parametrize("body", [b"", b"token=", b"token=" + b"b" * 64, b"token=%ff%fe", b"x" * 5000])
def test_wrong_token_is_refused(body: bytes) -> None:
    """No cookie is set."""
    status, headers, _ = _ask("POST", "/login", body=body)
    assert status == 403
    assert "set-cookie" not in headers


def test_long_form_is_cut_off() -> None:
    """A token behind the longest form that is read does not count."""
    assert _ask("POST", "/login", body=b"x" * MAX_FORM_BYTES + f"&token={TOKEN}".encode())[0] == 403


@pytest.mark.parametrize(("method", "path"), [("POST", "/"), ("GET", "/login"), ("DELETE", "/"), ("GET", "/../keys")])
def test_nothing_else_is_served(method: str, path: str) -> None:
    """Four addresses, the rest is 404."""
    assert _ask(method, path, cookie=_login())[0] == 404


def test_token_opens_the_page_and_the_cookie_is_not_the_token() -> None:
    """The cookie is out of reach of scripts and of other sites."""
    status, headers, _ = _ask("POST", "/login", body=f"token={TOKEN}".encode())
    assert (status, headers["location"]) == (303, "/")
    assert "HttpOnly; SameSite=Strict" in headers["set-cookie"]
    assert TOKEN not in headers["set-cookie"]
    assert _ask(cookie=_login())[2] == b"<p>patients inside</p>"


def test_every_answer_forbids_scripts_and_foreign_content() -> None:
    """Also the style sheet and the sign of life."""
    for path in ("/", "/page.css", "/livez"):
        _, headers, _ = _ask(path=path)
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["cache-control"] == "no-store"


def test_other_protocols_are_left_alone() -> None:
    """A websocket is not answered."""
    app = PageApp(token=TOKEN, port=1, render=str)
    asyncio.run(app({"type": "websocket"}, None, None))  # type: ignore[arg-type]
