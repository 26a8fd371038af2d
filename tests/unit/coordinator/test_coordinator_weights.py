"""Safetensors at the coordinator: what is refused before anything is stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from coordinator_factories import make_weights
from safetensors.numpy import save

from myofed_coordinator.models import weights
from myofed_schemas.errors import MyofedError


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\x80\x04 a pickle", "WEIGHTS_FORMAT"),
        (b"", "WEIGHTS_FORMAT"),
        (save({}), "WEIGHTS_FORMAT"),
        (make_weights()[:-1], "WEIGHTS_FORMAT"),
        (save({"a": np.zeros(2, dtype=np.float16)}), "WEIGHTS_DTYPE"),
        (save({"a": np.array([1.0, np.nan], dtype=np.float32)}), "WEIGHTS_NOT_FINITE"),
        (save({"a": np.array([np.inf], dtype=np.float32)}), "WEIGHTS_NOT_FINITE"),
    ],
)
def test_unusable_weights_are_refused(content: bytes, code: str) -> None:
    """Another format, a cut file, another dtype, NaN and infinity each have their code."""
    with pytest.raises(MyofedError) as caught:
        weights.tensor_specs(content)
    assert caught.value.code == code


def test_altered_file_is_not_handed_out(tmp_path: Path) -> None:
    """Weights on disk are checked against the digest in their name at every reading."""
    path = weights.keep_weights(tmp_path, make_weights())
    assert weights.read_weights(tmp_path, path.stem) == make_weights()
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(MyofedError, match="MODEL_ALTERED"):
        weights.read_weights(tmp_path, path.stem)
    with pytest.raises(MyofedError, match="MODEL_UNKNOWN"):
        weights.read_weights(tmp_path, "0" * 64)


def test_order_of_tensors_does_not_matter() -> None:
    """A state dict is a mapping: the same tensors in another order are the same."""
    specs = weights.tensor_specs(make_weights())
    weights.check_specs(specs, expected=tuple(reversed(specs)))
    assert [s.name for s in specs] == ["conv.weight", "norm.count"]
