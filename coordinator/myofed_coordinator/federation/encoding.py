"""Reads an update that a site wrote smaller, as the manifest's `transport.encoding` says; nothing of it is believed.

The node's `encoding.py` is its twin and says what the bytes hold; `tests/contract/test_contract_encoding.py` holds the two to
each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from myofed_schemas.errors import MyofedError
from myofed_schemas.step_bound import VARIANCE
from myofed_schemas.study import TensorSpec
from myofed_schemas.weights_transfer import largest_weights

Encoding = Literal["float32", "bfloat16", "float16", "delta-int8"]
Arrays = Mapping[str, NDArray[Any]]
SCALES = "#scales"
WIRE_TYPE: Mapping[str, np.dtype[Any]] = {
    "bfloat16": np.dtype(np.uint16),
    "float16": np.dtype(np.float16),
    "delta-int8": np.dtype(np.int8),
}


def decode(content: bytes, *, base: bytes, encoding: Encoding, spec: Sequence[TensorSpec]) -> bytes:
    """The update as a safetensors file of the manifest's types; `weights.unpack` checks its numbers afterwards.

    Args:
        content: What the site sent.
        base: The packed weights that it was sent.
        encoding: From the manifest.
        spec: The manifest's state dict.

    Raises:
        MyofedError: WEIGHTS_SIZE, WEIGHTS_FORMAT, WEIGHTS_KEYS, WEIGHTS_SHAPE, WEIGHTS_DTYPE, WEIGHTS_NOT_FINITE.
    """
    if encoding == "float32":
        return content
    if len(content) > largest_weights(spec):
        raise MyofedError("WEIGHTS_SIZE", "expected an update of the manifest's size, found a larger one")
    tensors = _parse(content)
    scales = _check(tensors, spec, encoding)
    narrow = [tensor.name for tensor in spec if tensor.dtype == "float32"]
    if encoding == "delta-int8":
        start = load(base)
        wide = {name: start[name] + tensors[name].astype(np.float32) * scales[name] for name in narrow}
        wide.update(
            {n: np.maximum(a, np.float32(0)) for n, a in wide.items() if n.endswith(VARIANCE)}
        )  # rounded below 0
    else:
        wide = {name: _widen(tensors[name]) for name in narrow}
    return bytes(save({tensor.name: wide.get(tensor.name, tensors[tensor.name]) for tensor in spec}))


def _parse(content: bytes) -> dict[str, NDArray[Any]]:
    try:
        return dict(load(content))
    except (SafetensorError, KeyError, ValueError, TypeError):
        raise MyofedError("WEIGHTS_FORMAT", "expected a safetensors file, found other bytes") from None


def _check(tensors: Arrays, spec: Sequence[TensorSpec], encoding: Encoding) -> dict[str, np.float32]:
    """Names, shapes and types are the encoding's; the scale of each tensor, where it has any."""
    extra = {SCALES} if encoding == "delta-int8" else set()
    if set(tensors) != {tensor.name for tensor in spec} | extra:
        raise MyofedError(
            "WEIGHTS_KEYS", f"expected the {len(spec)} names of the manifest, found {len(tensors)} others"
        )
    for tensor in spec:
        wanted: np.dtype[Any] = WIRE_TYPE[encoding] if tensor.dtype == "float32" else np.dtype(np.int64)
        if tensors[tensor.name].dtype != wanted:
            raise MyofedError("WEIGHTS_DTYPE", f"expected {wanted.name}, found another type, in {tensor.name}")
        if tensors[tensor.name].shape != tensor.shape:
            raise MyofedError("WEIGHTS_SHAPE", f"expected shape {tensor.shape}, found another, in {tensor.name}")
    return _scales(tensors[SCALES], spec) if extra else {}


def _scales(values: NDArray[Any], spec: Sequence[TensorSpec]) -> dict[str, np.float32]:
    names = sorted(tensor.name for tensor in spec if tensor.dtype == "float32")
    if values.dtype != np.float32 or values.shape != (len(names),):
        raise MyofedError("WEIGHTS_SHAPE", f"expected {len(names)} scales, found something else")
    if not np.isfinite(values).all() or (values < 0).any():
        raise MyofedError("WEIGHTS_NOT_FINITE", "expected finite scales of 0 or more, found others")
    return dict(zip(names, values, strict=True))


def _widen(values: NDArray[Any]) -> NDArray[np.float32]:
    if values.dtype == np.uint16:
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.float32)
