"""What a site wrote smaller is checked whole before it is read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from myofed_coordinator.federation.encoding import SCALES, Encoding, decode
from myofed_schemas.errors import MyofedError
from myofed_schemas.study import TensorSpec

SPEC = (TensorSpec(name="w", shape=(2,), dtype="float32"), TensorSpec(name="n", shape=(), dtype="int64"))
BASE = bytes(save({"w": np.array([1, 2], np.float32), "n": np.array(0)}))
COUNT = np.array(7, np.int64)
GOOD: dict[str, Any] = {"w": np.array([127, -127], np.int8), "n": COUNT, SCALES: np.array([0.5], np.float32)}

BAD: dict[str, tuple[Encoding, bytes, str]] = {
    "other bytes": ("float16", b"pickle", "WEIGHTS_FORMAT"),
    "huge": ("float16", bytes(2 << 20), "WEIGHTS_SIZE"),
    "a tensor more": ("float16", bytes(save({"w": np.zeros(2, np.float16), "n": COUNT, "x": COUNT})), "WEIGHTS_KEYS"),
    "no scales": ("delta-int8", bytes(save({"w": GOOD["w"], "n": COUNT})), "WEIGHTS_KEYS"),
    "another type": ("float16", bytes(save({"w": np.zeros(2, np.float32), "n": COUNT})), "WEIGHTS_DTYPE"),
    "another shape": ("bfloat16", bytes(save({"w": np.zeros(3, np.uint16), "n": COUNT})), "WEIGHTS_SHAPE"),
    "two scales": ("delta-int8", bytes(save(GOOD | {SCALES: np.zeros(2, np.float32)})), "WEIGHTS_SHAPE"),
    "scales of another type": ("delta-int8", bytes(save(GOOD | {SCALES: np.zeros(1)})), "WEIGHTS_SHAPE"),
    "infinite scale": (
        "delta-int8",
        bytes(save(GOOD | {SCALES: np.array([np.inf], np.float32)})),
        "WEIGHTS_NOT_FINITE",
    ),
    "negative scale": ("delta-int8", bytes(save(GOOD | {SCALES: np.array([-1], np.float32)})), "WEIGHTS_NOT_FINITE"),
}


@pytest.mark.parametrize("why", BAD)
def test_malformed_update_is_refused_by_its_code(why: str) -> None:
    """Size, form, names, types, shapes, scales: in this order."""
    encoding, content, code = BAD[why]
    with pytest.raises(MyofedError) as caught:
        decode(content, base=BASE, encoding=encoding, spec=SPEC)
    assert caught.value.code == code


def test_difference_is_added_to_what_went_out() -> None:
    """Base plus steps times scale; integers are taken over."""
    decoded = load(decode(bytes(save(GOOD)), base=BASE, encoding="delta-int8", spec=SPEC))
    assert decoded["w"].tolist() == [1 + 63.5, 2 - 63.5]
    assert decoded["n"] == 7


def test_bfloat16_is_the_upper_half_of_a_float32() -> None:
    """0x3F80 is one."""
    content = bytes(save({"w": np.array([0x3F80, 0xC000], np.uint16), "n": COUNT}))
    assert load(decode(content, base=BASE, encoding="bfloat16", spec=SPEC))["w"].tolist() == [1.0, -2.0]


def test_variance_that_rounding_took_below_0_is_0() -> None:
    """One scale for a tensor: beside a channel that moved by 8, one of 0.0001 is lost in a step of the scale."""
    spec = (TensorSpec(name="norm.running_var", shape=(2,), dtype="float32"),)
    sent = {"norm.running_var": np.array([127, -1], np.int8), "#scales": np.array([8 / 127], np.float32)}
    base = save({"norm.running_var": np.array([1.0, 1e-4], np.float32)})
    came = load(decode(save(sent), base=base, encoding="delta-int8", spec=spec))["norm.running_var"]
    assert came.tolist() == [9.0, 0.0]
