"""Safetensors bytes: what they hold, and whether that is what a manifest promises. No torch here."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, deserialize

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import write_atomically
from myofed_schemas.study import TensorSpec

_DTYPES = {"F32": "float32", "I64": "int64"}
"""Allowed dtypes by safetensors' name."""


def tensor_specs(content: bytes) -> tuple[TensorSpec, ...]:
    """Name, shape and dtype of every tensor of a whole and finite safetensors file, sorted by name.

    Args:
        content: All bytes of the file.

    Raises:
        MyofedError: WEIGHTS_FORMAT, WEIGHTS_DTYPE, WEIGHTS_NOT_FINITE.
    """
    try:
        tensors = deserialize(content)  # type: ignore[no-untyped-call]  # safetensors ships no types
    except SafetensorError as error:
        raise _refused("WEIGHTS_FORMAT", "expected a safetensors file, found something else") from error
    if not tensors:
        raise _refused("WEIGHTS_FORMAT", "the safetensors file holds no tensor")
    specs = []
    for name, tensor in tensors:
        dtype = _DTYPES.get(tensor["dtype"])
        if dtype is None:
            raise _refused("WEIGHTS_DTYPE", f"tensor {name} is {tensor['dtype']}, expected F32 or I64")
        if dtype == "float32" and not np.isfinite(np.frombuffer(tensor["data"], dtype="<f4")).all():
            raise _refused("WEIGHTS_NOT_FINITE", f"tensor {name} holds NaN or infinity")
        specs.append(TensorSpec.model_validate({"name": name, "shape": tuple(tensor["shape"]), "dtype": dtype}))
    return tuple(sorted(specs, key=lambda spec: spec.name))


def check_specs(found: Sequence[TensorSpec], *, expected: Sequence[TensorSpec]) -> None:
    """Both name the same tensors with the same shapes and dtypes, in whatever order.

    Raises:
        MyofedError: WEIGHTS_KEYS, WEIGHTS_SHAPE.
    """
    have, want = {s.name: s for s in found}, {s.name: s for s in expected}
    if have.keys() != want.keys():
        missing, extra = len(want.keys() - have.keys()), len(have.keys() - want.keys())
        raise _refused("WEIGHTS_KEYS", f"{missing} tensors of the manifest are missing, {extra} are not in it")
    for name, spec in want.items():
        if have[name] != spec:
            raise _refused(
                "WEIGHTS_SHAPE",
                f"tensor {name} is {have[name].dtype}{list(have[name].shape)}, expected {spec.dtype}{list(spec.shape)}",
            )


def sha256_of(content: bytes) -> str:
    """SHA-256 in lower-case hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def keep_weights(folder: Path, content: bytes) -> Path:
    """`folder/<sha256>.safetensors` holds these bytes; a file that is there already is left alone.

    Returns:
        Its path.
    """
    path = weights_path(folder, sha256_of(content))
    if not path.exists():
        write_atomically(path, content)
    return path


def weights_path(folder: Path, sha256: str) -> Path:
    """Where weights with this digest lie (or would)."""
    return folder / f"{sha256}.safetensors"


def read_weights(folder: Path, sha256: str) -> bytes:
    """The bytes with this digest.

    Raises:
        MyofedError: MODEL_UNKNOWN, no such file; MODEL_ALTERED, its bytes have another digest.
    """
    try:
        content = weights_path(folder, sha256).read_bytes()
    except FileNotFoundError as error:
        raise unknown_model(sha256) from error
    if sha256_of(content) != sha256:
        raise MyofedError(
            "MODEL_ALTERED",
            f"the file of model {sha256[:12]} has another digest",
            hint="restore the models folder from a backup",
            exit_code=ExitCode.UNHEALTHY,
        )
    return content


def unknown_model(sha256: str) -> MyofedError:
    """No model with this digest is kept here."""
    return MyofedError(
        "MODEL_UNKNOWN",
        f"no model {sha256[:12]} here",
        hint="`models list` shows the digests",
        exit_code=ExitCode.BAD_INPUT,
    )


def _refused(code: str, message: str) -> MyofedError:
    return MyofedError(
        code, message, hint="make initial weights with `myofed-node model init`", exit_code=ExitCode.BAD_INPUT
    )
