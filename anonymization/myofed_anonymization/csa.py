"""Siemens CSA headers (SV10, called CSA2, and the older CSA1): a strict, bounded reader.

The format has no public specification; its facts are those of nibabel's page "Siemens format DICOM with CSA header".
Both forms are little-endian whatever the file's transfer syntax.
"""

from __future__ import annotations

import struct

MAX_TAGS = 1000
MAX_ITEMS = 10_000
"""Of all tags together; real headers have about 100 tags and 700 items."""
MAGIC = b"SV10"
SYNC = 77
"""What stands behind the number of tags in both forms; CSA1 has no other mark."""
_START = struct.Struct("<2I")
_TAG = struct.Struct("<64si4s3i")
"""Name, multiplicity, VR, syngo's own type, number of items, a sync word of 77 or 205."""
_LENGTH = struct.Struct("<i")
_ITEM_HEAD = 16
_LENGTH_OFFSET_CSA2 = 4


class CsaDamagedError(ValueError):
    """The bytes are no whole CSA header; the message holds counts and positions only."""


def csa_values(content: bytes, *, names: frozenset[str] | None = None) -> dict[str, tuple[str, ...]]:
    """The values of every tag by its name, as text without padding; other tags than `names` are skipped by their lengths.

    Empty values at the end are left out; of a name that occurs twice the first tag counts.

    Args:
        content: The element's value; bytes behind the last tag are not looked at.
        names: The tags to take; all of them where None.

    Raises:
        CsaDamagedError: A count or a length does not fit, or the header ends early.
    """
    is_csa2 = content.startswith(MAGIC)
    position = 2 * len(MAGIC) if is_csa2 else 0
    tags = _number_of_tags(content, position)
    position += _START.size
    offset, surplus, items_left = (_LENGTH_OFFSET_CSA2 if is_csa2 else 0), 0, MAX_ITEMS
    found: dict[str, tuple[str, ...]] = {}
    for number in range(tags):
        name, multiplicity, items = _tag(content, position, items_left=items_left)
        position += _TAG.size
        items_left -= items
        if number == 0 and not is_csa2:
            surplus = items  # lengths of CSA1 are too large by the number of items of the first tag
        places, position = _item_places(content, position, items=items, offset=offset, surplus=surplus)
        if (names is None or name in names) and name not in found:
            found[name] = _values(content, places[:multiplicity] if multiplicity > 0 else places)
    return found


def _number_of_tags(content: bytes, position: int) -> int:
    if position + _START.size > len(content):
        raise CsaDamagedError(f"expected a CSA header, found {len(content)} bytes")
    tags, sync = _START.unpack_from(content, position)
    if not 1 <= tags <= MAX_TAGS or sync != SYNC:
        raise CsaDamagedError(f"expected 1 to {MAX_TAGS} tags and the sync word {SYNC}, found {tags} and {sync}")
    return int(tags)


def _tag(content: bytes, position: int, *, items_left: int) -> tuple[str, int, int]:
    """Name, multiplicity and number of items of the tag at this position."""
    if position + _TAG.size > len(content):
        raise CsaDamagedError(f"expected a tag at byte {position}, found the end at {len(content)}")
    name, multiplicity, _vr, _type, items, _sync = _TAG.unpack_from(content, position)
    if not 0 <= items <= items_left:
        raise CsaDamagedError(f"expected at most {MAX_ITEMS} items, found {items} more at byte {position}")
    return _text(name), int(multiplicity), int(items)


def _item_places(
    content: bytes, position: int, *, items: int, offset: int, surplus: int
) -> tuple[list[tuple[int, int]], int]:
    """Start and length of each item from this position on, and the position behind them; each begins at a multiple of 4."""
    places, end = [], len(content)
    for _ in range(items):
        start = position + _ITEM_HEAD
        if start > end:
            raise CsaDamagedError(f"expected an item at byte {position}, found the end at {end}")
        length = _LENGTH.unpack_from(content, position + offset)[0] - surplus
        if not 0 <= length <= end - start:
            raise CsaDamagedError(f"expected an item of 0 to {end - start} bytes, found {length} at byte {position}")
        places.append((start, length))
        position = start + length + -length % 4
    return places, position


def _values(content: bytes, places: list[tuple[int, int]]) -> tuple[str, ...]:
    values = [_text(content[start : start + length]) for start, length in places]
    while values and not values[-1]:
        values.pop()
    return tuple(values)


def _text(content: bytes) -> str:
    return content.partition(b"\0")[0].decode("latin-1").strip()
