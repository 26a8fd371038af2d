"""How an update is written smaller, as the manifest's `transport.encoding` says; the coordinator's twin reads it.

The two are twins and not one module, because neither side imports the other and the schemas both share know no numpy;
`tests/contract/test_contract_encoding.py` holds them to each other.

A safetensors file again, with the manifest's names: float16 as F16, bfloat16 as U16 (its bits: numpy has no such type), and
for `delta-int8` I8 with one scale a tensor in `SCALES`, in the order of the sorted names. Integers stay as they are.

`delta-int8`: update minus incoming weights, plus what was rounded away in the site's last update, in 1/127 of its largest
number (error feedback: Seide 2014; Karimireddy 2019, "Error Feedback Fixes SignSGD", Alg. 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from myofed_schemas.errors import MyofedError

Encoding = Literal["float32", "bfloat16", "float16", "delta-int8"]
Arrays = Mapping[str, NDArray[Any]]
SCALES = "#scales"
"""No tensor of a manifest can have this name."""
STEPS = np.float32(127)


def encode(packed: bytes, *, incoming: bytes | memoryview, encoding: Encoding, carried: bytes) -> tuple[bytes, bytes]:
    """The update as it travels, and what was rounded away for the next one to carry (empty except for `delta-int8`).

    Args:
        packed: The update, a safetensors file of float32 and int64.
        incoming: The weights it was trained from, likewise.
        encoding: From the manifest.
        carried: What this function returned with the site's last update, or empty.

    Raises:
        MyofedError: ENCODING_RANGE where a number is too large for the encoding.
    """
    if encoding == "float32":
        return packed, b""
    update = load(packed)
    if encoding == "delta-int8":
        return _delta(update, load(bytes(incoming)), load(carried) if carried else {})
    narrow = _bfloat16 if encoding == "bfloat16" else _float16
    return save({name: narrow(a) if a.dtype == np.float32 else a for name, a in sorted(update.items())}), b""


def _delta(update: Arrays, incoming: Arrays, carried: Arrays) -> tuple[bytes, bytes]:
    scales: list[np.float32] = []
    sent: dict[str, NDArray[Any]] = {}
    lost: dict[str, NDArray[Any]] = {}
    for name, values in sorted(update.items()):
        if values.dtype != np.float32:
            sent[name] = values
            continue
        wanted = values - incoming[name] + carried.get(name, np.float32(0))
        scale = np.abs(wanted).max(initial=np.float32(0)) / STEPS
        if not np.isfinite(scale):
            raise _out_of_range()
        sent[name] = np.rint(wanted / (scale or np.float32(1))).astype(np.int8)
        lost[name] = wanted - sent[name].astype(np.float32) * scale
        scales.append(scale)
    sent[SCALES] = np.array(scales, np.float32)
    return save(sent), save(lost)


def _bfloat16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The upper 16 bits, rounded to nearest, ties to even."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    narrow = ((bits + (((bits >> 16) & 1) + np.uint32(0x7FFF))) >> 16).astype(np.uint16)
    if ((narrow & 0x7F80) == 0x7F80).any():
        raise _out_of_range()
    return narrow


def _float16(values: NDArray[np.float32]) -> NDArray[np.float16]:
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float16)
    if not np.isfinite(narrow).all():
        raise _out_of_range()
    return narrow


def _out_of_range() -> MyofedError:
    return MyofedError("ENCODING_RANGE", "expected numbers within the transport's encoding, found larger ones")
