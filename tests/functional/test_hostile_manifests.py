"""Hostile manifests and weights: each refused by one code, no file outside the site's folder, and the node goes on."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import pickle
import socket
import struct
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "node"))  # tiny sites and studies lie with the unit tests

from learning_factories import initial, manifest, stripes
from site_factories import NOW, FakeCoordinator, demo_site, enrol

from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.federation.approvals import Approvals
from myofed_node.federation.executor import Executor, Means
from myofed_node.federation.executor_process import fail_closed
from myofed_node.federation.flower_adapter import Incoming
from myofed_node.learning import worker_client
from myofed_node.learning.data import SubjectCache
from myofed_node.learning.models import check_architecture
from myofed_node.learning.subjects import Slices
from myofed_node.learning.worker import Worker, listen, serve
from myofed_node.site_setup import Site
from myofed_schemas.canonical import canonical_json
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import TaskMetrics
from myofed_schemas.study import SignedManifest, StudyManifest

SUBJECTS = tuple(f"S{number}" for number in range(6))
Document = dict[str, Any]


class MadeUp(SubjectCache):
    """Subjects out of thin air: no data set is needed to refuse."""

    def read(self, dataset: Path, subjects: Sequence[str], *, manifest: StudyManifest, **_: object) -> list[Slices]:
        return [stripes(seed=int(name[1:])) for name in subjects]


@pytest.fixture(scope="module")
def worker_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The real worker, in threads of this process: one for all cases, as one serves all messages of a node."""
    path = tmp_path_factory.mktemp("worker") / "worker.sock"
    listener = listen(path)
    worker = Worker(device=torch.device("cpu"), threads=1, cache=MadeUp())
    threading.Thread(target=serve, args=(listener, worker), daemon=True).start()
    yield path
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def good(**changes: object) -> StudyManifest:
    """A demonstration's study that this site would approve."""
    settings: Document = {"sites": ("alpha",), "min_subjects": 3, "demo": True, "version": 2}
    return manifest(**(settings | changes))


@dataclass
class Node:
    """A site as its coordinator meets it."""

    site: Site
    coordinator: FakeCoordinator
    worker_socket: Path
    sent: list[bytes] = field(default_factory=list)

    @property
    def approvals(self) -> Approvals:
        return Approvals(self.site.folder, self.site.config)

    def receive(self, body: bytes) -> None:
        """What the service and `approve` do with the answer of `GET /site/studies`."""
        self.coordinator._answers = lambda: {"/site/studies": lambda _path, _body: body}  # type: ignore[method-assign]
        for signed in CoordinatorApi(self.coordinator).studies():  # type: ignore[arg-type]
            self.approvals.store_manifest(signed)
            check_architecture(signed.manifest)
            self.approvals.approve(signed.manifest.study_id, by="tester", now=NOW, subjects=SUBJECTS)

    def sign(self, document: Document, *, by: FakeCoordinator | None = None) -> Document:
        """Signed as it is, however wrong: canonical bytes do not ask what they mean."""
        text = canonical_json(document)
        signer = by or self.coordinator
        return {
            "manifest": document,
            "digest": hashlib.sha256(text).hexdigest(),
            "signature": signer.key.sign(text).hex(),
            "signer": signer.public_key,
        }

    def ask(self, study: StudyManifest, number: int, packed: bytes, **changes: object) -> bytes:
        """The executor's answer to a message of the coordinator."""
        values = {
            "kind": "train",
            "study_id": study.study_id,
            "manifest_digest": study.digest(),
            "run_id": "run-00000001",
            "round": number,
            "weights_sha256": hashlib.sha256(packed).hexdigest(),
        }
        call = partial(worker_client.call, self.worker_socket)
        executor = Executor(self.site.folder, self.approvals, Means(call, lambda: NOW, 1))
        outcome = fail_closed(executor, Incoming({**values, **changes}, packed))
        TaskMetrics.model_validate_json(outcome.metrics_json)
        return outcome.packed


