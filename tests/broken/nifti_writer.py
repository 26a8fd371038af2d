"""NIfTI-1 files written field by field at the standard's offsets, without nibabel and without the reader under test."""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

AFFINE = np.array([[-2.0, 0, 0, 10], [0, -2.0, 0, 20], [0, 0, 6.0, 30], [0, 0, 0, 1]])
"""RAS mm, as a Siemens axial image: half a turn about z."""
HALF_TURN = (0.0, 0.0, 1.0)
"""Quaternion b, c, d of it."""
CODES = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "u4": 768, "c8": 32}


@dataclass(frozen=True)
class Fields:
    """What the header says beside the voxels; the defaults are those of a good file."""

    affine: np.ndarray = field(default_factory=lambda: AFFINE)
    sform_code: int = 1
    qform_code: int = 1
    quaternion: tuple[float, float, float] = HALF_TURN
    offset: tuple[float, float, float] | None = None
    spacing: tuple[float, float, float] = (2.0, 2.0, 6.0)
    handed: float = 1.0
    xyzt_units: int = 2
    slope: float = 1.0
    inter: float = 0.0
    texts: dict[str, bytes] = field(default_factory=dict)
    extension: bytes = b""
    shape: tuple[int, ...] | None = None
    vox_offset: float | None = None
    magic: bytes = b"n+1\0"
    order: str = "<"


TEXT_PLACES = {"data_type": 4, "db_name": 14, "descrip": 148, "aux_file": 228, "intent_name": 328}
GOOD = Fields()


def header_bytes(values: np.ndarray, fields: Fields = GOOD) -> bytes:
    """The 352 bytes before extension and voxels."""
    block, order = bytearray(352), fields.order
    shape = fields.shape or values.shape
    struct.pack_into(f"{order}i", block, 0, 348)
    struct.pack_into(f"{order}8h", block, 40, len(shape), *shape, *[1] * (7 - len(shape)))
    struct.pack_into(f"{order}2h", block, 70, CODES[values.dtype.str[1:]], 8 * values.dtype.itemsize)
    struct.pack_into(f"{order}8f", block, 76, fields.handed, *fields.spacing, *[1.0] * 4)
    offset = 352.0 + len(fields.extension) if fields.vox_offset is None else fields.vox_offset
    struct.pack_into(f"{order}3f", block, 108, offset, fields.slope, fields.inter)
    block[123] = fields.xyzt_units
    struct.pack_into(f"{order}2h", block, 252, fields.qform_code, fields.sform_code)
    struct.pack_into(f"{order}6f", block, 256, *fields.quaternion, *(fields.offset or fields.affine[:3, 3]))
    struct.pack_into(f"{order}12f", block, 280, *fields.affine[:3].ravel())
    block[344:348] = fields.magic
    for name, text in fields.texts.items():
        block[TEXT_PLACES[name] : TEXT_PLACES[name] + len(text)] = text
    block[348] = bool(fields.extension)
    return bytes(block)


def nifti(values: np.ndarray, fields: Fields = GOOD) -> bytes:
    """The whole file before compression."""
    stored = values.astype(values.dtype.newbyteorder(fields.order))
    return header_bytes(values, fields) + fields.extension + stored.tobytes(order="F")


def write(path: Path, values: np.ndarray, fields: Fields = GOOD) -> None:
    """A gzipped file; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(nifti(values, fields), compresslevel=1, mtime=0))


def comment_extension(text: bytes) -> bytes:
    """An extension of code 6 (comment), padded to sixteen bytes."""
    size = -(-(8 + len(text)) // 16) * 16
    return struct.pack("<2i", size, 6) + text.ljust(size - 8, b"\0")
