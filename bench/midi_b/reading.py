"""DICOM files read for judging: with pydicom alone, sharing no code with what is judged."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from pydicom import config
from pydicom.errors import BytesLengthException, InvalidDicomError

DAMAGED = (
    InvalidDicomError,
    BytesLengthException,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    NotImplementedError,
    OverflowError,
    RecursionError,
    struct.error,
    OSError,
    RuntimeError,
)
"""What pydicom raises on bytes that it cannot read or decode (RuntimeError: no decoder for the transfer syntax)."""


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """No value is judged, or printed in a warning, by pydicom while this holds."""
    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        yield
