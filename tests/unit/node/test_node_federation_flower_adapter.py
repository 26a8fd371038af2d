"""The node's side of Flower: a message in, a reply or a code out; a bundle never touches the disk."""

from __future__ import annotations

import errno
import hashlib
import io
import threading
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict

from myofed_node.federation import flower_adapter
from myofed_node.federation.flower_adapter import Incoming, Outcome, SuperNodeLink, Ticket, Weights
from myofed_node.federation.term import Term
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import INLINE_BYTES

HOSTILE = "from pathlib import Path\nPath('/tmp/myofed-hostile').touch()\nraise SystemExit\n"


def message(content: RecordDict, *, age_s: float = 0.0) -> Message:
    """A message as the SuperNode hands it out, sent so long ago."""
    from flwr.app.message import make_message
    from flwr.app.metadata import Metadata

    metadata = Metadata(
        run_id=1,
        message_id="m",
        src_node_id=1,
        dst_node_id=2,
        reply_to_message_id="",
        group_id="1",
        created_at=time.time() - age_s,
        ttl=600.0,
        message_type="train",
        src_task_id=0,
        dst_task_id=0,
    )
    return make_message(metadata=metadata, content=content)


def bundle() -> SimpleNamespace:
    """A bundle with hostile code in it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("myofed_node/__init__.py", HOSTILE)
        archive.writestr("../../evil.py", HOSTILE)
    return SimpleNamespace(content=content.getvalue(), hash_str="0" * 64)


@dataclass
class FakeSuperNode:
    """What Flower's three functions do, without a network."""

    content: RecordDict
    age_s: float = 0.0
    replies: list[Message] = field(default_factory=list)
    ended: list[tuple[str, str]] = field(default_factory=list)

    def pull(self, client: Any) -> tuple[Message, Context, object, object]:
        context = Context(1, 2, {}, RecordDict(), {})
        return message(self.content, age_s=self.age_s), context, SimpleNamespace(fab_id="x"), bundle()

    def push(self, client: Any, reply: Message, context: Context) -> None:
        self.replies.append(reply)

    def finish(self, client: Any, context: Context | None, sub_status: str, details: str) -> None:
        self.ended.append((sub_status, details))


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(b"s" * 32)
    return path


def work(monkeypatch: pytest.MonkeyPatch, secret: Path, content: RecordDict, handler: Any) -> tuple[str, FakeSuperNode]:
    fake = FakeSuperNode(content)
    monkeypatch.setattr(flower_adapter, "pull_task_input", fake.pull)
    monkeypatch.setattr(flower_adapter, "push_message", fake.push)
    monkeypatch.setattr(flower_adapter, "push_task_output", fake.finish)
    return SuperNodeLink("127.0.0.1:9", secret_file=secret).work(Ticket("token"), handler), fake


def task(packed: object = b"weights") -> RecordDict:
    return RecordDict({"task": ConfigRecord({"kind": "train", "packed": packed})})  # type: ignore[dict-item]


def never(incoming: Incoming) -> Outcome:
    raise AssertionError(incoming)


def array(values: np.ndarray) -> ArrayRecord:
    return ArrayRecord({"packed": Array(values)})


HEADERS = {
    "a shape of a petabyte": b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000000,), }",
    "a header never closed": b"((",
    "a header too deep": b"-" * 9000 + b"1",
}
"""Of numpy's own format, whose reader believes them."""


def npy(header: bytes) -> Array:
    content = b"\x93NUMPY\x01\x00" + (len(header) + 1).to_bytes(2, "little") + header + b"\n"
    return Array("uint8", (3,), "numpy.ndarray", content)


