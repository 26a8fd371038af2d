"""Models that others send: hostile files are refused by a code and do nothing, honest ones become safetensors."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from learning_factories import architecture
from safetensors.torch import load, save
from site_factories import NOW, refusal_code

from myofed_node import model_import
from myofed_node.bundle_network import definition
from myofed_node.learning.models import build, state_dict_spec
from myofed_node.model_import import import_model
from myofed_node.model_import_worker import UnwantedError, check_archive, wanted_tensors
from myofed_schemas.study import TensorSpec

NETWORK = architecture()
SPEC = state_dict_spec(NETWORK)
BY_NAME = {tensor.name: tensor for tensor in SPEC}


def tensors() -> dict[str, torch.Tensor]:
    return dict(build(NETWORK).state_dict())


def saved(document: object) -> bytes:
    stream = io.BytesIO()
    torch.save(document, stream)
    return stream.getvalue()


def with_pickle(pickled: bytes) -> bytes:
    """A file in PyTorch's zip form whose pickle is this."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved(tensors()))) as good, zipfile.ZipFile(stream, "w") as bad:
        for entry in good.infolist():
            bad.writestr(entry.filename, pickled if entry.filename.endswith("data.pkl") else good.read(entry))
    return stream.getvalue()


class Evil:
    """Runs a command where it is unpickled without a list of types."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch " + str(Path(__file__).with_name("evil-was-here")),)


def zip_bomb() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(200 << 20))
    return stream.getvalue()


def compressed() -> bytes:
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(saved(tensors()))) as good,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as bad,
    ):
        for entry in good.infolist():
            bad.writestr(entry.filename, good.read(entry))
    return stream.getvalue()


def legacy() -> bytes:
    stream = io.BytesIO()
    torch.save(tensors(), stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def spread_out() -> bytes:
    """One number that claims to be a million million."""
    return saved(tensors() | {SPEC[0].name: torch.zeros(1).expand(10**6, 10**6)})


def changed(name: str, tensor: torch.Tensor) -> bytes:
    return saved(tensors() | {name: tensor})


def poisoned() -> bytes:
    found = tensors()
    found[SPEC[0].name].view(-1)[0] = float("nan")
    return saved(found)


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "an object that runs a command": (lambda: saved({"a": Evil()}), "MODEL_PICKLE_REFUSED"),
    "such an object beside good weights": (lambda: saved({"state_dict": tensors(), "hook": Evil()}), "MODEL_PICKLE_REFUSED"),
    "a whole network": (lambda: saved(build(NETWORK)), "MODEL_PICKLE_REFUSED"),
    "a command in a bare pickle": (lambda: pickle.dumps(Evil()), "MODEL_FORMAT"),
    "a command in the archive's pickle": (lambda: with_pickle(pickle.dumps(Evil())), "MODEL_PICKLE_REFUSED"),
    "a pickle that is cut off": (lambda: with_pickle(b"\x80\x02}q\x00"), "MODEL_FORMAT"),
    "an archive that unpacks to 200 MB": (zip_bomb, "MODEL_TOO_LARGE"),
    "a compressed archive": (compressed, "MODEL_FORMAT"),
    "PyTorch's old form": (legacy, "MODEL_FORMAT"),
    "something else": (lambda: b"no model", "MODEL_FORMAT"),
    "a number": (lambda: saved(7), "MODEL_FORMAT"),
    "text as a tensor": (lambda: saved({**tensors(), SPEC[0].name: "x"}), "MODEL_FORMAT"),
    "an unknown tensor": (lambda: changed("backdoor", torch.zeros(1)), "WEIGHTS_KEYS"),
    "a missing tensor": (lambda: saved(dict(list(tensors().items())[1:])), "WEIGHTS_KEYS"),
    "a wrong shape": (lambda: changed(SPEC[0].name, torch.zeros(3)), "WEIGHTS_SHAPE"),
    "a small storage spread out": (spread_out, "WEIGHTS_SHAPE"),
    "whole numbers as weights": (lambda: changed(SPEC[0].name, torch.zeros(SPEC[0].shape, dtype=torch.int32)), "WEIGHTS_DTYPE"),
    "a sparse tensor": (lambda: changed(SPEC[0].name, torch.zeros(SPEC[0].shape).to_sparse()), "WEIGHTS_DTYPE"),
    "NaN": (poisoned, "WEIGHTS_NOT_FINITE"),
    "far more numbers than the network has": (lambda: changed("large", torch.zeros(4 << 20)), "MODEL_TOO_LARGE"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "code"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_file_is_refused_by_its_code(make: Callable[[], bytes], code: str) -> None:
    """Whatever is in it, nothing of it runs."""
    with pytest.raises(UnwantedError) as caught:
        wanted_tensors(make(), BY_NAME)
    assert caught.value.code == code
    assert not Path(__file__).with_name("evil-was-here").exists()


@pytest.mark.parametrize(
    "make", [lambda: saved({"a": Evil()}), zip_bomb, lambda: b"no model"], ids=["evil", "bomb", "junk"]
)
def test_closed_process_refuses_it_too(make: Callable[[], bytes], tmp_path: Path) -> None:
    """The whole way, with the real process: the code arrives, no model, no file, and no temporary folder is left."""
    path = tmp_path / "sent.pt"
    path.write_bytes(make())
    code = refusal_code(lambda: import_model(path, NETWORK, now=NOW))
    assert code in {"MODEL_PICKLE_REFUSED", "MODEL_TOO_LARGE", "MODEL_FORMAT"}
    assert [found.name for found in tmp_path.iterdir()] == ["sent.pt"]
    assert not Path(__file__).with_name("evil-was-here").exists()


def test_archive_of_very_many_entries_is_refused() -> None:
    """Each costs time and memory, however small."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number in range(20_001):
            archive.writestr(f"a/{number}", b"")
    with pytest.raises(UnwantedError, match="MODEL_TOO_LARGE"):
        check_archive(stream.getvalue(), largest=1 << 30)


