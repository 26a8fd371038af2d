"""The node's and the coordinator's twin of the transport's encodings agree; neither side can import the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from myofed_coordinator.federation import encoding as coordinator
from myofed_node.federation import encoding as node
from myofed_schemas.study import TensorSpec

SPEC = (
    TensorSpec(name="b.weight", shape=(3, 4), dtype="float32"),
    TensorSpec(name="a.bias", shape=(5,), dtype="float32"),
    TensorSpec(name="steps", shape=(), dtype="int64"),
)
RELATIVE = {"bfloat16": 2**-8, "float16": 2**-10}


def weights(seed: int, *, scale: float = 1.0) -> bytes:
    draw = np.random.default_rng(seed)
    return bytes(
        save(
            {
                "b.weight": (scale * draw.standard_normal((3, 4))).astype(np.float32),
                "a.bias": (scale * draw.standard_normal(5)).astype(np.float32),
                "steps": np.array(seed, np.int64),
            }
        )
    )


def both(update: bytes, base: bytes, encoding: node.Encoding, carried: bytes = b"") -> tuple[bytes, bytes]:
    sent, left = node.encode(update, incoming=base, encoding=encoding, carried=carried)
    return coordinator.decode(sent, base=base, encoding=encoding, spec=SPEC), left


def test_both_sides_know_the_same_names() -> None:
    """What one writes, the other looks for."""
    assert node.SCALES == coordinator.SCALES
    assert node.Encoding == coordinator.Encoding


def test_float32_travels_as_it_is() -> None:
    """No encoding is the identity, byte for byte."""
    assert both(weights(1), weights(2), "float32") == (weights(1), b"")


@pytest.mark.parametrize("encoding", ["bfloat16", "float16"])
@given(seed=st.integers(0, 2**20))
def test_rounded_numbers_come_back_within_the_types_precision(encoding: node.Encoding, seed: int) -> None:
    """8 and 11 significant bits; integers exactly."""
    update, (came, left) = load(weights(seed)), both(weights(seed), weights(0), encoding)
    decoded = load(came)
    assert left == b""
    assert decoded["steps"] == seed
    for name in ("a.bias", "b.weight"):
        assert np.all(np.abs(decoded[name] - update[name]) <= RELATIVE[encoding] * np.abs(update[name]) + 2**-24)


@given(seed=st.integers(0, 2**20))
def test_delta_is_within_half_a_step_and_the_rest_is_carried(seed: int) -> None:
    """What the coordinator has, and what the node says was lost, are together the update (float32 rounding aside)."""
    base, update = weights(seed), weights(seed + 1, scale=3.0)
    came, left = both(update, base, "delta-int8")
    before, after, decoded, lost = load(base), load(update), load(came), load(left)
    for name in ("a.bias", "b.weight"):
        step = np.abs(after[name] - before[name]).max() / 127
        assert np.all(np.abs(decoded[name] - after[name]) <= 0.5001 * step + 1e-6)
        np.testing.assert_allclose(decoded[name] + lost[name], after[name], atol=1e-5)


def test_error_feedback_keeps_the_sum_of_many_rounds_exact_to_one_step() -> None:
    """Without it, an update below half a step would be lost in every round."""
    base = load(weights(0))
    update = {**base, "a.bias": base["a.bias"] + np.array([1, 0.001, 0.001, 0.001, 0.001], np.float32)}
    total, carried = np.zeros(5), b""
    for _ in range(100):
        came, carried = both(bytes(save(update)), bytes(save(base)), "delta-int8", carried)
        total += load(came)["a.bias"] - base["a.bias"]
    assert np.all(np.abs(total - [100, 0.1, 0.1, 0.1, 0.1]) < 1 / 127 + 1e-3)


def test_update_that_changes_nothing_has_scale_zero() -> None:
    """No division by zero."""
    assert (
        load(both(weights(1), weights(1), "delta-int8")[0])["a.bias"].tobytes() == load(weights(1))["a.bias"].tobytes()
    )


@pytest.mark.parametrize(("encoding", "part"), [("bfloat16", 0.6), ("float16", 0.6), ("delta-int8", 0.4)])
def test_large_update_is_that_much_smaller(encoding: node.Encoding, part: float) -> None:
    """Half and a quarter, and a header."""
    update = bytes(save({"w": np.zeros(100_000, np.float32)}))
    sent, _ = node.encode(update, incoming=update, encoding=encoding, carried=b"")
    assert len(sent) < part * len(update)
