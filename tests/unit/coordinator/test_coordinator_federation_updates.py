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
from myofed_schemas.study import TensorSpec

SPELT_OTHERWISE = save(tensors(4.0), metadata={"note": "another header, the same numbers"})


def digest(value: float) -> str:
    return content_digest(tensors(value).__getitem__, SPEC)


def updates(root: Path, *, seen: dict[str, frozenset[str]] | None = None, **changes: object) -> RoundUpdates:
    folder = make_run(root, **changes)
    outgoing = TensorFile(folder.initial_weights, SPEC).read
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


def test_variance_below_0_is_refused(tmp_path: Path) -> None:
    """The mean of it would be the root of a negative number at every site."""
    spec = [TensorSpec(name="norm.running_var", shape=(2,), dtype="float32")]
    folder = make_run(tmp_path, state_dict=spec)
    write = pack({"norm.running_var": np.ones(2, np.float32)})
    folder.initial_weights.write_bytes(write)
    taken = RoundUpdates(
        folder, folder.manifest().manifest, TensorFile(folder.initial_weights, spec).read, {}, round_number=1
    )
    with pytest.raises(MyofedError) as caught:
        taken.accept("hospital-a", pack({"norm.running_var": np.array([1.0, -1e-3], np.float32)}))
    assert caught.value.code == "UPDATE_IMPLAUSIBLE"
    taken.accept("hospital-a", pack({"norm.running_var": np.array([99.0, 0.0], np.float32)}))


def test_round_whose_rate_is_0_brings_nothing_new(tmp_path: Path) -> None:
    """A cosine that ends at 0, one step a round: in the last round every honest site sends what went out."""
    usual = make_run(tmp_path / "usual").manifest().manifest.training.model_dump()
    training = usual | {"learning_rate": 0.01, "learning_rate_end": 0.0, "local_steps": 1}
    folder = make_run(tmp_path, rounds=2, training=training)
    manifest, outgoing = folder.manifest().manifest, TensorFile(folder.initial_weights, SPEC).read
    seen = {"hospital-a": frozenset({digest(0.0)})}
    RoundUpdates(folder, manifest, outgoing, seen, round_number=2).accept("hospital-a", pack(tensors(0.0)))
    with pytest.raises(MyofedError):
        RoundUpdates(folder, manifest, outgoing, {}, round_number=1).accept("hospital-a", pack(tensors(0.0)))


def test_tensors_that_stay_at_a_site_are_no_part_of_the_norm(tmp_path: Path) -> None:
    """They go on from the site's own ones, as far from the mean as they like."""
    spec = [TensorSpec(name=name, shape=(1,), dtype="float32") for name in ("body", "norm")]
    options = {"strategy": "fedbn", "strategy_options": {"release": "aggregated"}, "local_tensors": ("norm",)}
    folder = make_run(tmp_path, state_dict=spec, max_update_norm=1.0, **options)
    folder.initial_weights.write_bytes(pack({"body": np.zeros(1, np.float32), "norm": np.zeros(1, np.float32)}))
    taken = RoundUpdates(
        folder, folder.manifest().manifest, TensorFile(folder.initial_weights, spec).read, {}, round_number=1
    )
    taken.accept("hospital-a", pack({"body": np.full(1, 0.5, np.float32), "norm": np.full(1, 7.0, np.float32)}))
    with pytest.raises(MyofedError) as caught:
        taken.accept("hospital-a", pack({"body": np.full(1, 1.1, np.float32), "norm": np.zeros(1, np.float32)}))
    assert caught.value.code == "UPDATE_NORM"


def test_known_digest_is_taken_for_a_file_as_pack_makes_it_and_for_no_other(tmp_path: Path) -> None:
    """The digest of a file with another header says nothing of its numbers."""
    taken = updates(tmp_path)
    taken.accept("hospital-a", pack(tensors(4.0)), sha256="4" * 64)
    taken.accept("hospital-b", SPELT_OTHERWISE, sha256="5" * 64)
    assert taken.digests == {"hospital-a": "4" * 64, "hospital-b": digest(4.0)}