@pytest.fixture
def node(tmp_path: Path, worker_socket: Path) -> Node:
    site, coordinator = demo_site(tmp_path / "work" / "site"), FakeCoordinator()
    enrol(site, coordinator)
    return Node(site, coordinator, worker_socket)


def plain(study: StudyManifest) -> Document:
    document: Document = json.loads(canonical_json(study))
    return document


def changed(path: str, value: object) -> Callable[[Node], bytes]:
    """A genuine signature over a manifest that asks for something else."""

    def body(node: Node) -> bytes:
        document = plain(good())
        *outer, last = path.split(".")
        inner = document
        for key in outer:
            inner = inner[key]
        inner[last] = value
        return json.dumps([node.sign(document)]).encode()

    return body


def unsigned(path: str, value: object) -> Callable[[Node], bytes]:
    """A signed manifest that was changed afterwards."""

    def body(node: Node) -> bytes:
        signed = node.sign(plain(good()))
        inner = signed
        *outer, last = path.split(".")
        for key in outer:
            inner = inner[key]
        inner[last] = value
        return json.dumps([signed]).encode()

    return body


def raw(content: bytes) -> Callable[[Node], bytes]:
    return lambda _node: content


def foreign(node: Node) -> bytes:
    return json.dumps([node.sign(plain(good()), by=FakeCoordinator())]).encode()


def nan_rate(node: Node) -> bytes:
    """JSON readers that know NaN would take it; no bound holds it back, for it compares as false."""
    signed = json.dumps([node.sign(plain(good()))]).encode()
    return signed.replace(b'"learning_rate": 0.02', b'"learning_rate": NaN')


def reused(node: Node) -> bytes:
    node.receive(json.dumps([node.sign(plain(good()))]).encode())
    return json.dumps([node.sign(plain(good(rounds=2)))]).encode()


def zip_bomb() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../outside.txt", b"\0" * (8 << 20))
    return stream.getvalue()


UNET_3D = {
    "name": "monai-unet-3d", "in_channels": 1, "out_channels": 3, "channels": [4, 8], "strides": [2], "num_res_units": 0,
    "norm": "instance",
}  # fmt: skip
MANIFESTS: dict[str, tuple[str, Callable[[Node], bytes]]] = {
    "changed byte": ("MANIFEST_CHANGED", unsigned("manifest.title", "Tiny studz")),
    "wrong digest": ("MANIFEST_CHANGED", unsigned("digest", "0" * 64)),
    "signature of nothing": ("MANIFEST_SIGNATURE", unsigned("signature", "0" * 128)),
    "foreign signer": ("MANIFEST_SIGNATURE", foreign),
    "reused version": ("MANIFEST_VERSION_REUSED", reused),
    "not for this site": ("MANIFEST_NOT_FOR_US", changed("sites", ["beta"])),
    "unknown field": ("REPLY_INVALID", changed("post_round_hook", "import os")),
    "network off the list": ("REPLY_INVALID", changed("architecture.name", "os.system")),
    "network argument off the list": ("REPLY_INVALID", changed("architecture.kernel_size", 31)),
    "other architecture": ("ARCHITECTURE_MISMATCH", changed("architecture.channels", [8, 16])),
    "extra tensor": (
        "ARCHITECTURE_MISMATCH",
        changed("state_dict", [*plain(good())["state_dict"], {"name": "extra", "shape": [2], "dtype": "float32"}]),
    ),
    "huge tensor": (
        "ARCHITECTURE_MISMATCH",
        changed("state_dict", [{"name": "huge", "shape": [2**31, 2**31], "dtype": "float32"}]),
    ),
    "huge network behind a small list": ("ARCHITECTURE_TOO_LARGE", changed("architecture", {
        "name": "monai-unet-2d", "in_channels": 1, "out_channels": 3, "channels": [1024] * 7, "strides": [2] * 6,
        "num_res_units": 4, "norm": "instance",
    })),
    "network for volumes": ("ARCHITECTURE_MISMATCH", changed("architecture", UNET_3D)),
    "study id as a path": ("REPLY_INVALID", changed("study_id", "../../outside")),
    "tensor name as a path": ("REPLY_INVALID", changed("state_dict", [{"name": "../x", "shape": [1], "dtype": "float32"}])),
    "weights named by a path": ("REPLY_INVALID", changed("initial_weights_sha256", "../../../etc/passwd")),
    "NaN learning rate": ("REPLY_INVALID", nan_rate),
    "absurd batch": ("REPLY_INVALID", changed("training.batch_size", 10**9)),
    "batch above the policy": ("POLICY_BATCH", changed("training.batch_size", 64)),
    "negative steps": ("REPLY_INVALID", changed("training.local_steps", -1)),
    "steps above the policy": ("POLICY_TOO_MANY_STEPS", changed("training.local_steps", 1000)),
    "image that does not divide": ("NETWORK_INPUT", changed("image.size_px", [33, 33])),
    "study on patients": ("POLICY_DEMO", changed("demo", False)),
    "deep JSON": ("REPLY_INVALID", raw(b"[" * 100_000 + b"]" * 100_000)),
    "compressed bomb": ("REPLY_INVALID", raw(gzip.compress(b" " * (8 << 20)))),
    "zip": ("REPLY_INVALID", raw(zip_bomb())),
}  # fmt: skip


