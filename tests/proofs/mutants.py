"""Hostile files: each of our small files damaged, or lied in, in one to four ways; the same for the same seed and number."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydicom.datadict import DicomDictionary
from pydicom.uid import DeflatedExplicitVRLittleEndian

from proofs.mutant_seeds import PIXEL_DATA, TRANSFER_SYNTAX, UNDEFINED, Seed, Slot, seeds, with_syntax

Rng = np.random.Generator
Mutator = Callable[[bytearray, Seed, Rng], None]
"""Changes the file in place; positions of the seed's elements hold until an earlier mutator moved them."""

VRS = (
    "AE",
    "AS",
    "AT",
    "CS",
    "DA",
    "DS",
    "DT",
    "FD",
    "FL",
    "IS",
    "LO",
    "LT",
    "OB",
    "OD",
    "OF",
    "OW",
    "PN",
    "SH",
    "SL",
    "SQ",
    "SS",
    "ST",
    "TM",
    "UC",
    "UI",
    "UL",
    "UN",
    "UR",
    "US",
    "UT",
    "OV",
    "SV",
    "UV",
    "ZZ",
)
SYNTAXES = (
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.100",
    "1.2.840.10008.1.2.8.1",
    "1.2.840.113619.5.2",
    "",
    "../../../etc/passwd",
)
CHARSETS = (
    "ISO_IR 100", "ISO_IR 192", "ISO_IR 13", "ISO_IR 6", "GB18030", "GBK", "ISO 2022 IR 87", "\\ISO 2022 IR 159", "\\ISO 2022 IR 149",
    "ISO 2022 IR 58\\ISO 2022 IR 87", "utf-16", "utf_7", "idna", "rot13", "zip", "\\\\\\", "ISO_IR 999", "\x1b$B", "\xff\xfe",
)  # fmt: skip
HOSTILE_UIDS = (
    "../../../decoy", "../../decoys/decoy-0", "/tmp/myofed-mutant-escape", "..", ".", "/", "1.2/../../3", "1.2.3\\1.2.4", "1.2\0.3",
    "~/x", "2.25.1", "2.25." + "9" * 39, "9" * 300, "1.2.840.10008.../../x", "1.2.840.10008.1.2", "-1", "1..2", "%2e%2e%2f", "C:\\x", "\u202e1.2",
)  # fmt: skip
CLAIMS = (0, 1, 2, 15, 17, 255, 4096, 0x7FFF, 0x8000, 0xFFFF)
FRAMES = ("0", "-1", "2", "65536", "2147483647", "99999999999", "1e9", "nan", "1\\2", " ")
DEPTHS = (3, 8, 15, 16, 17, 40, 300, 3000)
BOMBS = (1 << 20, 15 << 20, 40 << 20, 300 << 20)
_TAGS = np.array(sorted(DicomDictionary), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One hostile file, how it was made, and the dates planted in what it was made of."""

    number: int
    seed: str
    how: tuple[str, ...]
    content: bytes
    dates: tuple[str, ...]


def mutant(seed: int, number: int) -> Mutant:
    """The file with this number of the series that `seed` stands for."""
    rng = np.random.default_rng([seed, number])
    source = seeds()[number % len(seeds())]
    content = source.numbered(number)
    wanted = int(rng.choice([1, 2, 3, 4], p=[0.55, 0.25, 0.12, 0.08]))
    names = [str(name) for name in rng.choice(list(MUTATORS), wanted, p=_WEIGHTS)]
    for name in names:
        MUTATORS[name](content, source, rng)
    if source.syntax == DeflatedExplicitVRLittleEndian:
        names.append(_deflate(content, source, rng))
    return Mutant(number, source.name, tuple(names), bytes(content), source.dates)


def _flip(content: bytearray, seed: Seed, rng: Rng) -> None:
    header = _pixels(seed).at if rng.random() < 0.85 else len(content)
    for position in rng.integers(128, max(129, min(header, len(content))), int(rng.choice([1, 1, 2, 4, 16]))):
        if position < len(content):
            content[int(position)] ^= 1 << int(rng.integers(8))


def _truncate(content: bytearray, seed: Seed, rng: Rng) -> None:
    del content[int(rng.integers(0, len(content) + 1)) :]


def _lie(content: bytearray, seed: Seed, rng: Rng) -> None:
    slot = _slot(seed, rng)
    length = slot.length if slot.length != UNDEFINED else 64
    lies = (
        0,
        1,
        length + 1,
        length + 2,
        max(0, length - 1),
        max(0, length - 2),
        2 * length,
        int(rng.integers(1 << 16)),
        0x7FFFFFFF,
        0xFFFFFFFE,
    )
    _set_length(content, seed, slot, lies[int(rng.integers(len(lies)))])


def _undefined(content: bytearray, seed: Seed, rng: Rng) -> None:
    slot = _slot(seed, rng)
    if (
        slot.vr_at >= 0 and slot.length_bytes == 2
    ):  # such an element has room for it only as UN with four bytes of length
        value = bytes(content[slot.value_at : slot.end])
        content[slot.vr_at : slot.end] = b"UN\0\0" + b"\xff" * 4 + value
    else:
        _set_length(content, seed, slot, UNDEFINED)


def _insert(content: bytearray, seed: Seed, rng: Rng) -> None:
    position = int(rng.integers(len(content) + 1))
    content[position:position] = rng.bytes(int(rng.integers(1, 65)))


def _repeat(content: bytearray, seed: Seed, rng: Rng) -> None:
    slot, place = _slot(seed, rng), _slot(seed, rng)
    content[place.at : place.at] = content[slot.at : slot.end] * int(rng.integers(1, 4))


def _delete(content: bytearray, seed: Seed, rng: Rng) -> None:
    if rng.random() < 0.5:
        slot = _slot(seed, rng)
        del content[slot.at : slot.end]
    else:
        start = int(rng.integers(len(content) + 1))
        del content[start : start + int(rng.integers(1, 200))]


def _swap_vr(content: bytearray, seed: Seed, rng: Rng) -> None:
    slot = _slot(seed, rng)
    letters = str(rng.choice(VRS)).encode() if rng.random() < 0.9 else rng.bytes(2)
    if slot.vr_at >= 0:
        content[slot.vr_at : slot.vr_at + 2] = letters


def _swap_tag(content: bytearray, seed: Seed, rng: Rng) -> None:
    tag = int(rng.choice(_TAGS)) if rng.random() < 0.6 else _slot(seed, rng).tag
    order = "<" if seed.little else ">"
    slot = _slot(seed, rng)
    content[slot.at : slot.at + 4] = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)


def _nest(content: bytearray, seed: Seed, rng: Rng) -> None:
    inside, place = _slot(seed, rng), _slot(seed, rng)
    depth, order = int(rng.choice(DEPTHS)), "<" if seed.little else ">"
    tag = (0x00081140, 0x00400275, 0x52009230, 0x00091001)[int(rng.integers(4))]
    value = bytes(content[inside.at : inside.end])
    item, item_end, end = (struct.pack(f"{order}HH", 0xFFFE, number) for number in (0xE000, 0xE00D, 0xE0DD))
    vr = b"" if seed.implicit else b"SQ\0\0"
    head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF) + vr
    if rng.random() < 0.5:
        endless = b"\xff" * 4
        value = (head + endless + item + endless) * depth + value + (item_end + bytes(4) + end + bytes(4)) * depth
    else:
        for _ in range(depth):
            inner = item + struct.pack(f"{order}I", len(value)) + value
            value = head + struct.pack(f"{order}I", len(inner)) + inner
    content[place.at : place.at] = value


def _claim(content: bytearray, seed: Seed, rng: Rng) -> None:
    order = "<" if seed.little else ">"
    for tag in rng.choice(
        [0x00280010, 0x00280011, 0x00280002, 0x00280100, 0x00280101, 0x00280102, 0x00280103], int(rng.integers(1, 4))
    ):
        for slot in (slot for slot in seed.slots if slot.tag == int(tag)):
            content[slot.value_at : slot.value_at + 2] = struct.pack(f"{order}H", int(rng.choice(CLAIMS)))
    if rng.random() < 0.4:
        element = _element(seed, 0x00280008, b"IS", str(rng.choice(FRAMES)).encode())
        place = next((slot for slot in seed.slots if slot.tag == 0x00280008), _slot(seed, rng))
        content[place.at : place.end if place.tag == 0x00280008 else place.at] = element


def _other_syntax(content: bytearray, seed: Seed, rng: Rng) -> None:
    slot = next(slot for slot in seed.slots if slot.tag == TRANSFER_SYNTAX)
    content[:] = with_syntax(bytes(content), slot, seed.start, str(rng.choice(SYNTAXES)))


def _charset(content: bytearray, seed: Seed, rng: Rng) -> None:
    place = next((slot for slot in seed.slots if slot.tag == 0x00080005), None)
    value = str(rng.choice(CHARSETS)).encode("latin-1")
    first = next(slot for slot in seed.slots if slot.at >= seed.start)
    at, end = (place.at, place.end) if place else (first.at, first.at)
    texts = [
        slot
        for slot in seed.slots
        if slot.vr in {"PN", "LO", "SH", "LT"} and slot.length not in {0, UNDEFINED} and slot.at > end
    ]
    for _ in range(int(rng.integers(4)) if texts else 0):
        slot = texts[int(rng.integers(len(texts)))]
        position = int(rng.integers(slot.value_at, slot.end))
        odd = (b"\x1b$B", b"\x1b(B", b"\x1b$)C", b"\x1b", b"\xff", b"\xc3", b"\x8f", b"\0", b"\\")[int(rng.integers(9))]
        content[position : position + len(odd)] = odd
    content[at:end] = _element(seed, 0x00080005, b"CS", value)


def _path_uid(content: bytearray, seed: Seed, rng: Rng) -> None:
    uids = [slot for slot in seed.slots if slot.vr == "UI" and slot.length not in {0, UNDEFINED}]
    named = [slot for slot in uids if slot.tag in {0x0020000D, 0x0020000E, 0x00080018, 0x00020003}]
    for _ in range(int(rng.integers(1, 4))):
        choice = named if rng.random() < 0.7 else uids
        slot = choice[int(rng.integers(len(choice)))]
        value = str(rng.choice(HOSTILE_UIDS)).encode()
        if rng.random() < 0.5:
            content[slot.value_at : slot.end] = value[: slot.length].ljust(slot.length, b"\0")
        else:
            value += bytes(len(value) % 2)
            _set_length(content, seed, slot, len(value))
            content[slot.value_at : slot.end] = value


def _splice(content: bytearray, seed: Seed, rng: Rng) -> None:
    other = seeds()[int(rng.integers(len(seeds())))]
    here, there = _slot(seed, rng), _slot(other, rng)
    content[here.at :] = other.content[there.at :]


def _name_elsewhere(content: bytearray, seed: Seed, rng: Rng) -> None:
    """Another element's value is the patient's name or number, or one of another file's, in some spelling."""
    owner = seed if rng.random() < 0.7 else seeds()[int(rng.integers(len(seeds())))]
    word = str(rng.choice(owner.words))
    spelling = (word, word.upper(), f"{word}^{word}", f"x {word}, 4", word.replace("0", "0 "), f"\\{word}")[
        int(rng.integers(6))
    ]
    encoding = ("utf-8", "utf-16-le", "utf-8", "utf-8")[int(rng.integers(4))]
    value = spelling.encode(encoding)
    value += b" " * (len(value) % 2)
    slot = _slot(seed, rng)
    if slot.length in {0, UNDEFINED} or slot.vr == "SQ" or slot.at < seed.start:
        return
    if rng.random() < 0.3:  # as many bytes as were there, so that a binary number stays one by its length
        content[slot.value_at : slot.end] = value[: slot.length].ljust(slot.length, b" ")
    else:
        _set_length(content, seed, slot, len(value))
        content[slot.value_at : slot.end] = value


MUTATORS: dict[str, Mutator] = {
    "flip": _flip,
    "truncate": _truncate,
    "lie": _lie,
    "undefined": _undefined,
    "insert": _insert,
    "repeat": _repeat,
    "delete": _delete,
    "swap_vr": _swap_vr,
    "swap_tag": _swap_tag,
    "nest": _nest,
    "claim": _claim,
    "other_syntax": _other_syntax,
    "charset": _charset,
    "path_uid": _path_uid,
    "splice": _splice,
    "name_elsewhere": _name_elsewhere,
}
_OFTEN = {
    "flip": 4,
    "lie": 2,
    "swap_vr": 2,
    "swap_tag": 3,
    "name_elsewhere": 4,
    "truncate": 0.5,
    "insert": 0.7,
    "other_syntax": 0.5,
}
_WEIGHTS = np.array([_OFTEN.get(name, 1) for name in MUTATORS], dtype=float)
_WEIGHTS /= _WEIGHTS.sum()


def _deflate(content: bytearray, seed: Seed, rng: Rng) -> str:
    """The data set is deflated (PS3.5 A.5), sometimes into a bomb, sometimes damaged again."""
    engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    body = engine.compress(bytes(content[seed.start :]))
    kind = rng.random()
    if kind < 0.06:
        size = int(rng.choice(BOMBS, p=[0.5, 0.25, 0.2, 0.05]))
        header = struct.pack("<HH2sHI", 0xFFFC, 0xFFFC, b"OB", 0, size)
        body += engine.compress(header) + engine.flush(zlib.Z_SYNC_FLUSH) + _zeros(size)
        name = f"bomb of {size >> 20} MiB"
    else:
        body += engine.flush()
        name = "deflated"
    content[seed.start :] = body
    if 0.06 <= kind < 0.2 and len(content) > seed.start:
        for position in rng.integers(seed.start, len(content), int(rng.integers(1, 4))):
            content[int(position)] ^= 1 << int(rng.integers(8))
        name = "deflated, damaged"
    return name


@lru_cache(maxsize=len(BOMBS))
def _zeros(size: int) -> bytes:
    engine = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    return b"".join(engine.compress(bytes(1 << 20)) for _ in range(size >> 20)) + engine.flush()


def _slot(seed: Seed, rng: Rng) -> Slot:
    return seed.slots[int(rng.integers(len(seed.slots)))]


def _pixels(seed: Seed) -> Slot:
    return next(slot for slot in seed.slots if slot.tag == PIXEL_DATA)


def _set_length(content: bytearray, seed: Seed, slot: Slot, length: int) -> None:
    order = "little" if seed.little or slot.at < seed.start else "big"
    length &= (1 << 8 * slot.length_bytes) - 1
    content[slot.length_at : slot.length_at + slot.length_bytes] = length.to_bytes(slot.length_bytes, order)


def _element(seed: Seed, tag: int, vr: bytes, value: bytes) -> bytes:
    """A short element in the encoding of the seed's data set."""
    order = "<" if seed.little else ">"
    value += b" " * (len(value) % 2)
    head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
    return (
        head
        + (struct.pack(f"{order}I", len(value)) if seed.implicit else vr + struct.pack(f"{order}H", len(value)))
        + value
    )