@pytest.mark.parametrize(
    "document",
    [
        tensors,
        lambda: {"state_dict": tensors(), "epoch": 7},
        lambda: {f"module.{name}": tensor for name, tensor in tensors().items()},
        lambda: {"model": {f"_orig_mod.{name}": tensor for name, tensor in tensors().items()}},
    ],
    ids=["plain", "nested", "of DataParallel", "compiled"],
)
def test_honest_checkpoint_is_read(document: Callable[[], object]) -> None:
    """As people save them."""
    torch.manual_seed(1)
    found = wanted_tensors(saved(document()), BY_NAME)
    assert found.keys() == BY_NAME.keys()


def test_half_precision_becomes_float32_exactly_and_counters_stay() -> None:
    """float16 and float64 are converted; a counter of batch norm must be int64."""
    spec = {
        "w": TensorSpec(name="w", shape=(2,), dtype="float32"),
        "n": TensorSpec(name="n", shape=(), dtype="int64"),
    }
    found = wanted_tensors(saved({"w": torch.tensor([0.5, -2.0], dtype=torch.float16), "n": torch.tensor(7)}), spec)
    assert found["w"].tolist() == [0.5, -2.0]
    assert (found["w"].dtype, int(found["n"])) == (torch.float32, 7)
    with pytest.raises(UnwantedError, match="WEIGHTS_DTYPE"):
        wanted_tensors(saved({"w": torch.zeros(2), "n": torch.tensor(7.0)}), spec)


def test_model_is_imported_by_the_closed_process_to_the_bit(tmp_path: Path) -> None:
    """The same numbers, and a record of where they come from."""
    path, weights = tmp_path / "sent.pt", tensors()
    path.write_bytes(saved(weights))
    imported = import_model(path, NETWORK, now=NOW)
    found = load(imported.weights)
    assert all(torch.equal(found[name], tensor) for name, tensor in weights.items())
    assert imported.record.architecture == NETWORK
    assert imported.record.tensors == len(SPEC)


def test_bundle_of_monai_is_imported_with_its_own_network(tmp_path: Path) -> None:
    """From safetensors where it has them, else from model.pt."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "models").mkdir()
    (tmp_path / "configs" / "inference.json").write_text(json.dumps({"network_def": definition(NETWORK)}))
    assert refusal_code(lambda: import_model(tmp_path, None, now=NOW)) == "BUNDLE_INVALID"
    weights = tensors()
    (tmp_path / "models" / "model.safetensors").write_bytes(save(weights))
    assert import_model(tmp_path, None, now=NOW).weights == save(weights)
    (tmp_path / "models" / "model.safetensors").write_bytes(save({"a": torch.zeros(1)}))
    assert refusal_code(lambda: import_model(tmp_path, None, now=NOW)) == "WEIGHTS_KEYS"


def test_file_without_a_network_or_without_a_file_is_refused(tmp_path: Path) -> None:
    """Nothing is guessed."""
    path = tmp_path / "sent.pt"
    path.write_bytes(b"x")
    assert refusal_code(lambda: import_model(path, None, now=NOW)) == "MODEL_ARCHITECTURE"
    assert refusal_code(lambda: import_model(tmp_path / "none.pt", NETWORK, now=NOW)) == "MODEL_SOURCE"


class _Done:
    def __init__(self, stdout: bytes) -> None:
        self.stdout = stdout


@pytest.mark.parametrize(
    "said", [b"", b"{}", b'{"code": "OK", "expected": 0, "found": 0}', b'{"code": "X", "expected": 0, "found": 0}']
)
def test_process_that_was_ended_or_lies_gives_no_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: bytes
) -> None:
    """No answer, another answer, or OK without a file: nothing is imported."""
    monkeypatch.setattr(model_import.subprocess, "run", lambda *_a, **_k: _Done(said))
    path = tmp_path / "sent.pt"
    path.write_bytes(b"x")
    assert refusal_code(lambda: import_model(path, NETWORK, now=NOW)) == "IMPORT_FAILED"


def test_process_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A limit on the wall clock stands beside those of the kernel."""
    monkeypatch.setattr(model_import, "TIMEOUT_S", 0.001)
    path = tmp_path / "sent.pt"
    path.write_bytes(saved(tensors()))
    assert refusal_code(lambda: import_model(path, NETWORK, now=NOW)) == "IMPORT_TIME"


def test_weights_of_a_lying_process_are_checked_once_more(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What lies in its folder is checked here against the network before anybody gets it."""

    def lying(command: list[str], **_: object) -> _Done:
        (Path(command[-1]) / "model.safetensors").write_bytes(save({"backdoor": torch.zeros(1)}))
        return _Done(b'{"code": "OK", "expected": 0, "found": 0}')

    monkeypatch.setattr(model_import.subprocess, "run", lying)
    path = tmp_path / "sent.pt"
    path.write_bytes(b"x")
    assert refusal_code(lambda: import_model(path, NETWORK, now=NOW)) == "WEIGHTS_KEYS"
