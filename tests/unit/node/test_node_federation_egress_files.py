"""Weights between a file of the site and the coordinator."""

from __future__ import annotations

import hashlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from myofed_node.federation import egress_files
from myofed_node.federation.egress_files import (
    Counted,
    CutError,
    FileCourier,
    FileError,
    NothingLeftError,
    OffsetError,
    Outside,
)
from myofed_node.federation.egress_request import Outgoing, Piece

CONTENT = bytes(range(256)) * 64
SHA = hashlib.sha256(CONTENT).hexdigest()
PATH = f"/site/weights/run-0123abcd/{SHA}"


@dataclass
class Coordinator:
    """What it answers, and what it saw."""

    status: int = 206
    body: bytes | None = None
    says_length: int | None = None
    silent: threading.Event | None = None
    closes: bool = False
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    connections: set[Any] = field(default_factory=set)
    port: int = 0


@pytest.fixture
def coordinator() -> Iterator[Coordinator]:
    it = Coordinator()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Nothing."""

        def do_GET(self) -> None:
            it.connections.add(self.client_address)
            self.close_connection = it.closes or it.says_length is not None
            length = int(self.headers.get("content-length", 0))
            it.seen.append((self.command, {k.lower(): v for k, v in self.headers.items()}, self.rfile.read(length)))
            if it.silent is not None:
                it.silent.wait(20)
            body = b"{}" if it.body is None and self.command == "PUT" else it.body
            if body is None:
                first, last = (int(n) for n in self.headers["range"].removeprefix("bytes=").split("-"))
                body = CONTENT[first : last + 1]
            self.send_response(it.status)
            self.send_header("content-length", str(len(body) if it.says_length is None else it.says_length))
            self.end_headers()
            self.wfile.write(body)

        do_PUT = do_GET  # noqa: N815  the library's name

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client that hangs up is what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    it.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield it
    if it.silent is not None:
        it.silent.set()
    server.shutdown()
    server.server_close()
    thread.join()


def courier(it: Coordinator, folder: Path) -> FileCourier:
    def connect() -> Any:
        return http.client.HTTPConnection("127.0.0.1", it.port, timeout=10)

    return FileCourier(connect, folder)


def asks(first: int, last: int) -> Outgoing:
    piece = Piece(f"{SHA}.in", first, last - first + 1)
    return Outgoing("site", "GET", PATH, {"range": f"bytes={first}-{last}"}, "thigh-muscles", piece)


def sends(first: int, last: int) -> Outgoing:
    piece = Piece(f"{SHA}.out", first, last - first + 1)
    headers = {"content-range": f"bytes {first}-{last}/{len(CONTENT)}"}
    return Outgoing("site", "PUT", PATH, headers, "thigh-muscles", piece)


@pytest.mark.parametrize("there", [None, b"", CONTENT[:99]])
def test_file_that_is_missing_or_too_short_sends_nothing_whole(
    coordinator: Coordinator, tmp_path: Path, there: bytes | None
) -> None:
    """What was sent by then is counted."""
    if there is not None:
        (tmp_path / f"{SHA}.out").write_bytes(there)
    counted = Counted()
    with pytest.raises(FileError):
        courier(coordinator, tmp_path).carry(sends(0, 199), counted)
    assert counted.out_bytes == len(there or b"")
    assert counted.status == 0


def test_piece_that_does_not_begin_at_the_files_end_is_not_asked_for(coordinator: Coordinator, tmp_path: Path) -> None:
    """Another passage may still be filling it."""
    (tmp_path / f"{SHA}.in").write_bytes(CONTENT[:50])
    for first in (0, 99):
        with pytest.raises(OffsetError):
            courier(coordinator, tmp_path).carry(asks(first, 199), Counted())
    assert coordinator.seen == []


def test_link_in_the_folder_is_not_followed(coordinator: Coordinator, tmp_path: Path) -> None:
    """Nothing outside it is read or written."""
    (tmp_path / "secret").write_bytes(CONTENT)
    for suffix, outgoing in (("out", sends(0, 99)), ("in", asks(len(CONTENT), len(CONTENT) + 9))):
        (tmp_path / f"{SHA}.{suffix}").symlink_to(tmp_path / "secret")
        with pytest.raises(FileError):
            courier(coordinator, tmp_path).carry(outgoing, Counted())
    assert coordinator.seen == []
    assert (tmp_path / "secret").read_bytes() == CONTENT


def test_file_that_cannot_be_written_is_no_fault_of_the_line(
    coordinator: Coordinator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, also in reading."""

    def full(*_: object) -> int:
        raise OSError(28, "full")

    monkeypatch.setattr(egress_files.os, "pwrite", full)
    with pytest.raises(FileError):
        courier(coordinator, tmp_path).carry(asks(0, 99), Counted())
    (tmp_path / f"{SHA}.out").write_bytes(CONTENT)
    monkeypatch.setattr(egress_files.os, "preadv", full)
    with pytest.raises(FileError):
        courier(coordinator, tmp_path).carry(sends(0, 99), Counted())


