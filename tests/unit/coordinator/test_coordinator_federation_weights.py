"""Weights as they travel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wall_examples import SPEC, tensors

from myofed_coordinator.federation.weights import pack, unpack
from myofed_schemas.errors import MyofedError

WHOLE = pack(tensors(1.5))


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, len(WHOLE) - 1), byte=st.integers(0, 255), cut=st.integers(0, len(WHOLE)))
def test_damaged_file_is_refused_with_a_code_or_still_fits(at: int, byte: int, cut: int) -> None:
    """Whatever byte is changed or lost: a code, or tensors of exactly the manifest's form; never another exception."""
    for damaged in (WHOLE[:at] + bytes([byte]) + WHOLE[at + 1 :], WHOLE[:cut]):
        code, found = "", {}
        try:
            found = unpack(damaged, SPEC)
        except MyofedError as error:
            code = error.code
        form = {name: (tensor.shape, tensor.dtype.name) for name, tensor in found.items()}
        assert code.startswith("WEIGHTS_") or form == {t.name: (t.shape, t.dtype) for t in SPEC}


def test_file_with_a_tensor_more_is_refused() -> None:
    """Nothing rides along with the weights."""
    more = pack(tensors(1.0) | {"patient": np.zeros(1, np.float32)})
    with pytest.raises(MyofedError) as caught:
        unpack(more, SPEC)
    assert caught.value.code == "WEIGHTS_KEYS"


def test_same_tensors_give_the_same_bytes_in_whatever_order() -> None:
    """The digest of a model does not depend on how its dictionary was filled."""
    forward = tensors(2.0)
    assert pack(forward) == pack(dict(reversed(forward.items())))
    assert all(np.array_equal(unpack(pack(forward), SPEC)[name], forward[name]) for name in forward)
