"""Numbers that an encoding cannot hold are refused at the site."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load, save

from myofed_node.federation.encoding import SCALES, Encoding, encode
from myofed_schemas.errors import MyofedError


def packed(*values: float) -> bytes:
    return bytes(save({"w": np.array(values, np.float32), "n": np.array(3)}))


@pytest.mark.parametrize(
    ("encoding", "largest"), [("float16", 65_520.0), ("bfloat16", 3.4e38), ("delta-int8", float("inf"))]
)
def test_number_outside_the_encoding_is_refused_before_anything_leaves(encoding: Encoding, largest: float) -> None:
    """Infinity is never made of a finite weight."""
    with pytest.raises(MyofedError) as caught:
        encode(packed(largest), incoming=packed(0), encoding=encoding, carried=b"")
    assert caught.value.code == "ENCODING_RANGE"


def test_bfloat16_rounds_to_the_nearest_and_ties_to_even() -> None:
    """1 + 2**-8 lies between 1 and 1 + 2**-7 and goes to the even one; a little more goes up."""
    sent, _ = encode(
        packed(1 + 2**-8, 1 + 2**-8 + 2**-16, 1 + 3 * 2**-8), incoming=b"", encoding="bfloat16", carried=b""
    )
    assert load(sent)["w"].tolist() == [0x3F80, 0x3F81, 0x3F82]


def test_what_is_carried_is_added_to_the_next_difference() -> None:
    """0.25 of a step is lost; carried, the next update sends it."""
    sent, left = encode(packed(127, 0.25), incoming=packed(0, 0), encoding="delta-int8", carried=b"")
    assert (load(sent)["w"].tolist(), load(left)["w"].tolist()) == ([127, 0], [0, 0.25])
    sent, _ = encode(packed(127, 0.5), incoming=packed(0, 0), encoding="delta-int8", carried=left)
    assert load(sent)["w"].tolist() == [127, 1]
    assert load(sent)[SCALES].tolist() == [1.0]