def test_what_is_no_weights_is_handed_back_and_not_written(coordinator: Coordinator, tmp_path: Path) -> None:
    """A refusal, up to a length."""
    coordinator.status, coordinator.body = 404, b'{"code":"RUN_UNKNOWN"}'
    answer = courier(coordinator, tmp_path).carry(asks(0, 99), Counted())
    assert (answer.status, answer.content) == (404, coordinator.body)
    assert (tmp_path / f"{SHA}.in").read_bytes() == b""
    coordinator.body = bytes(egress_files.ANSWER_BYTES + 1)
    with pytest.raises(CutError):
        courier(coordinator, tmp_path).carry(asks(0, 99), Counted())


@pytest.mark.parametrize(("body", "says"), [(CONTENT[:60], 100), (CONTENT[:60], 60), (CONTENT[:130], 130)])
def test_answer_of_another_length_is_cut(coordinator: Coordinator, tmp_path: Path, body: bytes, says: int) -> None:
    """Too short, or longer than what was asked for; what came is counted, and gone on with."""
    coordinator.body, coordinator.says_length = body, says
    counted, there = Counted(), tmp_path / f"{SHA}.in"
    with pytest.raises(CutError):
        courier(coordinator, tmp_path).carry(asks(0, 99), counted)
    came = body[:100]
    assert (counted.status, counted.in_bytes, there.read_bytes()) == (206, len(came), came)
    assert counted.in_sha256.hexdigest() == hashlib.sha256(came).hexdigest()


def test_coordinator_that_is_away_gets_nothing(tmp_path: Path) -> None:
    """The ledger can say that no byte left."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        away = Coordinator(port=free.getsockname()[1])
        (tmp_path / f"{SHA}.out").write_bytes(CONTENT)
        counted = Counted()
        with pytest.raises(NothingLeftError):
            courier(away, tmp_path).carry(sends(0, 99), counted)
    assert counted.out_bytes == 0


def test_passage_that_is_stopped_ends_at_once(coordinator: Coordinator, tmp_path: Path) -> None:
    """Though the coordinator says nothing; one that was stopped before it began sends nothing."""
    coordinator.silent = threading.Event()
    (tmp_path / f"{SHA}.out").write_bytes(CONTENT)
    counted, ended = Counted(), []

    def carry() -> None:
        try:
            courier(coordinator, tmp_path).carry(sends(0, 99), counted)
        except CutError:
            ended.append(True)

    thread = threading.Thread(target=carry)
    thread.start()
    while not coordinator.seen:
        time.sleep(0.01)
    counted.stop()
    thread.join(10)
    assert ended == [True]
    assert counted.out_bytes == 100
    early = Counted()
    early.stop()
    with pytest.raises(CutError):
        courier(coordinator, tmp_path).carry(sends(0, 99), early)
    assert early.out_bytes == 0


def test_pieces_are_written_one_after_the_other_over_one_connection(coordinator: Coordinator, tmp_path: Path) -> None:
    """The digest is that of what came; the file is the site's alone."""
    it, there = courier(coordinator, tmp_path), tmp_path / f"{SHA}.in"
    for first, last in ((0, 4999), (5000, len(CONTENT) - 1)):
        counted = Counted()
        assert it.carry(asks(first, last), counted).status == 206
        assert counted.in_sha256.hexdigest() == hashlib.sha256(CONTENT[first : last + 1]).hexdigest()
    assert there.read_bytes() == CONTENT
    assert there.stat().st_mode & 0o777 == 0o600
    assert len(coordinator.connections) == 1
    assert coordinator.seen[0][1]["range"] == "bytes=0-4999"
    assert not [name for _, headers, _ in coordinator.seen for name in headers if name.startswith("x-myofed")]
    assert it.captured(asks(5000, 5099), Counted(in_bytes=100)) == (b"", CONTENT[5000:5100])


