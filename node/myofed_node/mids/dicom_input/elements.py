"""Values of DICOM elements, where a damaged one quarantines its series instead of stopping the run."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pydicom import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag

from myofed_node.mids.refusal import SeriesRefusedError

DAMAGED = (
    AttributeError,
    BytesLengthException,
    EOFError,
    InvalidDicomError,
    LookupError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)
"""What pydicom raises for damaged bytes (found by changing bytes at random): nothing of ours runs inside the guard."""


@contextmanager
def damage_refused(code: str, evidence: str) -> Iterator[None]:
    """What pydicom raises for damaged bytes becomes a refusal of the series; wraps calls of pydicom only.

    Raises:
        SeriesRefusedError: With this code.
    """
    try:
        yield
    except DAMAGED:
        raise SeriesRefusedError(code, evidence) from None


def element_value(dataset: Dataset, key: str | BaseTag) -> object:
    """The element's value, None where it is absent.

    Raises:
        SeriesRefusedError: HEADER_INVALID, it cannot be decoded.
    """
    try:  # not the guard above: this is asked for every element of every frame
        return dataset[key].value if key in dataset else None
    except DAMAGED:
        raise SeriesRefusedError("HEADER_INVALID", "element=cannot be decoded") from None


def items_of(dataset: Dataset, key: str | BaseTag) -> tuple[Dataset, ...]:
    """The items of a sequence, none where it is absent or no sequence.

    Raises:
        SeriesRefusedError: HEADER_INVALID.
    """
    value = element_value(dataset, key)
    return tuple(item for item in value if isinstance(item, Dataset)) if isinstance(value, Sequence) else ()


def private_value(dataset: Dataset, group: int, creator: str, low_byte: int) -> object:
    """The first value of a private element found by its creator's block (PS3.5 7.8.1), None where absent.

    Args:
        dataset: Searched at its own level only.
        group: Odd group number.
        creator: Private creator in upper case.
        low_byte: Last two digits of the element number.

    Raises:
        SeriesRefusedError: HEADER_INVALID.
    """
    blocks = [tag for tag in dataset.keys() if tag >> 16 == group and 0x10 <= tag & 0xFFFF <= 0xFF]  # noqa: SIM118  a Dataset iterates over elements
    for block in blocks:
        if str(element_value(dataset, block)).strip().upper() == creator:
            value = element_value(dataset, BaseTag((group << 16) | (block.element << 8) | low_byte))
            return value[0] if isinstance(value, MultiValue | Sequence) and len(value) else value
    return None
