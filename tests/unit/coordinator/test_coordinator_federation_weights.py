"""Weights as they travel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save
from wall_examples import SPEC, tensors

from myofed_coordinator.federation.weights import content_digest, is_as_packed, pack, unpack, weights_digest
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


def test_digest_of_what_pack_makes_is_that_of_its_numbers() -> None:
    """Whoever knows the file's digest need not look at 100 MB once more; another spelling of the header is another file."""
    spelt = save({name: tensors(1.5)[name] for name in ("net.weight", "net.steps")}, metadata={"by": "hand"})
    assert is_as_packed(WHOLE, SPEC)
    assert is_as_packed(memoryview(WHOLE), SPEC)
    assert not is_as_packed(spelt, SPEC)
    assert content_digest(unpack(WHOLE, SPEC).__getitem__, SPEC) == weights_digest(WHOLE)
    assert content_digest(unpack(spelt, SPEC).__getitem__, SPEC) == weights_digest(WHOLE) != weights_digest(spelt)
