"""What both sides say about weights that move over `/site/weights` beside Flower's message."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import Field

from myofed_schemas.study import TensorSpec
from myofed_schemas.wire import WireModel

REFERENCE_BYTES = "reference_bytes"
"""Scalar of a message by reference, in place of the weights: how many bytes lie under the instruction's digest."""
REFERENCE_SHA256 = "reference_sha256"
"""Scalar of the reply to it, in place of the update: the digest under which it was uploaded before."""
PIECE_BYTES = 16 << 20
"""Longest piece of a transfer: the sites' port and the egress take no larger body."""
MAX_HEADER_BYTES = 1 << 20
LENGTH_BYTES = 8
"""The safetensors format: little-endian u64, JSON of that many bytes, then the numbers."""
ITEM_BYTES = {"float32": 4, "int64": 8}


def numbers_bytes(state_dict: Sequence[TensorSpec]) -> int:
    """Bytes of all numbers of these tensors, without any header."""
    return sum(math.prod(tensor.shape) * ITEM_BYTES[tensor.dtype] for tensor in state_dict)


def largest_weights(state_dict: Sequence[TensorSpec]) -> int:
    """Bytes that a safetensors file of this state dict has at most; every encoding of it is smaller."""
    return LENGTH_BYTES + MAX_HEADER_BYTES + numbers_bytes(state_dict)


class UploadState(WireModel):
    """How much of an update has come.

    Attributes:
        offset: The next byte that is wanted.
        complete: All of it is there and has its digest.
    """

    offset: int = Field(ge=0)
    complete: bool
