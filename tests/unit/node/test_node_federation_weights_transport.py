"""Weights move as the approved manifest says, and only for it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save
from site_factories import NOW, FakeCoordinator, demo_site, enrol, study

from myofed_node.federation.approvals import Approvals
from myofed_node.federation.flower_adapter import Incoming
from myofed_node.federation.term import Term
from myofed_node.federation.training_gate import state_path, turn
from myofed_node.federation.weights_transport import WeightsTransport
from myofed_node.site_setup import Site
from myofed_schemas.errors import MyofedError
from myofed_schemas.study import StudyManifest, TensorSpec
from myofed_schemas.study_options import Transport
from myofed_schemas.weights_transfer import largest_weights

SPEC = (TensorSpec(name="w", shape=(2,), dtype="float32"),)


def packed(*values: float) -> bytes:
    return bytes(save({"w": np.array(values, np.float32)}))


BASE = packed(0, 0)


@dataclass
class FakeLink:
    """What was moved."""

    file: Path
    fetched: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    uploaded: list[tuple[str, bytes]] = field(default_factory=list)
    going: list[Callable[[], None]] = field(default_factory=list)

    def fetch(self, path: str, **named: Any) -> Path:
        self.fetched.append((path, named))
        self.file.write_bytes(BASE)
        return self.file

    def upload(self, path: str, content: bytes, *, going: Callable[[], None], **named: Any) -> None:
        self.uploaded.append((path, content))
        self.going.append(going)


@dataclass
class Bench:
    site: Site
    manifest: StudyManifest
    link: FakeLink

    @property
    def transport(self) -> WeightsTransport:
        approvals = Approvals(self.site.folder, self.site.config)
        return WeightsTransport(self.site.folder, approvals, self.link)  # type: ignore[arg-type]

    def asked(self, **changes: object) -> dict[str, object]:
        values = {
            "kind": "train",
            "study_id": self.manifest.study_id,
            "manifest_digest": self.manifest.digest(),
            "run_id": "run-00000001",
            "round": 1,
            "weights_sha256": hashlib.sha256(BASE).hexdigest(),
        }
        return {**values, **changes}

    def parcel(self, update: bytes, **changes: object) -> bytes:
        return self.transport.parcel(Incoming(self.asked(**changes), BASE), update)


def bench(tmp_path: Path, transport: Transport | None) -> Bench:
    site, coordinator = demo_site(tmp_path / "site"), FakeCoordinator()
    enrol(site, coordinator)
    manifest = study(transport=transport, state_dict=SPEC, rounds=3)
    approvals = Approvals(site.folder, site.config)
    approvals.store_manifest(coordinator.offer(manifest))
    approvals.approve(manifest.study_id, by="tester", now=NOW, subjects=[f"S{n}" for n in range(8)])
    return Bench(site, manifest, FakeLink(tmp_path / "weights.in"))


def refused(call: Any) -> str:
    with pytest.raises(MyofedError) as caught:
        call()
    return caught.value.code


def test_nothing_is_fetched_for_a_study_that_is_not_approved(tmp_path: Path) -> None:
    """Another manifest, another transport, something else, too much: no byte is asked for."""
    it = bench(tmp_path, Transport(by="reference"))
    largest = largest_weights(SPEC)
    assert refused(lambda: it.transport.fetch({"kind": "train"}, total=1)) == "MESSAGE_INVALID"
    assert refused(lambda: it.transport.fetch(it.asked(manifest_digest="0" * 64), total=1)) == "MANIFEST_CHANGED"
    assert refused(lambda: it.transport.fetch(it.asked(), total=largest + 1)) == "WEIGHTS_SIZE"
    plain = bench(tmp_path / "plain", None)
    assert refused(lambda: plain.transport.fetch(plain.asked(), total=1)) == "TRANSPORT_NOT_APPROVED"
    assert it.link.fetched == plain.link.fetched == []


@pytest.mark.parametrize("damaged", [False, True])
def test_nothing_leaves_of_a_stopped_site_though_the_update_is_ready(tmp_path: Path, *, damaged: bool) -> None:
    """The worker is idle and the switch is turned: neither a parcel nor an upload, and one under way is told to end."""
    it = bench(tmp_path, Transport(by="reference"))
    it.transport.upload(it.asked(), b"update", sha256="0" * 64)
    going = it.link.going[0]
    going()
    turn(it.site.folder, "stopped", by="tester", now=NOW)
    if damaged:
        state_path(it.site.folder).write_bytes(b"{")
    assert refused(lambda: it.parcel(packed(1, 2))) == "TRAINING_STOPPED"
    assert refused(going) == "TRAINING_STOPPED"


def test_weights_are_fetched_and_uploaded_under_the_runs_path(tmp_path: Path) -> None:
    """By their digests, within the round's time."""
    it = bench(tmp_path, Transport(by="reference"))
    came, digest = it.transport.fetch(it.asked(), total=99), hashlib.sha256(BASE).hexdigest()
    assert (bytes(came.content), came.sha256, came.file) == (BASE, digest, it.link.file)
    named = {"sha256": digest, "total": 99, "study": it.manifest.study_id}
    timeout_s = float(it.manifest.round_timeout_s)
    assert it.link.fetched == [(f"/site/weights/run-00000001/{digest}", {**named, "timeout_s": timeout_s})]
    update = hashlib.sha256(b"update").hexdigest()
    it.transport.upload(it.asked(), b"update", sha256=update)
    assert it.link.uploaded == [(f"/site/weights/run-00000001/{update}", b"update")]


def test_weights_move_for_as_long_as_the_task_has_and_no_longer(tmp_path: Path) -> None:
    """What waiting and training took of the round is gone; an upload under way ends with the round."""
    it, seconds = bench(tmp_path, Transport(by="reference")), [0.0]
    term = Term(until=4.0, monotonic=lambda: seconds[0])
    it.transport.fetch(it.asked(), total=99, term=term)
    assert it.link.fetched[0][1]["timeout_s"] == 4.0
    it.transport.upload(it.asked(), b"update", sha256="0" * 64, term=term)
    it.link.going[0]()
    seconds[0] = 5.0
    assert refused(it.link.going[0]) == "ROUND_OVER"


def test_update_is_written_as_the_manifest_says(tmp_path: Path) -> None:
    """As it is, or narrower; nothing is kept."""
    plain, narrow = bench(tmp_path / "a", None), bench(tmp_path / "b", Transport(encoding="float16"))
    assert plain.parcel(packed(1, 2)) == packed(1, 2)
    assert load(narrow.parcel(packed(1, 2)))["w"].dtype == np.float16
    assert not (narrow.site.folder.study(narrow.manifest.study_id) / "carried").exists()


def test_round_asked_again_carries_the_same_as_before(tmp_path: Path) -> None:
    """What a round left is for the rounds after it only; two rounds of one run are kept."""
    it = bench(tmp_path, Transport(encoding="delta-int8"))
    first = it.parcel(packed(127, 0.25))
    assert it.parcel(packed(127, 0.25)) == first
    second = it.parcel(packed(127, 0.3), round=2)
    assert load(second)["w"].tolist() == [127, 1]
    assert it.parcel(packed(127, 0.3), round=2) == second
    it.parcel(packed(127, 0.3), round=3)
    folder = it.site.folder.study(it.manifest.study_id) / "carried"
    assert sorted(path.name for path in folder.iterdir()) == [f"run-00000001-000{n}.safetensors" for n in (2, 3)]
    it.parcel(packed(127, 0.25), run_id="run-00000002")
    assert [path.name for path in folder.iterdir()] == ["run-00000002-0001.safetensors"]
