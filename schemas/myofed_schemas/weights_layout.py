"""Where each tensor lies in a safetensors file, read without a copy of its numbers.

The format is one length, one JSON header, then the numbers without a gap (https://github.com/huggingface/safetensors, "Format").
The library copies every tensor it reads; who only looks at 100 MB of weights needs views of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field, TypeAdapter, ValidationError

from myofed_schemas.errors import MyofedError
from myofed_schemas.weights_transfer import LENGTH_BYTES, MAX_HEADER_BYTES
from myofed_schemas.wire import WireModel

TYPES: Mapping[str, tuple[str, int]] = {
    "F32": ("float32", 4),
    "I64": ("int64", 8),
    "F64": ("float64", 8),
    "F16": ("float16", 2),
    "BF16": ("bfloat16", 2),
    "I32": ("int32", 4),
    "I16": ("int16", 2),
    "I8": ("int8", 1),
    "U8": ("uint8", 1),
    "U16": ("uint16", 2),
}
"""Name in the file -> name in numpy and torch, bytes of one number; of a state dict only the first two are taken."""
METADATA = "__metadata__"
WRITTEN = ("I64", "F64", "F32", "I32", "BF16", "F16", "U16", "I16", "I8", "U8")
"""The order in which the library writes types; of one type, tensors stand by name."""
ALIGNED_TO = 8


@dataclass(frozen=True)
class Place:
    """One tensor.

    Attributes:
        dtype: As numpy and torch call it.
        shape: Numbers in each axis.
        offset: First byte, from the beginning of the file.
    """

    dtype: str
    shape: tuple[int, ...]
    offset: int

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return math.prod(self.shape)


class _Entry(WireModel):
    dtype: str
    shape: tuple[int, ...] = Field(max_length=16)
    data_offsets: tuple[int, int]


_HEADER: TypeAdapter[dict[str, _Entry]] = TypeAdapter(dict[str, _Entry])


def layout(packed: bytes | memoryview) -> dict[str, Place]:
    """Name -> place, of a file whose numbers lie one after the other from the header to the end.

    Args:
        packed: The whole file.

    Raises:
        MyofedError: WEIGHTS_FORMAT for anything else.
    """
    length = int.from_bytes(packed[:LENGTH_BYTES], "little")
    begin = LENGTH_BYTES + length
    if not (len(packed) >= LENGTH_BYTES and length <= MAX_HEADER_BYTES and begin <= len(packed)):
        raise _no_format()
    try:
        header = json.loads(bytes(packed[LENGTH_BYTES:begin]), object_pairs_hook=_without_twins)
        if isinstance(header, dict):
            header.pop(METADATA, None)
        entries = _HEADER.validate_python(header)
    except (ValueError, RecursionError, ValidationError):
        raise _no_format() from None
    at = 0
    places: dict[str, Place] = {}
    for name, entry in sorted(entries.items(), key=lambda item: item[1].data_offsets):
        dtype, size = TYPES.get(entry.dtype, ("", 0))
        if not size or any(axis < 0 for axis in entry.shape):
            raise _no_format()
        end = at + size * math.prod(entry.shape)
        if entry.data_offsets != (at, end):
            raise _no_format()
        places[name], at = Place(dtype, entry.shape, begin + at), end
    if begin + at != len(packed):
        raise _no_format()
    return places


def head(tensors: Mapping[str, tuple[str, tuple[int, ...]]]) -> tuple[bytes, list[str]]:
    """What stands before the numbers, and whose numbers follow in which order: byte for byte as the library writes it.

    Args:
        tensors: Name -> type, as numpy and torch call it, and shape.

    Raises:
        KeyError: A type that is none of TYPES.
    """
    codes = {dtype: code for code, (dtype, _) in TYPES.items()}
    coded = {name: codes[dtype] for name, (dtype, _) in tensors.items()}
    order = sorted(tensors, key=lambda name: (WRITTEN.index(coded[name]), name))
    at, header = 0, {}
    for name in order:
        shape = tensors[name][1]
        end = at + TYPES[coded[name]][1] * math.prod(shape)
        header[name] = {"dtype": coded[name], "shape": list(shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % ALIGNED_TO)
    return len(text).to_bytes(LENGTH_BYTES, "little") + text, order


def _without_twins(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Of two entries with one name a reader takes the first and another the last."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _no_format() -> MyofedError:
    return MyofedError("WEIGHTS_FORMAT", "expected a safetensors file, found other bytes")
