"""Whether bytes in the place of binary numbers can be numbers: as many as the attribute has, and no text.

Under a binary VR nothing says that bytes are a name. Too many of them, floats so large or small that only letters make them,
and runs of letters in whole numbers are none; what a single short number can hide is stated among the limits.
"""

from __future__ import annotations

import re
import struct
from functools import lru_cache

from pydicom.datadict import dictionary_VM

from myofed_anonymization.elements import NUMBER_BYTES

SMALLEST, LARGEST = 1e-9, 1e9
"""Between them lie all quantities of an MR header; of eight letters read as a double one in a hundred does."""
MOST_VALUES = 4096
"""Of an attribute that may have any number of values."""
LETTERS = 16
"""So many printable bytes in floats are no chance: 1 in 10 million for two doubles."""
_RUN = re.compile(rb"[A-Za-z0-9]{6}|(?:[A-Za-z0-9]\0){6}|(?:\0[A-Za-z0-9]){6}")
"""Text of six letters or digits, in one or two bytes each (UTF-16)."""


def can_be_numbers(content: bytes, *, vr: str, most: int, little: bool) -> bool:
    """Whether the bytes are at most so many numbers of this VR, and plausible ones.

    Args:
        content: The value.
        vr: A key of NUMBER_BYTES.
        most: The most values the element may have.
        little: Byte order of the file.
    """
    width = NUMBER_BYTES[vr]
    if len(content) % width or len(content) > most * width:
        return False
    if vr not in {"FL", "FD"}:
        return not _RUN.search(content)
    form = f"{'<' if little else '>'}{len(content) // width}{'f' if vr == 'FL' else 'd'}"
    letters = len(content) >= LETTERS and all(0x20 <= byte <= 0x7E for byte in content)
    return not letters and all(one == 0 or SMALLEST <= abs(one) <= LARGEST for one in struct.unpack(form, content))


@lru_cache(maxsize=8192)
def most_values(tag: int) -> int:
    """The most values that PS3.6 gives the attribute (its VM: "1", "3", "1-2", "1-n", "3-3n")."""
    last = dictionary_VM(tag).split("-")[-1]
    return int(last) if last.isdigit() else MOST_VALUES