def outside(node: Node) -> set[Path]:
    """Every file beside the site's folder."""
    root = node.site.folder.root.parents[1]
    return {path for path in root.rglob("*") if path.is_file() and node.site.folder.root not in path.parents}


def goes_on(node: Node, study: StudyManifest, number: int, packed: bytes, **changes: object) -> None:
    """A good message is answered: the tiny network was trained by the real worker."""
    assert load(node.ask(study, number, packed, **changes)).keys() == {t.name for t in study.state_dict}


@pytest.mark.parametrize("case", MANIFESTS)
def test_hostile_manifest_is_refused_and_a_good_one_then_trains(node: Node, case: str) -> None:
    """One code, nothing outside the folder; the next version is approved and its first round answered."""
    code, craft = MANIFESTS[case]
    before = outside(node)
    with pytest.raises(MyofedError) as caught:
        node.receive(craft(node))
    assert caught.value.code == code
    assert outside(node) == before
    study = good(version=9)
    node.receive(json.dumps([node.sign(plain(study))]).encode())
    goes_on(node, study, 1, initial())


class Payload:
    """What a pickle runs when it is loaded."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self._path,)


def safetensors_of(header: bytes, numbers: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + numbers


def altered(change: Callable[[dict[str, np.ndarray[Any, Any]]], object]) -> Callable[[Node, bytes], bytes]:
    def craft(_node: Node, honest: bytes) -> bytes:
        arrays = load(honest)
        change(arrays)
        return save(arrays)

    return craft


def bytes_of(content: bytes) -> Callable[[Node, bytes], bytes]:
    return lambda _node, _honest: content


FIRST = "model.0.conv.weight"
DEEP = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
WEIGHTS: dict[str, tuple[str, Callable[[Node, bytes], bytes]]] = {
    "pickle": ("WEIGHTS_FORMAT", lambda node, _h: pickle.dumps(Payload(node.site.folder.root.parent / "ran"))),
    "zip bomb": ("WEIGHTS_FORMAT", bytes_of(zip_bomb())),
    "deep JSON header": ("WEIGHTS_FORMAT", bytes_of(safetensors_of(DEEP))),
    "header longer than the file": ("WEIGHTS_FORMAT", bytes_of(struct.pack("<Q", 2**62) + b"{}")),
    "tensor that is not in the file": (
        "WEIGHTS_FORMAT",
        bytes_of(safetensors_of(b'{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}')),
    ),
    "much too large": ("WEIGHTS_SIZE", lambda _n, honest: honest + b"\0" * (4 << 20)),
    "extra tensor": ("WEIGHTS_KEYS", altered(lambda a: a.update(extra=np.zeros(2, np.float32)))),
    "missing tensor": ("WEIGHTS_KEYS", altered(lambda a: a.pop(FIRST))),
    "other shape": ("WEIGHTS_SHAPE", altered(lambda a: a.update({FIRST: a[FIRST][None]}))),
    "other type": ("WEIGHTS_DTYPE", altered(lambda a: a.update({FIRST: a[FIRST].astype(np.float16)}))),
    "infinity": ("WEIGHTS_NOT_FINITE", altered(lambda a: a.update({FIRST: a[FIRST] * np.float32(np.inf)}))),
    "hundredfold": ("WEIGHTS_IMPLAUSIBLE", altered(lambda a: a.update({FIRST: a[FIRST] * 100}))),
    "the same again": ("WEIGHTS_IMPLAUSIBLE", bytes_of(initial())),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_hostile_weights_are_refused_and_the_next_round_is_trained(node: Node, case: str) -> None:
    """In the second round, by the digest that the message names; the third is answered."""
    code, craft = WEIGHTS[case]
    study = good()
    node.receive(json.dumps([node.sign(plain(study))]).encode())
    honest = node.ask(study, 1, initial())
    before = outside(node)
    with pytest.raises(MyofedError) as caught:
        node.ask(study, 2, craft(node, honest))
    assert caught.value.code == code
    assert outside(node) == before
    goes_on(node, study, 3, honest)


MESSAGES: dict[str, tuple[str, dict[str, object]]] = {
    "wrong digest": ("WEIGHTS_DIGEST", {"weights_sha256": "0" * 64}),
    "older version": ("MANIFEST_CHANGED", {"manifest_digest": good(version=1).digest()}),
    "run as a path": ("MESSAGE_INVALID", {"run_id": "../../outside"}),
    "study as a path": ("MESSAGE_INVALID", {"study_id": "../other"}),
    "study nobody approved": ("NOT_APPROVED", {"study_id": "other-study"}),
    "code in a scalar": ("MESSAGE_INVALID", {"hook": "import os"}),
    "bytes in a scalar": ("MESSAGE_INVALID", {"payload": pickle.dumps(0)}),
    "round beyond the manifest": ("ROUND_OUT_OF_RANGE", {"round": 4}),
    "round below the first": ("MESSAGE_INVALID", {"round": -1}),
    "other first weights": ("INITIAL_WEIGHTS", {}),
}


@pytest.mark.parametrize("case", MESSAGES)
def test_hostile_message_is_refused_and_a_good_one_is_answered(node: Node, case: str) -> None:
    """Of the first round of an approved study."""
    code, changes = MESSAGES[case]
    study = good()
    node.receive(json.dumps([node.sign(plain(good(version=1)))]).encode())
    node.receive(json.dumps([node.sign(plain(study))]).encode())
    before = outside(node)
    packed = initial() if changes else save({n: a + np.float32(0.001) for n, a in load(initial()).items()})
    with pytest.raises(MyofedError) as caught:
        node.ask(study, 1, packed, **changes)
    assert caught.value.code == code
    assert outside(node) == before
    goes_on(node, study, 1, initial(), run_id="run-00000002")


def test_there_are_more_than_twenty_of_each_kind_that_matters() -> None:
    """The count that is asked for."""
    assert len(MANIFESTS) >= 20
    assert len(WEIGHTS) + len(MESSAGES) >= 20


def test_signed_manifest_type_has_no_place_for_code() -> None:
    """Digest, signature, signer and a manifest of closed types: nothing else."""
    assert set(SignedManifest.model_fields) == {"manifest", "digest", "signature", "signer"}
