"""A model that somebody sent (`.pt`, or a MONAI bundle) -> safetensors of an allow-listed network, read in a closed process."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from myofed_node.bundle_network import network_of_bundle
from myofed_node.learning.models import state_dict_spec
from myofed_node.learning.weights import check
from myofed_node.model_import_worker import RESULT, SPEC
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.ids import Code, Sha256, UtcTime
from myofed_schemas.study import TensorSpec
from myofed_schemas.study_networks import Network
from myofed_schemas.wire import WireModel

LARGEST_SOURCE_BYTES = 1 << 30
TIMEOUT_S = 600.0
"""Wall clock, for reading and converting; the process has bounds of its own on memory and computing time."""
REFUSALS = {
    "MODEL_FORMAT": "a state dict in PyTorch's zip form, uncompressed, found something else",
    "MODEL_TOO_LARGE": "at most {expected} bytes for this network, found {found}",
    "MODEL_PICKLE_REFUSED": "tensors and plain containers only, found another object",
    "WEIGHTS_KEYS": "the network's {expected} tensors, found {found} of them, or others beside them",
    "WEIGHTS_SHAPE": "the network's shapes, found another",
    "WEIGHTS_DTYPE": "floating-point weights and whole-number counters as the network has them, found another type",
    "WEIGHTS_NOT_FINITE": "finite numbers, found NaN or infinity",
    "IMPORT_MEMORY": "a file that can be read in the memory it may take, found one that cannot",
}
HINT = "ask for a plain state dict: torch.save(network.state_dict(), FILE); name its network with --study or --architecture"


class ImportRecord(WireModel):
    """Where an imported model comes from; lies beside it.

    Attributes:
        sha256: Of the safetensors file.
        source_sha256: Of the file that was read.
        architecture: Of the allow-list.
        tensors: Number.
        imported_at: UTC.
    """

    schema_version: str = "myofed-import-1"
    sha256: Sha256
    source_sha256: Sha256
    architecture: Network
    tensors: int
    imported_at: UtcTime


class WorkerAnswer(WireModel):
    """What the closed process prints."""

    code: Code
    expected: int
    found: int


@dataclass(frozen=True)
class ImportedModel:
    """Safetensors bytes that were checked here, and where they come from."""

    weights: bytes
    record: ImportRecord


def import_model(source: Path, architecture: Network | None, *, now: datetime) -> ImportedModel:
    """The weights in this file or bundle as safetensors of the network, checked again after the closed process is gone.

    Args:
        source: A `.pt` file, or the folder of a MONAI bundle.
        architecture: The network; None takes a bundle's own, if it is one of the allow-list.
        now: UTC.

    Raises:
        MyofedError: MODEL_SOURCE, MODEL_ARCHITECTURE, BUNDLE_*, MODEL_*, WEIGHTS_*, IMPORT_*.
    """
    path = _weights_file(source) if source.is_dir() else source
    network = architecture or (network_of_bundle(source) if source.is_dir() else None)
    if network is None:
        raise _refused(
            "MODEL_ARCHITECTURE", "the network of this file, found none named", "--study FILE or --architecture"
        )
    content = _content(path)
    spec = state_dict_spec(network)
    weights = content if path.suffix == ".safetensors" else _converted(content, spec)
    check(weights, spec)
    record = ImportRecord(
        sha256=hashlib.sha256(weights).hexdigest(),
        source_sha256=hashlib.sha256(content).hexdigest(),
        architecture=network,
        tensors=len(spec),
        imported_at=utc_text(now),
    )
    return ImportedModel(weights, record)


def _weights_file(bundle: Path) -> Path:
    for name in ("model.safetensors", "model.pt"):
        path = bundle / "models" / name
        if path.is_file():
            return path
    raise _refused("BUNDLE_INVALID", "models/model.safetensors or models/model.pt in the bundle, found neither", HINT)


def _content(path: Path) -> bytes:
    if not path.is_file() or path.stat().st_size > LARGEST_SOURCE_BYTES:
        raise _refused(
            "MODEL_SOURCE", f"a file of at most {LARGEST_SOURCE_BYTES >> 20} MiB, found none or a larger one", HINT
        )
    return path.read_bytes()


def _converted(content: bytes, spec: Sequence[TensorSpec]) -> bytes:
    """What the closed process made of it; nothing it says is believed but its refusals."""
    with tempfile.TemporaryDirectory(prefix="myofed-import-") as name:
        folder = Path(name)
        (folder / SPEC).write_text(json.dumps([tensor.model_dump(mode="json") for tensor in spec]), encoding="utf-8")
        answer = _ask(folder, content)
        if answer.code in REFUSALS:
            raise _refused(
                answer.code, REFUSALS[answer.code].format(expected=answer.expected, found=answer.found), HINT
            )
        if answer.code != "OK":
            raise _failed()
        try:
            return (folder / RESULT).read_bytes()
        except FileNotFoundError:
            raise _failed() from None


def _ask(folder: Path, content: bytes) -> WorkerAnswer:
    command = [sys.executable, "-m", "myofed_node.model_import_worker", str(folder)]
    try:
        done = subprocess.run(
            command,
            input=content,
            capture_output=True,
            env={"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=folder,
            timeout=TIMEOUT_S,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        raise _refused(
            "IMPORT_TIME", f"a file that is read within {TIMEOUT_S:g} s, found one that is not", HINT
        ) from None
    try:
        return WorkerAnswer.model_validate_json(done.stdout)
    except ValidationError:
        raise _failed() from None


def _failed() -> MyofedError:
    return MyofedError(
        "IMPORT_FAILED",
        "expected an answer of the closed process, found that it was ended or could not be closed off",
        hint="it needs Linux on x86-64 with Landlock (5.19 or newer); else the file asks for more than it may: see docs/models.md",
        exit_code=ExitCode.BAD_INPUT,
    )


def _refused(code: str, expected: str, hint: str) -> MyofedError:
    return MyofedError(code, f"expected {expected}", hint=hint, exit_code=ExitCode.BAD_INPUT)
