"""All voxels of a NIfTI file seen once, in pieces: what the checks ask about them, in the memory of one piece."""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from myofed_node.mids.validation.bounded_read import UnreadableError, open_regular
from myofed_node.mids.validation.nifti_header import (
    FIRST_VOXEL,
    HEADER_BYTES,
    DamagedNiftiError,
    NiftiHeader,
    decode_header,
)

PIECE_BYTES: Final = 4 * 2**20
_PACKED_BYTES: Final = 2**16
"""Read at once; what is left of it is copied at the end of every gzip member, and a hostile file has thousands of empty ones."""
MOST_VOXEL_BYTES: Final = 8 * 2**30
"""A MESE of 512 x 512 x 300 voxels and 17 echoes in float32 has 5.3 GB."""
MOST_GZIP_RATIO: Final = 1032
"""Deflate cannot pack more (RFC 1951: 258 bytes in two bits); a header that states more voxels lies."""
MOST_DISTINCT: Final = 10_000
_GZIP: Final = 31
"""zlib's window bits for a gzip stream with its check sum."""


class GzipStream:
    """Bytes of a gzip file in order, never more than asked for; a false check sum or a missing end is told."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._inflate = zlib.decompressobj(_GZIP)
        self._packed = b""

    def read(self, size: int) -> bytes:
        """Exactly this many bytes, fewer only at the end.

        Raises:
            DamagedNiftiError: No gzip, damaged, or cut off.
        """
        pieces, missing = [], size
        while missing and (piece := self._some(missing)):
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def _some(self, most: int) -> bytes:
        while True:
            if self._inflate.eof and not self._next_member():
                return b""
            self._packed = self._packed or self._raw.read(_PACKED_BYTES)
            if not self._packed:
                raise DamagedNiftiError("a gzip stream that is cut off")
            try:
                piece = self._inflate.decompress(self._packed, most)
            except zlib.error:
                raise DamagedNiftiError("a damaged gzip stream") from None
            self._packed = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
            if piece:
                return piece

    def _next_member(self) -> bool:
        """Whether another gzip stream follows; zeros after the last one are padding (as gzip itself takes them)."""
        self._packed = self._packed.lstrip(b"\0")
        while not self._packed:
            block = self._raw.read(_PACKED_BYTES)
            if not block:
                return False
            self._packed = block.lstrip(b"\0")
        self._inflate = zlib.decompressobj(_GZIP)
        return True


@dataclass(frozen=True)
class Preamble:
    """What stands before the voxels.

    Attributes:
        header: Decoded.
        extension: Bytes between header and voxels: extensions, or whatever a writer left there; empty where all are zero.
    """

    header: NiftiHeader
    extension: bytes


@dataclass
class VolumeSums:
    """Of one volume's finite voxels, after scaling."""

    count: int = 0
    total: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    @property
    def mean(self) -> float:
        """Not a number where no voxel is finite."""
        return self.total / self.count if self.count else math.nan


@dataclass
class VoxelScan:
    """What all voxels are.

    Attributes:
        volumes: One for each index of the fourth axis; one for a 3D image.
        not_finite: Voxels that are NaN or infinite.
        digest: SHA-256 of the stored voxels with their shape and type; does not depend on compression.
        distinct: Different values, scaled, when they were asked for; at most some 10,000 are kept.
    """

    volumes: list[VolumeSums] = field(default_factory=list)
    not_finite: int = 0
    digest: str = ""
    distinct: set[float] = field(default_factory=set)

    @property
    def low(self) -> float:
        """Smallest finite voxel; infinity where there is none."""
        return min(volume.low for volume in self.volumes)

    @property
    def high(self) -> float:
        """Largest finite voxel; minus infinity where there is none."""
        return max(volume.high for volume in self.volumes)


def read_preamble(path: Path) -> Preamble:
    """Header and extensions of the file, without its voxels.

    Raises:
        DamagedNiftiError: Not a gzipped NIfTI-1 file that can be read.
    """
    try:
        with open_regular(path) as raw:
            return _preamble(GzipStream(raw))
    except (UnreadableError, OSError) as error:
        raise DamagedNiftiError(_why(error)) from None


