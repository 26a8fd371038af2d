"""Weights as they travel: one safetensors file, in and out of numpy; nothing is believed before it was checked."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from myofed_schemas.errors import MyofedError
from myofed_schemas.study import TensorSpec

Tensor = NDArray[np.float32] | NDArray[np.int64]
Tensors = dict[str, Tensor]
"""State-dict name -> array, C-contiguous; shapes and dtypes as the manifest pins them."""

MAX_HEADER_BYTES = 1 << 20
LENGTH_BYTES = 8
"""The safetensors format: little-endian u64, JSON of that many bytes, then the numbers."""


def pack(tensors: Mapping[str, Tensor]) -> bytes:
    """The tensors as safetensors bytes; the same tensors give the same bytes on every machine."""
    return bytes(save({name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}))


def unpack(packed: bytes, spec: Sequence[TensorSpec]) -> Tensors:
    """The tensors in these bytes, which are exactly those of `spec`, all finite.

    Args:
        packed: A safetensors file.
        spec: The manifest's state dict: names, shapes, dtypes.

    Raises:
        MyofedError: WEIGHTS_SIZE, WEIGHTS_FORMAT, or a code of `check`.
    """
    _check_size(packed, spec)
    try:
        tensors = load(packed)
    except (SafetensorError, KeyError, ValueError, TypeError):
        raise MyofedError("WEIGHTS_FORMAT", "expected a safetensors file, found other bytes") from None
    check(tensors, spec)
    return tensors


def check(tensors: Mapping[str, Tensor], spec: Sequence[TensorSpec]) -> None:
    """These tensors are exactly those of `spec`, and every value is finite.

    Raises:
        MyofedError: WEIGHTS_KEYS, WEIGHTS_SHAPE, WEIGHTS_DTYPE, WEIGHTS_NOT_FINITE.
    """
    expected = {tensor.name: tensor for tensor in spec}
    if set(tensors) != set(expected):
        raise MyofedError(
            "WEIGHTS_KEYS", f"expected the {len(expected)} names of the manifest, found {len(tensors)} others"
        )
    for name, tensor in tensors.items():
        _check_tensor(tensor, expected[name])


def weights_digest(packed: bytes) -> str:
    """SHA-256 of the packed weights, lower-case hexadecimal."""
    return hashlib.sha256(packed).hexdigest()


def _check_size(packed: bytes, spec: Sequence[TensorSpec]) -> None:
    numbers = sum(math.prod(tensor.shape) * np.dtype(tensor.dtype).itemsize for tensor in spec)
    if not numbers < len(packed) <= numbers + MAX_HEADER_BYTES + LENGTH_BYTES:
        raise MyofedError(
            "WEIGHTS_SIZE", f"expected {numbers} bytes of numbers and a header, found {len(packed)} bytes"
        )


def _check_tensor(tensor: Tensor, expected: TensorSpec) -> None:
    where = expected.name
    if tuple(tensor.shape) != expected.shape:
        raise MyofedError("WEIGHTS_SHAPE", f"expected shape {expected.shape}, found {tuple(tensor.shape)}, in {where}")
    if tensor.dtype.name != expected.dtype:
        raise MyofedError("WEIGHTS_DTYPE", f"expected {expected.dtype}, found {tensor.dtype.name}, in {where}")
    if not np.isfinite(tensor).all():
        raise MyofedError("WEIGHTS_NOT_FINITE", f"expected finite values, found others, in {where}")