INVALID = {
    "empty": RecordDict(),
    "no task": RecordDict({"weights": array(np.zeros(3, np.uint8))}),
    "task of another kind": RecordDict({"task": MetricRecord({"round": 1})}),
    "a record more": RecordDict({"task": ConfigRecord({}), "more": ConfigRecord({})}),
    "text as weights": task("weights"),
    "floats as weights": RecordDict({"task": ConfigRecord({}), "weights": array(np.zeros(3, np.float32))}),
    "a matrix as weights": RecordDict({"task": ConfigRecord({}), "weights": array(np.zeros((3, 3), np.uint8))}),
    "two arrays": RecordDict({"task": ConfigRecord({}), "weights": ArrayRecord({"a": Array(np.zeros(1))})}),
    "scalars as weights": RecordDict({"task": ConfigRecord({}), "weights": ConfigRecord({})}),
    "pickle in an array": RecordDict(
        {
            "task": ConfigRecord({}),
            "weights": ArrayRecord({"packed": Array("uint8", (3,), "numpy.ndarray", b"\x80\x04K\x01.")}),
        }
    ),
    **{
        why: RecordDict({"task": ConfigRecord({}), "weights": ArrayRecord({"packed": npy(HEADERS[why])})})
        for why in HEADERS
    },
    "no bytes in an array": RecordDict(
        {"task": ConfigRecord({}), "weights": ArrayRecord({"packed": Array("uint8", (0,), "numpy.ndarray", b"")})}
    ),
}


@pytest.mark.parametrize("why", INVALID)
def test_message_of_another_form_is_refused_before_anybody_works(
    why: str, monkeypatch: pytest.MonkeyPatch, secret: Path
) -> None:
    """Only the records we know, in the kinds we know."""
    code, fake = work(monkeypatch, secret, INVALID[why], never)
    assert code == "MESSAGE_INVALID"
    assert fake.replies[0].error.reason == "MESSAGE_INVALID"


def test_refusal_sends_the_code_and_nothing_else(monkeypatch: pytest.MonkeyPatch, secret: Path) -> None:
    """Neither the message nor the hint of an error leaves."""

    def refuse(incoming: Incoming) -> Outcome:
        raise MyofedError("NOT_APPROVED", "a person's name", hint="another")

    code, fake = work(monkeypatch, secret, task(), refuse)
    assert (code, fake.replies[0].error.reason) == ("NOT_APPROVED", "NOT_APPROVED")
    assert fake.ended == [("failed", "NOT_APPROVED")]


def test_hostile_bundle_stays_bytes(monkeypatch: pytest.MonkeyPatch, secret: Path, tmp_path: Path) -> None:
    """With every way to write or import cut off, the task is answered all the same."""

    def forbidden(*arguments: object, **named: object) -> None:
        raise AssertionError(arguments)

    monkeypatch.chdir(tmp_path)
    for target in ("flwr.cli.install.install_from_fab", "zipfile.ZipFile.extractall", "zipfile.ZipFile.extract"):
        monkeypatch.setattr(target, forbidden)
    before = sorted(tmp_path.rglob("*"))
    code, fake = work(monkeypatch, secret, task(), lambda incoming: Outcome('{"a":1}', incoming.packed))
    assert code == "OK"
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/tmp/myofed-hostile").exists()
    assert fake.ended == [("completed", "")]


@pytest.mark.parametrize("size", [7, INLINE_BYTES + 1])
def test_weights_arrive_and_leave_byte_for_byte(size: int, monkeypatch: pytest.MonkeyPatch, secret: Path) -> None:
    """Small ones as a scalar, large ones as an array, in both directions."""
    packed = bytes(size - 1) + b"x"
    content = task(packed)
    if size > INLINE_BYTES:
        values = np.frombuffer(packed, np.uint8)
        content = RecordDict({"task": ConfigRecord({"kind": "train"}), "weights": array(values)})
    seen: list[Incoming] = []

    def echo(incoming: Incoming) -> Outcome:
        seen.append(incoming)
        return Outcome('{"a":1}', incoming.packed)

    _, fake = work(monkeypatch, secret, content, echo)
    assert (seen[0].packed, seen[0].instruction) == (packed, {"kind": "train"})
    reply = fake.replies[0].content
    result = reply["result"]
    assert isinstance(result, ConfigRecord)
    assert result["metrics"] == '{"a":1}'
    assert ("weights" in reply) == (size > INLINE_BYTES)
    assert result.get("packed", packed) == packed


