"""What both sides say about weights by reference."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from myofed_schemas.study import TensorSpec
from myofed_schemas.weights_transfer import MAX_HEADER_BYTES, UploadState, largest_weights


def test_bound_is_the_numbers_and_a_header() -> None:
    """4 and 8 bytes a number; an empty shape is one number."""
    spec = (TensorSpec(name="w", shape=(2, 3), dtype="float32"), TensorSpec(name="n", shape=(), dtype="int64"))
    assert largest_weights(spec) == 8 + MAX_HEADER_BYTES + 24 + 8


def test_offset_is_not_negative() -> None:
    """An offset is a number of bytes."""
    with pytest.raises(ValidationError):
        UploadState(offset=-1, complete=False)
