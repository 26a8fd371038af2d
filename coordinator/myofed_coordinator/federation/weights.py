"""Weights as they travel: one safetensors file, in and out of numpy; nothing is believed before it was checked."""

from __future__ import annotations

import hashlib
import math
import mmap
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from myofed_schemas.errors import MyofedError
from myofed_schemas.study import TensorSpec
from myofed_schemas.weights_layout import head, layout
from myofed_schemas.weights_moved import PIECE
from myofed_schemas.weights_transfer import largest_weights, numbers_bytes

Tensor = NDArray[np.float32] | NDArray[np.int64]
Tensors = dict[str, Tensor]
"""State-dict name -> array, C-contiguous; shapes and dtypes as the manifest pins them."""

ReadTensor = Callable[[str], Tensor]
"""Name -> array, read when it is asked for."""


def pack(tensors: Mapping[str, Tensor]) -> bytes:
    """The tensors as safetensors bytes; the same tensors give the same bytes on every machine."""
    beginning, order = head({name: (tensor.dtype.name, tensor.shape) for name, tensor in tensors.items()})
    return b"".join([beginning, *(_bytes(tensors[name]) for name in order)])


def _bytes(tensor: Tensor) -> memoryview:
    return np.asarray(tensor, order="C").reshape(-1).view(np.uint8).data


def mapped(path: Path) -> memoryview:
    """A view of a file that may be removed meanwhile; empty for an empty one."""
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        return memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)) if size else memoryview(b"")


def unpack(packed: bytes | memoryview, spec: Sequence[TensorSpec]) -> Tensors:
    """Views of the tensors in these bytes, which are exactly those of `spec`, all finite.

    Args:
        packed: A safetensors file.
        spec: The manifest's state dict: names, shapes, dtypes.

    Raises:
        MyofedError: WEIGHTS_SIZE, WEIGHTS_FORMAT, or a code of `check`.
    """
    _check_size(packed, spec)
    types = {tensor.dtype for tensor in spec}
    tensors = {}
    for name, place in layout(packed).items():
        if place.dtype not in types:
            raise MyofedError("WEIGHTS_DTYPE", "expected the manifest's types, found another")
        flat = np.frombuffer(packed, np.dtype(place.dtype), place.count, place.offset)
        tensors[name] = flat.reshape(place.shape)
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


@dataclass(frozen=True)
class TensorFile:
    """Checked weights on disk, of which one tensor at a time is in memory.

    Attributes:
        path: A safetensors file.
        spec: The manifest's state dict.
    """

    path: Path
    spec: Sequence[TensorSpec]

    @cached_property
    def _expected(self) -> dict[str, TensorSpec]:
        return {tensor.name: tensor for tensor in self.spec}

    def read(self, name: str) -> Tensor:
        """One tensor, checked again: a disk may have changed it since it was taken in.

        Raises:
            MyofedError: WEIGHTS_FORMAT, WEIGHTS_SHAPE, WEIGHTS_DTYPE, WEIGHTS_NOT_FINITE.
        """
        expected = self._expected[name]
        tensor: Tensor = np.empty(expected.shape, expected.dtype)
        try:
            place = layout(mapped(self.path)).get(name)
            if place is None:
                raise _no_tensor(name)
            _check_form(name, (place.shape, place.dtype), expected)
            with self.path.open("rb", buffering=0) as stream:
                whole = os.preadv(stream.fileno(), [_bytes(tensor)], place.offset) == tensor.nbytes
        except OSError:
            raise _no_tensor(name) from None
        if not whole:
            raise _no_tensor(name)
        _check_finite(tensor, where=name)
        return tensor


def read_tensor(path: Path, name: str) -> NDArray[Any]:
    """One tensor of a safetensors file. The file is opened for it alone, so that no other tensor's pages stay mapped.

    Raises:
        MyofedError: WEIGHTS_FORMAT where the file is damaged or has no such tensor.
    """
    try:
        with safe_open(path, framework="numpy") as stream:
            tensor: NDArray[Any] = stream.get_tensor(name)
            return tensor
    except SafetensorError:
        raise _no_tensor(name) from None


def _no_tensor(name: str) -> MyofedError:
    return MyofedError("WEIGHTS_FORMAT", f"expected tensor {name} in a safetensors file, found none")


def content_digest(read: ReadTensor, spec: Sequence[TensorSpec]) -> str:
    """SHA-256 of the file that `pack` makes of these tensors: the same for every spelling of a file's header."""
    beginning, order = head({tensor.name: (tensor.dtype, tensor.shape) for tensor in spec})
    sha256 = hashlib.sha256(beginning)
    for name in order:
        sha256.update(_bytes(read(name)))
    return sha256.hexdigest()


def is_as_packed(packed: bytes | memoryview, spec: Sequence[TensorSpec]) -> bool:
    """These bytes, which `unpack` takes, are those that `pack` makes: their SHA-256 is their `content_digest`."""
    beginning, _ = head({tensor.name: (tensor.dtype, tensor.shape) for tensor in spec})
    return packed[: len(beginning)] == beginning


def distance(read: ReadTensor, other: ReadTensor, spec: Sequence[TensorSpec]) -> float:
    """L2 norm of the difference over all floating-point tensors, in float64."""
    squares = []
    for tensor in spec:
        if tensor.dtype == "float32":
            here, there = read(tensor.name).reshape(-1), other(tensor.name).reshape(-1)
            for at in range(0, len(here), PIECE):
                difference = np.subtract(here[at : at + PIECE], there[at : at + PIECE], dtype=np.float64)
                squares.append(float(np.dot(difference, difference)))
    return math.sqrt(math.fsum(squares))


def weights_digest(packed: bytes | memoryview) -> str:
    """SHA-256 of the packed weights, lower-case hexadecimal."""
    return hashlib.sha256(packed).hexdigest()


def _check_size(packed: bytes | memoryview, spec: Sequence[TensorSpec]) -> None:
    numbers = numbers_bytes(spec)
    if not numbers < len(packed) <= largest_weights(spec):
        raise MyofedError(
            "WEIGHTS_SIZE", f"expected {numbers} bytes of numbers and a header, found {len(packed)} bytes"
        )


def _check_tensor(tensor: Tensor, expected: TensorSpec) -> None:
    _check_form(expected.name, (tuple(tensor.shape), tensor.dtype.name), expected)
    _check_finite(tensor, where=expected.name)


def _check_form(where: str, found: tuple[tuple[int, ...], str], expected: TensorSpec) -> None:
    shape, dtype = found
    if shape != expected.shape:
        raise MyofedError("WEIGHTS_SHAPE", f"expected shape {expected.shape}, found {shape}, in {where}")
    if dtype != expected.dtype:
        raise MyofedError("WEIGHTS_DTYPE", f"expected {expected.dtype}, found {dtype}, in {where}")


def _check_finite(tensor: Tensor, *, where: str) -> None:
    flat = tensor.reshape(-1)
    if not all(np.isfinite(flat[at : at + PIECE]).all() for at in range(0, len(flat), PIECE)):
        raise MyofedError("WEIGHTS_NOT_FINITE", f"expected finite values, found others, in {where}")
