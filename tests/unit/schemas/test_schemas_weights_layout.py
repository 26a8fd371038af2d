"""Where tensors lie in a safetensors file, held to the library itself."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from myofed_schemas.errors import MyofedError
from myofed_schemas.weights_layout import TYPES, Place, head, layout

TWO = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array([7], np.int64)}


def file(header: Any, numbers: bytes = bytes(8), *, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + numbers


def entry(**changes: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}


DEEP = b"[" * 100_000
BROKEN = {
    "nothing": b"",
    "no header": bytes(7),
    "a header behind the end": file({}, b"", length=99),
    "a header of a gigabyte": file({}, b"", length=1 << 30),
    "no JSON": file(b"{", b""),
    "no UTF-8": file(b'"\xff"', b""),
    "JSON too deep": file(DEEP, b""),
    "no object": file([], b""),
    "an entry that is none": file({"a": 1}),
    "an entry with more in it": file({"a": entry(extra=1)}),
    "one name twice": file(b'{"a":' + json.dumps(entry()).encode() + b',"a":' + json.dumps(entry()).encode() + b"}"),
    "an unknown type": file({"a": entry(dtype="F128")}),
    "an axis below 0": file({"a": entry(shape=[-1, -2])}),
    "a gap": file({"a": entry(data_offsets=[4, 12])}, bytes(12)),
    "numbers used twice": file({"a": entry(), "b": entry()}),
    "offsets of another length": file({"a": entry(data_offsets=[0, 4])}, bytes(4)),
    "offsets backwards": file({"a": entry(data_offsets=[8, 0])}),
    "numbers that end early": file({"a": entry()}, bytes(7)),
    "numbers behind the last": file({"a": entry()}, bytes(9)),
}


@pytest.mark.parametrize("packed", BROKEN.values(), ids=BROKEN.keys())
def test_other_bytes_are_refused(packed: bytes) -> None:
    """One code, whatever is wrong."""
    with pytest.raises(MyofedError) as caught:
        layout(packed)
    assert caught.value.code == "WEIGHTS_FORMAT"


@given(st.binary(max_size=200), st.integers(0, 150), st.binary(min_size=1, max_size=3))
def test_what_is_taken_the_library_reads_the_same(noise: bytes, at: int, change: bytes) -> None:
    """Also of a whole file with some bytes changed: never more is taken than the library takes."""
    whole = save(TWO)
    for packed in (noise, whole[:at] + change + whole[at + len(change) :]):
        try:
            places = layout(packed)
        except MyofedError:
            continue
        arrays = load(packed)
        assert places.keys() == arrays.keys()
        for name, place in places.items():
            view = np.frombuffer(packed, np.dtype(place.dtype), place.count, place.offset).reshape(place.shape)
            assert view.tobytes() == arrays[name].tobytes()


def test_places_are_those_of_the_numbers() -> None:
    """Metadata is no tensor; a tensor without axes has one number, one with an axis of 0 none."""
    packed = save({**TWO, "one": np.array(5, np.float32), "none": np.zeros((0, 3), np.float32)}, {"by": "a test"})
    places = layout(memoryview(packed))
    assert {name: (p.dtype, p.shape, p.count) for name, p in places.items()} == {
        "a": ("int64", (1,), 1),
        "b": ("float32", (2, 3), 6),
        "one": ("float32", (), 1),
        "none": ("float32", (0, 3), 0),
    }
    assert np.frombuffer(packed, np.float32, 6, places["b"].offset).tolist() == [0, 1, 2, 3, 4, 5]
    assert layout(save({})) == {}
    assert Place("float32", (4, 5), 0).count == 20


@pytest.mark.parametrize("ones", [(), (3,), (0, 4), (2, 1, 2)])
def test_head_is_what_the_library_writes(ones: tuple[int, ...]) -> None:
    """To the byte, of every type and also of scalars, empty tensors and names that JSON spells: digests do not change with the writer."""
    types = [dtype for dtype, _ in TYPES.values() if dtype != "bfloat16"]
    tensors = {f'{n}/\u00e4"{dtype}': np.ones(ones, dtype) for n, dtype in enumerate(types)} | TWO
    beginning, order = head({name: (tensor.dtype.name, tensor.shape) for name, tensor in tensors.items()})
    assert beginning + b"".join(tensors[name].tobytes() for name in order) == save(tensors)


def test_unknown_type_has_no_head() -> None:
    """A tensor is never left out in silence."""
    with pytest.raises(KeyError):
        head({"a": ("complex64", (1,))})
