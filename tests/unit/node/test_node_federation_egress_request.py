"""What may leave."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myofed_node.federation.egress_request import Piece, decide
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import FLEET_PATHS

TOKEN = "t" * 64
LOCAL = {"x-myofed-local-token": TOKEN}

REFUSED = [
    ("GET", FLEET_PATHS[0], b"", {}),
    ("POST", FLEET_PATHS[0], b"x=1", {}),
    ("POST", FLEET_PATHS[0] + "/", b"", {}),
    ("POST", "/v1/control/start-run", b"", LOCAL),
    ("POST", "/v1/fleet/../control/start-run", b"", LOCAL),
    ("POST", "/v1/fleet/register-node", b"", LOCAL),
    ("GET", "/site/studies", b"x=1", LOCAL),
    ("GET", "/site/../studies", b"", LOCAL),
    ("GET", "/site/%2e%2e/studies", b"", LOCAL),
    ("GET", "/site//studies", b"", LOCAL),
    ("GET", "/site/studies/", b"", LOCAL),
    ("GET", "/site", b"", LOCAL),
    ("PATCH", "/site/studies", b"", LOCAL),
    ("GET", "https://example.org/site/studies", b"", LOCAL),
    ("GET", "/site/studies", b"", {**LOCAL, "x-myofed-study": "../x"}),
    ("GET", "/site/" + "a" * 195, b"", LOCAL),
]


@pytest.mark.parametrize(("method", "path", "query", "headers"), REFUSED)
def test_other_path_or_method_is_refused(method: str, path: str, query: bytes, headers: dict[str, str]) -> None:
    """Neither the SuperNode nor a process with the token gets anything else out."""
    with pytest.raises(MyofedError) as caught:
        decide(method=method, target=(path, query), headers=headers, local_token=TOKEN)
    assert caught.value.code == "EGRESS_PATH"


WEIGHTS = f"/site/weights/run-0123abcd/{'a' * 64}"


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/site/studies", {"range": "bytes=0-3"}),
        ("GET", WEIGHTS, {}),
        ("GET", WEIGHTS, {"range": "bytes=0-"}),
        ("GET", WEIGHTS, {"range": "bytes=9-3"}),
        ("GET", WEIGHTS, {"range": f"bytes=0-{16 << 20}"}),
        ("PUT", WEIGHTS, {"range": "bytes=0-3"}),
        ("DELETE", WEIGHTS, {"range": "bytes=0-3"}),
        ("GET", WEIGHTS + "/offset", {"range": "bytes=0-3"}),
    ],
)
def test_file_for_something_else_than_a_piece_of_weights_is_refused(
    method: str, path: str, headers: dict[str, str]
) -> None:
    """No other request reads or writes a file of the site."""
    asked = {**LOCAL, "x-myofed-body": "file", **headers}
    with pytest.raises(MyofedError) as caught:
        decide(method=method, target=(path, b""), headers=asked, local_token=TOKEN)
    assert caught.value.code == "EGRESS_HEADER"


def test_file_of_a_piece_has_the_name_of_its_path() -> None:
    """What comes and what leaves are two files; the header itself does not leave."""
    asked = {**LOCAL, "x-myofed-body": "file", "range": "bytes=4-9", "content-range": "bytes 0-3/10"}
    came = decide(method="GET", target=(WEIGHTS, b""), headers=asked, local_token=TOKEN)
    left = decide(method="PUT", target=(WEIGHTS, b""), headers=asked, local_token=TOKEN)
    assert (came.piece, left.piece) == (Piece(f"{'a' * 64}.in", 4, 6), Piece(f"{'a' * 64}.out", 0, 4))
    assert set(came.headers) == {"range", "content-range"}


@pytest.mark.parametrize("headers", [{}, {"x-myofed-local-token": ""}, {"x-myofed-local-token": "t" * 63}])
def test_site_path_without_the_local_token_is_refused(headers: dict[str, str]) -> None:
    """Whoever cannot read the site's folder cannot speak in the site's name."""
    with pytest.raises(MyofedError) as caught:
        decide(method="GET", target=("/site/studies", b""), headers=headers, local_token=TOKEN)
    assert caught.value.code == "EGRESS_TOKEN"


@pytest.mark.parametrize(
    ("method", "path", "header"),
    [("POST", FLEET_PATHS[0], "flwr-signature"), ("PUT", "/site/card", "content-type")],
)
def test_long_header_is_refused(method: str, path: str, header: str) -> None:
    """A header is no way out for data: as long as a key, no longer."""
    decide(method=method, target=(path, b""), headers={**LOCAL, header: "x" * 1024}, local_token=TOKEN)
    with pytest.raises(MyofedError) as caught:
        decide(method=method, target=(path, b""), headers={**LOCAL, header: "x" * 1025}, local_token=TOKEN)
    assert caught.value.code == "EGRESS_HEADER"


def test_only_listed_headers_leave() -> None:
    """Nothing rides along in a header, the token and the study's name least of all."""
    headers = {**LOCAL, "x-myofed-study": "thigh", "content-type": "application/json", "cookie": "a", "x-anything": "b"}
    site = decide(method="PUT", target=("/site/card", b""), headers=headers, local_token=TOKEN)
    assert (dict(site.headers), site.study, site.kind) == ({"content-type": "application/json"}, "thigh", "site")
    fleet = decide(
        method="POST", target=(FLEET_PATHS[0], b""), headers={**headers, "flwr-signature": "s"}, local_token=TOKEN
    )
    assert dict(fleet.headers) == {"content-type": "application/json", "flwr-signature": "s"}
    assert (fleet.kind, fleet.study) == ("engine", "")


@settings(max_examples=60, deadline=None)
@given(path=st.text(max_size=40).map(lambda text: "/site/" + text))
def test_path_that_passes_holds_plain_segments_only(path: str) -> None:
    """Whatever the text, what leaves has no dot, percent sign, empty segment or control character."""
    try:
        outgoing = decide(method="GET", target=(path, b""), headers=LOCAL, local_token=TOKEN)
    except MyofedError:
        return
    plain = set(string.ascii_letters + string.digits + "-_")
    assert all(segment and set(segment) <= plain for segment in path.split("/")[1:])
    assert outgoing.path == path


@pytest.mark.parametrize(
    ("header", "good", "bad"),
    [
        ("range", "bytes=0-99", "bytes=0-99,200-300"),
        ("range", "bytes=7-", "patient=Meier"),
        ("content-range", "bytes 0-9/10", "bytes 0-9/10; note=x"),
    ],
)
def test_range_says_numbers_of_bytes_and_nothing_else(header: str, good: str, bad: str) -> None:
    """The two headers of weights in pieces are no way out for text."""
    target = ("/site/weights/run-00000001/" + "0" * 64, b"")
    sent = decide(method="GET", target=target, headers={**LOCAL, header: good}, local_token=TOKEN)
    assert dict(sent.headers) == {header: good}
    with pytest.raises(MyofedError) as caught:
        decide(method="GET", target=target, headers={**LOCAL, header: bad}, local_token=TOKEN)
    assert caught.value.code == "EGRESS_HEADER"