def test_supernode_that_is_away_is_one_code(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The executor goes on; it does not end itself as Flower's own helpers would."""
    monkeypatch.setattr(flower_adapter, "RETRY_FOR_S", 0.1)
    link = SuperNodeLink("127.0.0.1:1", secret_file=secret)
    with pytest.raises(MyofedError) as caught:
        link.next_task()
    assert caught.value.code == "SUPERNODE_AWAY"

    def away(client: Any) -> None:
        raise httpx.ConnectError("away")

    monkeypatch.setattr(flower_adapter, "pull_task_input", away)
    with pytest.raises(MyofedError) as caught:
        link.work(Ticket("token"), never)
    assert caught.value.code == "SUPERNODE_AWAY"


def patient(monkeypatch: pytest.MonkeyPatch, *available: bool) -> tuple[flower_adapter._PatientClient, list[bool]]:
    """A client whose SuperNode has the object or not, answer by answer."""
    answers = list(available)
    monkeypatch.setattr(
        flower_adapter.RuntimeHttpClient,
        "PullObject",
        lambda self, request: SimpleNamespace(object_available=answers.pop(0), object_found=True),
    )
    monkeypatch.setattr(flower_adapter, "OBJECT_POLL_S", 0.0)
    client = flower_adapter._PatientClient("http://127.0.0.1:1")
    client.superseded = threading.Event()
    return client, answers


def test_object_that_never_comes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SuperNode that lost a message's run keeps its task; nobody waits for it for ever."""
    client, _ = patient(monkeypatch, False, False)
    monkeypatch.setattr(flower_adapter, "OBJECTS_WITHIN_S", -1.0)
    with pytest.raises(MyofedError) as caught:
        client.PullObject(flower_adapter.PullObjectRequest())
    assert caught.value.code == "MESSAGE_INCOMPLETE"


def test_object_that_is_being_fetched_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The executor is quicker than the SuperNode's line to the coordinator."""
    client, answers = patient(monkeypatch, False, False, True)
    assert client.PullObject(flower_adapter.PullObjectRequest()).object_available
    assert answers == []


def test_task_that_is_superseded_is_given_up_unless_its_object_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SuperNode fetches one message after the other: what a superseded task lacks never comes."""
    client, _ = patient(monkeypatch, True, False)
    client.superseded.set()
    assert client.PullObject(flower_adapter.PullObjectRequest()).object_available
    with pytest.raises(MyofedError) as caught:
        client.PullObject(flower_adapter.PullObjectRequest())
    assert caught.value.code == "MESSAGE_INCOMPLETE"


def test_next_task_supersedes_the_one_before_it(monkeypatch: pytest.MonkeyPatch, secret: Path) -> None:
    """And none does so while nothing waits."""
    link = SuperNodeLink("127.0.0.1:1", secret_file=secret)
    answers = [("one", True), ("", False), ("two", True)]

    def acquire(request: Any) -> Any:
        token, there = answers.pop(0)
        return SimpleNamespace(HasField=lambda name: there, token=token)

    monkeypatch.setattr(link._acquire, "AcquireTask", acquire)
    first = link.next_task()
    assert first is not None
    assert link.next_task() is None
    assert not first.superseded.is_set()
    second = link.next_task()
    assert second is not None
    assert (first.superseded.is_set(), second.superseded.is_set()) == (True, False)


def test_task_whose_message_is_not_whole_is_ended_without_an_answer(
    monkeypatch: pytest.MonkeyPatch, secret: Path
) -> None:
    """Left to its lease, the SuperNode would answer for it in the middle of a later task."""
    fake = FakeSuperNode(RecordDict())

    def incomplete(client: Any) -> None:
        raise MyofedError("MESSAGE_INCOMPLETE", "parts only")

    monkeypatch.setattr(flower_adapter, "pull_task_input", incomplete)
    monkeypatch.setattr(flower_adapter, "push_message", fake.push)
    monkeypatch.setattr(flower_adapter, "push_task_output", fake.finish)
    with pytest.raises(MyofedError) as caught:
        SuperNodeLink("127.0.0.1:9", secret_file=secret).work(Ticket("token"), never)
    assert caught.value.code == "MESSAGE_INCOMPLETE"
    assert (fake.replies, fake.ended) == ([], [("failed", "MESSAGE_INCOMPLETE")])


@dataclass
class FakeTransport:
    """What was asked of the transport."""

    done: list[str] = field(default_factory=list)

    def fetch(self, instruction: Any, *, total: int, term: Term) -> Weights:
        assert dict(instruction) == {"kind": "train"}
        self.done.append(f"fetch {total}")
        return Weights(memoryview(b"incoming"), hashlib.sha256(b"incoming").hexdigest())

    def parcel(self, incoming: Incoming, packed: bytes) -> bytes:
        self.done.append("parcel")
        return bytes(incoming.packed) + packed

    def upload(self, instruction: Any, parcel: bytes, *, sha256: str, term: Term) -> None:
        assert sha256 == hashlib.sha256(parcel).hexdigest()
        self.done.append(f"upload {parcel.decode()}")


def by_transport(
    monkeypatch: pytest.MonkeyPatch, secret: Path, scalars: dict[str, Any], handler: Any, transport: Any
) -> tuple[str, FakeSuperNode]:
    fake = FakeSuperNode(RecordDict({"task": ConfigRecord(scalars)}))
    monkeypatch.setattr(flower_adapter, "pull_task_input", fake.pull)
    monkeypatch.setattr(flower_adapter, "push_message", fake.push)
    monkeypatch.setattr(flower_adapter, "push_task_output", fake.finish)
    link = SuperNodeLink("127.0.0.1:9", secret_file=secret, transport=transport)
    return link.work(Ticket("token"), handler), fake


@pytest.mark.parametrize(
    "scalars",
    [
        {"reference_bytes": "8"},
        {"reference_bytes": 0},
        {"reference_bytes": 8, "packed": b"both"},
    ],
)
def test_reference_that_is_none_is_refused(
    scalars: dict[str, Any], monkeypatch: pytest.MonkeyPatch, secret: Path
) -> None:
    """A number of bytes, and no weights beside it."""
    code, _ = by_transport(monkeypatch, secret, {"kind": "train", **scalars}, never, FakeTransport())
    assert code == "MESSAGE_INVALID"


def test_node_without_a_transport_takes_no_reference(monkeypatch: pytest.MonkeyPatch, secret: Path) -> None:
    """Nothing is fetched by other ways."""
    assert by_transport(monkeypatch, secret, {"reference_bytes": 8}, never, None)[0] == "MESSAGE_INVALID"


def test_weights_by_reference_are_fetched_when_they_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, secret: Path
) -> None:
    """Not before the handler's checks, and once; the update is uploaded before the reply that names it."""
    transport = FakeTransport()

    def handler(incoming: Incoming) -> Outcome:
        transport.done.append("checked")
        return Outcome("{}", b"+" + bytes(incoming.packed))

    code, fake = by_transport(monkeypatch, secret, {"kind": "train", "reference_bytes": 8}, handler, transport)
    assert code == "OK"
    assert transport.done == ["checked", "fetch 8", "parcel", "upload incoming+incoming"]
    assert dict(fake.replies[0].content["result"]) == {
        "metrics": "{}",
        "reference_sha256": hashlib.sha256(b"incoming+incoming").hexdigest(),
    }


def test_refused_message_fetches_nothing(monkeypatch: pytest.MonkeyPatch, secret: Path) -> None:
    """And an evaluation uploads nothing."""
    transport = FakeTransport()

    def refuse(incoming: Incoming) -> Outcome:
        raise MyofedError("NOT_APPROVED", "x")

    scalars = {"kind": "train", "reference_bytes": 8}
    assert by_transport(monkeypatch, secret, scalars, refuse, transport)[0] == "NOT_APPROVED"
    code, fake = by_transport(monkeypatch, secret, scalars, lambda incoming: Outcome("{}", b""), transport)
    assert (code, transport.done) == ("OK", [])
    assert dict(fake.replies[0].content["result"]) == {"metrics": "{}", "packed": b""}


def test_update_in_a_message_is_encoded_as_well(monkeypatch: pytest.MonkeyPatch, secret: Path) -> None:
    """The encoding does not depend on the way."""
    transport = FakeTransport()
    scalars = {"kind": "train", "packed": b"in"}
    _, fake = by_transport(monkeypatch, secret, scalars, lambda incoming: Outcome("{}", b"out"), transport)
    assert dict(fake.replies[0].content["result"]) == {"metrics": "{}", "packed": b"inout"}


def test_full_disk_under_an_update_is_one_code_and_the_site_answers(
    monkeypatch: pytest.MonkeyPatch, secret: Path
) -> None:
    """The coordinator learns it at once instead of waiting for the round's end."""

    class FullDisk(FakeTransport):
        def parcel(self, incoming: Incoming, packed: bytes) -> bytes:
            raise OSError(errno.ENOSPC, "a path of this machine")

    code, fake = by_transport(
        monkeypatch, secret, {"kind": "train"}, lambda incoming: Outcome("{}", b"out"), FullDisk()
    )
    (sent,) = fake.replies
    assert code == "SYSTEM_ERROR"
    assert (sent.has_error(), sent.error.reason) == (True, "SYSTEM_ERROR")


def test_task_knows_until_when_its_answer_is_waited_for(monkeypatch: pytest.MonkeyPatch, secret: Path) -> None:
    """From when the coordinator sent it, not from when it came: it may have waited at the site, or on the way."""
    left: list[float] = []

    def look(incoming: Incoming) -> Outcome:
        left.append(incoming.term.left_s())
        return Outcome("{}", b"")

    for age_s in (0.0, 400.0, 700.0, -400.0):
        fake = FakeSuperNode(task(), age_s=age_s)
        monkeypatch.setattr(flower_adapter, "pull_task_input", fake.pull)
        monkeypatch.setattr(flower_adapter, "push_message", fake.push)
        monkeypatch.setattr(flower_adapter, "push_task_output", fake.finish)
        SuperNodeLink("127.0.0.1:9", secret_file=secret).work(Ticket("token"), look)
    assert left == [pytest.approx(600, abs=5), pytest.approx(200, abs=5), 0.0, pytest.approx(600, abs=5)]


def test_superseded_ticket_ends_the_term_of_its_task(monkeypatch: pytest.MonkeyPatch, secret: Path) -> None:
    """A later task of the SuperNode: nobody takes the answer of the one before it."""
    ticket, over = Ticket("token"), []

    def look(incoming: Incoming) -> Outcome:
        over.append(incoming.term.over())
        ticket.superseded.set()
        over.append(incoming.term.over())
        return Outcome("{}", b"")

    fake = FakeSuperNode(task())
    monkeypatch.setattr(flower_adapter, "pull_task_input", fake.pull)
    monkeypatch.setattr(flower_adapter, "push_message", fake.push)
    monkeypatch.setattr(flower_adapter, "push_task_output", fake.finish)
    SuperNodeLink("127.0.0.1:9", secret_file=secret).work(ticket, look)
    assert over == [False, True]


@pytest.mark.parametrize("fails", [False, True])
def test_update_in_a_file_is_uploaded_from_it_and_no_file_is_left(
    monkeypatch: pytest.MonkeyPatch, secret: Path, tmp_path: Path, *, fails: bool
) -> None:
    """As long as its bytes travel as they are; also where the upload is refused."""
    file, uploaded = tmp_path / "x.trained", []

    class Plain(FakeTransport):
        def parcel(self, incoming: Incoming, packed: bytes) -> bytes:
            return packed

        def upload(self, instruction: Any, parcel: Any, *, sha256: str, term: Term) -> None:
            uploaded.append((parcel, sha256))
            if fails:
                raise MyofedError("TRAINING_STOPPED", "x")

    def handler(_incoming: Incoming) -> Outcome:
        file.write_bytes(b"trained")
        return Outcome("{}", memoryview(b"trained"), file)

    code, _ = by_transport(monkeypatch, secret, {"kind": "train", "reference_bytes": 8}, handler, Plain())
    assert code == ("TRAINING_STOPPED" if fails else "OK")
    assert uploaded == [(file, hashlib.sha256(b"trained").hexdigest())]
    assert not file.exists()
