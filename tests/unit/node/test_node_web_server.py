"""The page is served on loopback while the service runs."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest
from site_factories import demo_site

from myofed_node.web.server import serve_page


def test_page_asks_for_the_token_on_a_free_loopback_port(tmp_path: Path) -> None:
    """A real request over a socket gets the login form and no server banner."""
    address = serve_page(demo_site(tmp_path / "a"))
    assert address.startswith("http://127.0.0.1:")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(address, timeout=20)
    assert caught.value.code == 401
    assert b"web.token" in caught.value.read()
    assert "server" not in {name.lower() for name in caught.value.headers}
    caught.value.close()