def scan_voxels(path: Path, *, distinct: bool = False) -> VoxelScan:
    """Every voxel seen once.

    Args:
        path: A gzipped NIfTI-1 file.
        distinct: Whether to collect the different values.

    Raises:
        DamagedNiftiError: Damaged, cut off, another number of voxels than the header states, or more than 8 GiB of them.
    """
    try:
        with open_regular(path) as raw:
            size = path.stat().st_size
            stream = GzipStream(raw)
            header = _preamble(stream).header
            _check_size(header, size)
            scan = _scan(stream, header, distinct=distinct)
            if stream.read(1):
                raise DamagedNiftiError("bytes after the last voxel")
            return scan
    except (UnreadableError, OSError) as error:
        raise DamagedNiftiError(_why(error)) from None


def _why(error: UnreadableError | OSError) -> str:
    return str(error) if isinstance(error, UnreadableError) else f"a file that cannot be read ({error.strerror})"


def _preamble(stream: GzipStream) -> Preamble:
    header = decode_header(stream.read(HEADER_BYTES))
    before = stream.read(header.voxel_offset - HEADER_BYTES)
    flags, extension = before[: FIRST_VOXEL - HEADER_BYTES], before[FIRST_VOXEL - HEADER_BYTES :]
    return Preamble(header, extension if any(extension) or flags[:1] not in {b"", b"\0"} else b"")


def _check_size(header: NiftiHeader, file_bytes: int) -> None:
    if header.voxel_bytes > file_bytes * MOST_GZIP_RATIO:
        raise DamagedNiftiError("a header that states more voxels than the file can hold")
    if header.voxel_bytes > MOST_VOXEL_BYTES:
        raise DamagedNiftiError("more than 8 GiB of voxels")


def _scan(stream: GzipStream, header: NiftiHeader, *, distinct: bool) -> VoxelScan:
    scan = VoxelScan()
    digest = hashlib.sha256(f"{header.shape} {header.dtype.str} {header.slope} {header.inter}".encode())
    for volume, block in _pieces(stream, header):
        digest.update(block)
        if volume == len(scan.volumes):
            scan.volumes.append(VolumeSums())
        _add(scan, _scaled(np.frombuffer(block, dtype=header.dtype), header), distinct=distinct)
    scan.digest = digest.hexdigest()
    return scan


def _pieces(stream: GzipStream, header: NiftiHeader) -> Iterator[tuple[int, bytes]]:
    """Index of the volume and stored voxels, whole ones; all axes beyond the third count as volumes."""
    in_volume = header.dtype.itemsize * math.prod(header.shape[:3])
    for volume in range(header.voxel_bytes // in_volume):
        missing = in_volume
        while missing:
            block = stream.read(min(missing, PIECE_BYTES))
            if len(block) < min(missing, PIECE_BYTES):
                raise DamagedNiftiError("fewer voxels than the header states")
            missing -= len(block)
            yield volume, block


def _scaled(stored: NDArray[np.generic], header: NiftiHeader) -> NDArray[np.generic]:
    if (header.slope, header.inter) == (1.0, 0.0):
        return stored
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(stored, dtype=np.float64) * header.slope + header.inter


def _add(scan: VoxelScan, values: NDArray[np.generic], *, distinct: bool) -> None:
    if values.dtype.kind == "f":
        finite = np.isfinite(values)
        good = int(np.count_nonzero(finite))
        scan.not_finite += values.size - good
        values = values if good == values.size else values[finite]
    if not values.size:
        return
    volume = scan.volumes[-1]
    volume.count += values.size
    with np.errstate(over="ignore"):
        volume.total += float(values.sum(dtype=np.float64))
    volume.low = min(volume.low, float(values.min()))
    volume.high = max(volume.high, float(values.max()))
    if distinct and len(scan.distinct) < MOST_DISTINCT:
        scan.distinct.update(float(value) for value in np.unique(values)[:MOST_DISTINCT])
