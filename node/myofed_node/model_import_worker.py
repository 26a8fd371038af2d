"""The closed process that reads a model somebody sent: `python -m myofed_node.model_import_worker FOLDER < MODEL`.

FOLDER holds `spec.json` (the tensors that are wanted); with luck `model.safetensors` lies there afterwards. Whatever happens, one
JSON document is printed, a code and two numbers; nothing out of the file is.
"""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import sys
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save

from myofed_node.closed_process import Bounds, close_off
from myofed_schemas.study import TensorSpec
from myofed_schemas.supervise import die_with_parent
from myofed_schemas.weights_transfer import largest_weights

SPEC, RESULT = "spec.json", "model.safetensors"
NESTED = ("state_dict", "model_state_dict", "model", "network", "net")
"""Where checkpoints keep the state dict, when they are not one themselves."""
PREFIXES = ("module.", "network.", "net.", "_orig_mod.")
"""Put before every name by wrappers (DataParallel, Lightning, torch.compile); taken off where all names have it."""
ALIASES = "skip_layers."
"""DynUNet holds each of its layers a second time under this name; `models.py` lists each once."""
MAX_ENTRIES = 20_000
MORE_MEMORY_BYTES = 512 << 20
CPU_SECONDS = 300
FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


class UnwantedError(Exception):
    """The file is refused: the code, and what was expected and found as numbers."""

    def __init__(self, code: str, expected: int = 0, found: int = 0) -> None:
        super().__init__(code)
        self.code, self.expected, self.found = code, expected, found


def main(folder: Path) -> None:
    """One JSON document is on standard output; the weights lie in the folder where its code is OK."""
    die_with_parent()
    content = sys.stdin.buffer.read()
    documents = json.loads((folder / SPEC).read_bytes())
    spec = {tensor.name: tensor for tensor in map(TensorSpec.model_validate, documents)}
    _warm_up()
    largest = largest_weights(tuple(spec.values()))
    memory = 2 * len(content) + 4 * largest + MORE_MEMORY_BYTES
    close_off(folder, Bounds(more_memory_bytes=memory, cpu_seconds=CPU_SECONDS, file_bytes=largest))
    try:
        (folder / RESULT).write_bytes(save(wanted_tensors(content, spec)))
        answer = {"code": "OK", "expected": 0, "found": 0}
    except UnwantedError as error:
        answer = {"code": error.code, "expected": error.expected, "found": error.found}
    except MemoryError:
        answer = {"code": "IMPORT_MEMORY", "expected": 0, "found": 0}
    print(json.dumps(answer))  # noqa: T201  the answer to the parent


def wanted_tensors(content: bytes, spec: Mapping[str, TensorSpec]) -> dict[str, torch.Tensor]:
    """The tensors of the spec, in its types, out of a checkpoint; only data is read, no object is made but tensors.

    Args:
        content: All bytes of the file, PyTorch's zip form.
        spec: By name.

    Raises:
        UnwantedError: MODEL_FORMAT, MODEL_PICKLE_REFUSED, WEIGHTS_KEYS, WEIGHTS_SHAPE, WEIGHTS_DTYPE, WEIGHTS_NOT_FINITE.
    """
    check_archive(content, largest=2 * largest_weights(tuple(spec.values())))
    found = _named(_state_dict(_loaded(content)))
    if found.keys() != spec.keys():
        raise UnwantedError("WEIGHTS_KEYS", len(spec), len(found.keys() & spec.keys()))
    return {name: _converted(found[name], tensor) for name, tensor in spec.items()}


def check_archive(content: bytes, *, largest: int) -> None:
    """The file is a zip that holds about as much as the wanted weights take, and no more when it is unpacked.

    Raises:
        UnwantedError: MODEL_FORMAT, MODEL_TOO_LARGE.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError):
        raise UnwantedError("MODEL_FORMAT") from None
    whole = sum(entry.file_size for entry in entries)
    if len(entries) > MAX_ENTRIES or whole > largest:
        raise UnwantedError("MODEL_TOO_LARGE", largest, whole)
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise UnwantedError("MODEL_FORMAT")  # PyTorch stores; a compressed entry can say less of itself than it holds


def _loaded(content: bytes) -> object:
    """The content, unpickled with PyTorch's list of harmless types alone."""
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise UnwantedError("MODEL_PICKLE_REFUSED") from None
    except (
        RuntimeError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        EOFError,
        OSError,
        RecursionError,
    ):
        raise UnwantedError("MODEL_FORMAT") from None


def _state_dict(loaded: object) -> Mapping[object, object]:
    if isinstance(loaded, Mapping):
        nested = [loaded[key] for key in NESTED if isinstance(loaded.get(key), Mapping)]
        return nested[0] if nested else loaded
    raise UnwantedError("MODEL_FORMAT")


def _named(state_dict: Mapping[object, object]) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = {}
    for name, tensor in state_dict.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise UnwantedError("MODEL_FORMAT")
        tensors[name] = tensor
    for prefix in PREFIXES:
        if tensors and all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(ALIASES)}


def _converted(tensor: torch.Tensor, spec: TensorSpec) -> torch.Tensor:
    """In the spec's type and laid out anew; the shape is compared first, so that a small storage is never spread out."""
    if tuple(tensor.shape) != spec.shape:
        raise UnwantedError("WEIGHTS_SHAPE", len(spec.shape), tensor.dim())
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta:
        raise UnwantedError("WEIGHTS_DTYPE")
    if spec.dtype == "int64":
        if tensor.dtype is not torch.int64:
            raise UnwantedError("WEIGHTS_DTYPE")
        return tensor.detach().clone().contiguous()
    if tensor.dtype not in FLOATS:
        raise UnwantedError("WEIGHTS_DTYPE")
    numbers = tensor.detach().to(torch.float32, copy=True).contiguous()
    if not bool(torch.isfinite(numbers).all()):
        raise UnwantedError("WEIGHTS_NOT_FINITE")
    return numbers


def _warm_up() -> None:
    """Everything that reading and writing import lazily, on good files and on refused ones, is in memory."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    "x".encode("cp437")  # names in a zip
    spec = {"a": TensorSpec(name="a", shape=(2,), dtype="float32")}
    for document in ({"a": torch.ones(2, dtype=torch.bfloat16)}, {"a": torch.ones(2).to_sparse()}, {"a": len}, 7):
        trial = io.BytesIO()
        torch.save(document, trial)
        for content in (trial.getvalue(), trial.getvalue()[:-9]):
            with contextlib.suppress(UnwantedError):
                save(wanted_tensors(content, spec))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
