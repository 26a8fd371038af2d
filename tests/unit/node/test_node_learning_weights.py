"""Weights that do not belong to the study are refused before anything is loaded."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_factories import architecture, initial

from myofed_node.learning.models import build, state_dict_spec
from myofed_node.learning.weights import check, load_weights, packed
from myofed_schemas.errors import MyofedError

SPEC = state_dict_spec(architecture())


def changed(**tensors: torch.Tensor | None) -> bytes:
    """The study's weights with some tensors replaced, added, or left out (None)."""
    state = check(initial(), SPEC) | tensors
    return packed({name: tensor for name, tensor in state.items() if tensor is not None})


FIRST = SPEC[0]


@pytest.mark.parametrize(
    ("blob", "code"),
    [
        (b"", "WEIGHTS_SIZE"),
        (b"\0" * 10_000_000, "WEIGHTS_SIZE"),
        (b"not safetensors at all", "WEIGHTS_FORMAT"),
        ((2**40).to_bytes(8, "little") + b"{}", "WEIGHTS_FORMAT"),
        ((5000).to_bytes(8, "little") + b"[" * 5000, "WEIGHTS_FORMAT"),
        (changed(**{FIRST.name: None}), "WEIGHTS_KEYS"),
        (changed(extra=torch.zeros(1)), "WEIGHTS_KEYS"),
        (changed(**{FIRST.name: torch.zeros(3, 3)}), "WEIGHTS_SHAPE"),
        (changed(**{FIRST.name: torch.zeros(FIRST.shape, dtype=torch.float16)}), "WEIGHTS_DTYPE"),
        (changed(**{FIRST.name: torch.zeros(FIRST.shape, dtype=torch.float64)}), "WEIGHTS_DTYPE"),
        (changed(**{FIRST.name: torch.full(FIRST.shape, float("nan"))}), "WEIGHTS_NOT_FINITE"),
        (changed(**{FIRST.name: torch.full(FIRST.shape, float("-inf"))}), "WEIGHTS_NOT_FINITE"),
    ],
)
def test_weights_that_break_the_manifest_are_refused_with_their_code(blob: bytes, code: str) -> None:
    """Each way of not belonging to the study has its own code."""
    with pytest.raises(MyofedError) as refusal:
        check(blob, SPEC)
    assert refusal.value.code == code


def test_refused_weights_leave_the_network_as_it_was() -> None:
    """Nothing is loaded before everything is checked."""
    network = build(architecture())
    before = packed(network.state_dict())
    last = SPEC[-1]
    with pytest.raises(MyofedError):
        load_weights(network, changed(**{last.name: torch.full(last.shape, float("nan"))}), spec=SPEC)
    assert packed(network.state_dict()) == before


def test_weights_survive_the_round_trip_bit_for_bit() -> None:
    """What was packed is what a network has after loading."""
    network = build(architecture())
    load_weights(network, initial(), spec=SPEC)
    assert packed(network.state_dict()) == initial()


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_damaged_weights_are_refused_or_still_finite(data: st.DataObject) -> None:
    """Changing any byte ends in a MyofedError or in finite tensors of the right shape, never in another exception."""
    blob = bytearray(initial())
    for _ in range(3):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    outcome = refusal_or_state(bytes(blob))
    if isinstance(outcome, str):
        assert outcome.startswith("WEIGHTS_")
    else:
        assert {name: tuple(t.shape) for name, t in outcome.items()} == {t.name: t.shape for t in SPEC}
        assert all(bool(torch.isfinite(t).all()) for t in outcome.values())


def refusal_or_state(blob: bytes) -> str | dict[str, torch.Tensor]:
    try:
        return check(blob, SPEC)
    except MyofedError as refusal:
        return refusal.code


def test_metadata_of_the_file_is_not_loaded() -> None:
    """A header with metadata is read as if it had none: nothing rides along into the state dict."""
    blob = initial()
    length = int.from_bytes(blob[:8], "little")
    header = json.loads(blob[8 : 8 + length]) | {"__metadata__": {"note": "x"}}
    text = json.dumps(header).encode()
    assert set(check(len(text).to_bytes(8, "little") + text + blob[8 + length :], SPEC)) == {t.name for t in SPEC}
