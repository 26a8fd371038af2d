"""A site's own tensors are put back before a round and kept after it, whatever happens between."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from myofed_node.federation import local_tensors
from myofed_node.federation.local_tensors import LocalTensors
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import Instruction

NAMES = ("norm.scale",)


def weights(scale: float, kernel: float = 0.0) -> bytes:
    return save({"norm.scale": np.full(2, scale, np.float32), "kernel": np.full((2, 2), kernel, np.float32)})


def asked(number: int, kind: str = "train") -> Instruction:
    return Instruction.model_validate(
        {
            "kind": kind,
            "study_id": "thigh",
            "manifest_digest": "0" * 64,
            "run_id": "run-00000001",
            "round": number,
            "weights_sha256": "0" * 64,
        }
    )


def scale_of(packed: bytes) -> float:
    return float(load(packed)["norm.scale"][0])


def code_of(call: object) -> str:
    with pytest.raises(MyofedError) as caught:
        call()  # type: ignore[operator]
    return caught.value.code


@pytest.fixture
def own(tmp_path: Path) -> LocalTensors:
    return LocalTensors(tmp_path, "run-00000001", NAMES)


def test_bytes_that_are_no_weights_are_refused(own: LocalTensors) -> None:
    """From the coordinator or from the worker: a code, and nothing is kept."""
    assert code_of(lambda: own.keep(b"x" * 20, asked(1))) == "WEIGHTS_FORMAT"
    assert code_of(lambda: own.keep(save({"kernel": np.zeros(1, np.float32)}), asked(1))) == "WEIGHTS_KEYS"
    assert scale_of(own.restored(weights(1.0), asked(2))) == 1.0
    own.keep(weights(2.0), asked(1))
    assert code_of(lambda: own.restored(b"x" * 20, asked(2))) == "WEIGHTS_FORMAT"
    assert code_of(lambda: own.restored(save({"kernel": np.zeros(1, np.float32)}), asked(2))) == "WEIGHTS_KEYS"


@pytest.mark.parametrize("damage", [b"", b"half a file", save({"other": np.zeros(1, np.float32)})])
def test_damaged_file_of_the_site_is_a_code_and_never_the_coordinators_values(
    own: LocalTensors, tmp_path: Path, damage: bytes
) -> None:
    """The site does not go on with what it did not train."""
    own.keep(weights(2.0), asked(1))
    (tmp_path / "local-tensors" / "run-00000001" / "0001.safetensors").write_bytes(damage)
    assert code_of(lambda: own.restored(weights(9.0), asked(2))) == "LOCAL_TENSORS_DAMAGED"


def test_first_round_begins_from_what_came_in(own: LocalTensors) -> None:
    """To the byte."""
    assert own.restored(weights(1.0), asked(1)) == weights(1.0)


def test_own_values_come_back_and_everything_else_is_the_coordinators(own: LocalTensors) -> None:
    """The mean of the others' scales never replaces the site's."""
    own.keep(weights(2.0, kernel=5.0), asked(1))
    found = load(own.restored(weights(9.0, kernel=7.0), asked(2)))
    assert found["norm.scale"].tolist() == [2.0, 2.0]
    assert found["kernel"].tolist() == [[7.0, 7.0], [7.0, 7.0]]


def test_round_asked_again_begins_from_the_round_before(own: LocalTensors) -> None:
    """Also after it was finished: the same question has the same answer."""
    own.keep(weights(2.0), asked(1))
    first = own.restored(weights(9.0), asked(2))
    own.keep(weights(3.0), asked(2))
    assert own.restored(weights(9.0), asked(2)) == first
    assert scale_of(own.restored(weights(9.0), asked(3))) == 3.0


def test_round_in_which_the_site_did_not_train_is_passed_over(own: LocalTensors) -> None:
    """The latest earlier one counts."""
    own.keep(weights(2.0), asked(1))
    assert scale_of(own.restored(weights(9.0), asked(7))) == 2.0


def test_evaluation_after_the_last_round_uses_the_last_rounds_values(own: LocalTensors) -> None:
    """It names the number of the last round."""
    own.keep(weights(2.0), asked(1))
    own.keep(weights(3.0), asked(2))
    assert scale_of(own.restored(weights(9.0), asked(2, "evaluate"))) == 3.0


def test_only_the_rounds_that_can_be_asked_for_again_stay(own: LocalTensors, tmp_path: Path) -> None:
    """Two files, for the owner's eyes only, whatever the length of the run."""
    for number in range(1, 6):
        own.keep(weights(float(number)), asked(number))
    files = sorted((tmp_path / "local-tensors" / "run-00000001").iterdir())
    assert [f.name for f in files] == ["0004.safetensors", "0005.safetensors"]
    assert {f.stat().st_mode & 0o777 for f in files} == {0o600}


def test_another_run_has_other_values(own: LocalTensors, tmp_path: Path) -> None:
    """A new run begins from its own weights."""
    own.keep(weights(2.0), asked(1))
    assert scale_of(LocalTensors(tmp_path, "run-00000002", NAMES).restored(weights(9.0), asked(2))) == 9.0


def test_study_without_local_tensors_keeps_nothing(tmp_path: Path) -> None:
    """No folder, and the bytes are not even read."""
    none = LocalTensors(tmp_path, "run-00000001", ())
    none.keep(b"anything", asked(1))
    assert none.restored(b"anything", asked(2)) == b"anything"
    assert list(tmp_path.iterdir()) == []


def test_kill_while_writing_leaves_the_round_before(
    own: LocalTensors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is half written is never read; the round is done again from the same start."""
    own.keep(weights(2.0), asked(1))

    def killed(path: Path, content: bytes) -> None:
        path.with_name(f".{path.name}.x.tmp").write_bytes(content[:10])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(local_tensors, "write_atomically", killed)
        with pytest.raises(KeyboardInterrupt):
            own.keep(weights(3.0), asked(2))
    assert scale_of(own.restored(weights(9.0), asked(2))) == 2.0
    assert scale_of(own.restored(weights(9.0), asked(3))) == 2.0


def test_run_that_begins_again_under_a_new_approval_keeps_its_own_tensors(own: LocalTensors) -> None:
    """Later rounds of before do not push the new ones out: the coordinator's values never come in their place."""
    for number in (1, 2, 3):
        own.keep(weights(float(number)), asked(number))
    own.keep(weights(7.0), asked(1))
    assert scale_of(own.restored(weights(9.0), asked(2))) == 7.0