def test_piece_of_the_file_leaves_and_the_state_comes_back(coordinator: Coordinator, tmp_path: Path) -> None:
    """No byte before or behind it."""
    coordinator.status, coordinator.body = 200, b'{"offset":300,"complete":false}'
    (tmp_path / f"{SHA}.out").write_bytes(CONTENT)
    counted = Counted()
    it = courier(coordinator, tmp_path)
    answer = it.carry(sends(100, 299), counted)
    assert (answer.status, answer.content) == (200, coordinator.body)
    ((method, headers, body),) = coordinator.seen
    assert (method, body, headers["content-length"]) == ("PUT", CONTENT[100:300], "200")
    assert (counted.out_bytes, counted.in_bytes) == (200, len(coordinator.body))
    assert counted.out_sha256.hexdigest() == hashlib.sha256(body).hexdigest()
    assert it.captured(sends(100, 299), counted) == (CONTENT[100:300], b"")


def test_connection_that_the_other_side_closed_is_not_used_again(coordinator: Coordinator, tmp_path: Path) -> None:
    """Nor one that was idle for long."""
    it = courier(coordinator, tmp_path)
    it.carry(asks(0, 9), Counted())
    coordinator.closes = True
    it.carry(asks(10, 19), Counted())
    time.sleep(0.2)
    coordinator.closes = False
    it.carry(asks(20, 29), Counted())
    assert len(coordinator.connections) == 2
    late = FileCourier(it._connect, tmp_path, monotonic=iter((0.0, 61.0, 61.0)).__next__)
    late.carry(asks(30, 39), Counted())
    late.carry(asks(40, 49), Counted())
    assert len(coordinator.connections) == 4


@pytest.mark.parametrize(
    ("proxy", "way", "headers"),
    [
        (None, ("coordinator.example", 8444), {}),
        ("http://proxy.example:3128", ("proxy.example", 3128), {}),
        ("http://us%40er:p%3Aw@proxy.example", ("proxy.example", 80), {"Proxy-Authorization": "Basic dXNAZXI6cDp3"}),
    ],
)
def test_way_outside_is_the_configured_one(
    proxy: str | None, way: tuple[str, int], headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Directly or through the hospital's proxy, whatever the environment says."""
    monkeypatch.setenv("HTTPS_PROXY", "http://elsewhere.example:1")
    tunnels: list[tuple[str, int, dict[str, str]]] = []
    monkeypatch.setattr(
        http.client.HTTPSConnection,
        "set_tunnel",
        lambda _self, host, port, headers: tunnels.append((host, port, headers)),
    )
    outside = Outside("https://coordinator.example:8444", ssl.create_default_context(), proxy, 5.0)
    connection = outside.connection()
    assert (connection.host, connection.port, connection.timeout) == (*way, 5.0)
    assert tunnels == ([] if proxy is None else [("coordinator.example", 8444, headers)])
