"""An update is checked whole before any of it is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save
from wall_examples import SPEC, make_run, tensors

from myofed_coordinator.federation.updates import RoundUpdates
from myofed_coordinator.federation.weights import TensorFile, content_digest, pack
from myofed_schemas.errors import MyofedError

SPELT_OTHERWISE = save(tensors(4.0), metadata={"note": "another header, the same numbers"})


def digest(value: float) -> str:
    return content_digest(tensors(value).__getitem__, SPEC)


def updates(root: Path, *, seen: dict[str, frozenset[str]] | None = None, **changes: object) -> RoundUpdates:
    folder = make_run(root, **changes)
    outgoing = TensorFile(folder.initial_weights, SPEC)
    return RoundUpdates(folder, folder.manifest().manifest, outgoing, seen or {}, round_number=1)


BAD = {
    "WEIGHTS_SIZE": pack(tensors(1.0))[:20],
    "WEIGHTS_FORMAT": b"x" * len(pack(tensors(1.0))),
    "WEIGHTS_KEYS": pack({"other": np.zeros(8, np.float32)}),
    "WEIGHTS_SHAPE": pack(tensors(1.0) | {"net.weight": np.zeros((3, 2), np.float32)}),
    "WEIGHTS_DTYPE": pack(tensors(1.0) | {"net.weight": np.zeros((2, 3), np.int32)}),
    "WEIGHTS_NOT_FINITE": pack(tensors(float("nan"))),
    "UPDATE_NORM": pack(tensors(5.0)),
    "UPDATE_IMPLAUSIBLE": pack(tensors(1e4)),
    "UPDATE_REPLAYED": pack(tensors(3.0)),
}


@pytest.mark.parametrize("code", BAD)
def test_bad_update_is_refused_and_nothing_of_it_is_kept(tmp_path: Path, code: str) -> None:
    """3.0 was sent before; 5.0 is 12.2 away from the outgoing zeros, and 10 is the limit."""
    taken = updates(tmp_path, seen={"hospital-a": frozenset({digest(3.0)})}, max_update_norm=10.0)
    with pytest.raises(MyofedError) as caught:
        taken.accept("hospital-a", BAD[code])
    assert caught.value.code == code
    assert list((tmp_path / "run-0123abcd" / "updates").iterdir()) == []


@pytest.mark.parametrize("packed", [pack(tensors(4.0)), SPELT_OTHERWISE], ids=["same bytes", "other header"])
def test_replayed_update_is_refused_however_it_is_spelt(tmp_path: Path, packed: bytes) -> None:
    """The digest is over names and numbers; another site may well send the same."""
    taken = updates(tmp_path, seen={"hospital-a": frozenset({digest(4.0)})})
    with pytest.raises(MyofedError) as caught:
        taken.accept("hospital-a", packed)
    assert caught.value.code == "UPDATE_REPLAYED"
    taken.accept("hospital-b", packed)
    assert taken.digests == {"hospital-a": digest(4.0), "hospital-b": digest(4.0)}


def test_weights_that_went_out_are_no_update(tmp_path: Path) -> None:
    """A site that did its steps has other weights."""
    with pytest.raises(MyofedError) as caught:
        updates(tmp_path).accept("hospital-a", pack(tensors(0.0)))
    assert caught.value.code == "UPDATE_REPLAYED"


def test_norm_is_measured_from_the_outgoing_weights_over_floating_point_tensors(tmp_path: Path) -> None:
    """Six ones have the norm sqrt(6) = 2.449; a counter's step of a million is no part of it."""
    packed = pack(tensors(1.0, steps=10**6))
    updates(tmp_path / "wide", max_update_norm=2.4495).accept("hospital-a", packed)
    with pytest.raises(MyofedError) as caught:
        updates(tmp_path / "narrow", max_update_norm=2.4494).accept("hospital-a", packed)
    assert caught.value.message == "expected an update of L2 norm at most 2.4494, found 2.44949"


def test_accepted_update_is_read_from_disk_tensor_by_tensor_and_checked_again(tmp_path: Path) -> None:
    """A disk that changed it after it was taken in is noticed."""
    taken = updates(tmp_path)
    taken.accept("hospital-a", pack(tensors(2.0)))
    update = taken.update("hospital-a", weight=5.0)
    assert update.read("net.weight").tolist() == [[2.0] * 3] * 2
    path = tmp_path / "run-0123abcd" / "updates" / "hospital-a.safetensors"
    for damaged, code in (
        (pack(tensors(float("inf"))), "WEIGHTS_NOT_FINITE"),
        (pack({"net.steps": np.array([1], np.int64)}), "WEIGHTS_FORMAT"),
        (b"", "WEIGHTS_FORMAT"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(MyofedError) as caught:
            update.read("net.weight")
        assert caught.value.code == code
    taken.clear()
    assert not path.exists()
