"""Safetensors bytes in and out of a network; nothing is loaded before it is checked against the manifest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.study import TensorSpec
from myofed_schemas.weights_layout import ALIGNED_TO, Place, head, layout
from myofed_schemas.weights_transfer import LENGTH_BYTES, MAX_HEADER_BYTES, largest_weights


def packed(state_dict: Mapping[str, torch.Tensor]) -> bytes:
    """The state dict as one safetensors file without metadata; the same numbers give the same bytes."""
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in state_dict.items()})


def packed_parts(state_dict: Mapping[str, torch.Tensor]) -> Iterator[bytes | memoryview]:
    """The bytes of `packed`, one tensor after the other as it lies in memory."""
    beginning, order = head({name: (_name(tensor), tuple(tensor.shape)) for name, tensor in state_dict.items()})
    yield beginning
    for name in order:
        yield state_dict[name].detach().cpu().contiguous().reshape(-1).numpy().view("uint8").data


def check(blob: bytes | memoryview, spec: Iterable[TensorSpec]) -> dict[str, torch.Tensor]:
    """The state dict in these bytes, which has exactly the names, shapes and dtypes of the spec and only finite numbers.

    Args:
        blob: A safetensors file, from anywhere.
        spec: The manifest's list.

    Raises:
        MyofedError: WEIGHTS_SIZE, WEIGHTS_FORMAT, WEIGHTS_KEYS, WEIGHTS_SHAPE, WEIGHTS_DTYPE, WEIGHTS_NOT_FINITE; the
            first that applies in this order. No number and no name out of the bytes is in the message.
    """
    expected = {tensor.name: tensor for tensor in spec}
    _check_size(blob, expected)
    tensors = _parse(blob)
    if tensors.keys() != expected.keys():
        missing, unknown = len(expected.keys() - tensors.keys()), len(tensors.keys() - expected.keys())
        raise _refusal(
            f"expected the manifest's {len(expected)} tensors, found {missing} missing and {unknown} unknown",
            code="WEIGHTS_KEYS",
        )
    for name, want in expected.items():
        _check_tensor(tensors[name], want)
    return tensors


def _name(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def load_weights(network: torch.nn.Module, blob: bytes | memoryview, *, spec: Iterable[TensorSpec]) -> None:
    """The network has the weights in these bytes, after `check`.

    Raises:
        MyofedError: As `check`.
    """
    network.load_state_dict(check(blob, spec), strict=True)


def _check_size(blob: bytes | memoryview, expected: Mapping[str, TensorSpec]) -> None:
    limit = largest_weights(tuple(expected.values()))
    if not LENGTH_BYTES < len(blob) <= limit:
        raise _refusal(f"expected at most {limit} bytes of weights, found {len(blob)}", code="WEIGHTS_SIZE")


def _parse(blob: bytes | memoryview) -> dict[str, torch.Tensor]:
    """Of a file that was handed over, views of its numbers."""
    if isinstance(blob, memoryview):
        places = layout(blob)
        if all(place.offset % ALIGNED_TO == 0 and place.count for place in places.values()):
            return {name: _view(blob, place) for name, place in places.items()}
        blob = bytes(blob)
    header = int.from_bytes(blob[:LENGTH_BYTES], "little")
    if header > MAX_HEADER_BYTES:
        raise _refusal(
            f"expected a header of at most {MAX_HEADER_BYTES} bytes, found a longer one", code="WEIGHTS_FORMAT"
        )
    try:
        return dict(load(blob))
    except (SafetensorError, KeyError):
        raise _refusal("expected a safetensors file, found other bytes", code="WEIGHTS_FORMAT") from None


def _view(blob: memoryview, place: Place) -> torch.Tensor:
    dtype: torch.dtype = getattr(torch, place.dtype)
    return torch.frombuffer(blob, dtype=dtype, count=place.count, offset=place.offset).reshape(place.shape)


def _check_tensor(tensor: torch.Tensor, want: TensorSpec) -> None:
    if tuple(tensor.shape) != want.shape:
        raise _refusal(
            f"expected shape {want.shape} for {want.name}, found {tuple(tensor.shape)}", code="WEIGHTS_SHAPE"
        )
    if _name(tensor) != want.dtype:
        raise _refusal(f"expected {want.dtype} for {want.name}, found {tensor.dtype}", code="WEIGHTS_DTYPE")
    if not bool(torch.isfinite(tensor).all()):
        raise _refusal(f"expected finite numbers in {want.name}, found others", code="WEIGHTS_NOT_FINITE")


def _refusal(message: str, *, code: str) -> MyofedError:
    return MyofedError(
        code,
        message,
        hint="the weights do not belong to the approved study; ask the coordinator",
        exit_code=ExitCode.BAD_INPUT,
    )
