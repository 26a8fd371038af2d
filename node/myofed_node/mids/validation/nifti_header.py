"""The header of a NIfTI-1 file, decoded without trust in it; for checking, where nibabel would repair or fail.

Field names, offsets and the quaternion are those of the NIfTI-1.1 standard (nifti1.h, methods 2 and 3).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from myofed_node.mids.validation.nifti_qform import Qform

HEADER_BYTES: Final = 348
FIRST_VOXEL: Final = 352
"""Smallest vox_offset of a single file."""
MOST_BYTES_BEFORE_VOXELS: Final = FIRST_VOXEL + 2**20
_VERSION_2: Final = 540
_FIELDS: Final = "i10s18sihcB8h3fhhhh8ffffhcBffffii80s24shh6f4f4f4f16s4s"
_NAMES: Final = [
    "sizeof_hdr",
    "data_type",
    "db_name",
    "extents",
    "session_error",
    "regular",
    "dim_info",
    "dim1",
    "dim2",
    "dim3",
    "dim4",
    "dim5",
    "dim6",
    "dim7",
    "dim8",
    "intent_p1",
    "intent_p2",
    "intent_p3",
    "intent_code",
    "datatype",
    "bitpix",
    "slice_start",
    "pixdim1",
    "pixdim2",
    "pixdim3",
    "pixdim4",
    "pixdim5",
    "pixdim6",
    "pixdim7",
    "pixdim8",
    "vox_offset",
    "scl_slope",
    "scl_inter",
    "slice_end",
    "slice_code",
    "xyzt_units",
    "cal_max",
    "cal_min",
    "slice_duration",
    "toffset",
    "glmax",
    "glmin",
    "descrip",
    "aux_file",
    "qform_code",
    "sform_code",
    "quatern_b",
    "quatern_c",
    "quatern_d",
    "qoffset_x",
    "qoffset_y",
    "qoffset_z",
    "x1",
    "x2",
    "x3",
    "x4",
    "y1",
    "y2",
    "y3",
    "y4",
    "z1",
    "z2",
    "z3",
    "z4",
    "intent_name",
    "magic",
]
_DTYPES: Final = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
"""Codes of real numbers; complex, colour and long double images are no part of ORMIR-MIDS."""
_SPACE_UNITS: Final = {0: "unknown", 1: "meter", 2: "mm", 3: "micron"}
_TEXTS: Final = ("data_type", "db_name", "descrip", "aux_file", "intent_name")


class DamagedNiftiError(ValueError):
    """The file is no NIfTI-1 image of real numbers; the message says why and never what stands in it."""


@dataclass(frozen=True)
class NiftiHeader:
    """What the header says.

    Attributes:
        shape: Voxels along each axis.
        spacing_mm: pixdim of the three axes of space.
        dtype: Of the stored voxels, with byte order.
        slope: scl_slope; 1 where the header says that there is no scaling.
        inter: scl_inter; 0 where there is no scaling.
        sform_ras: (4, 4), RAS mm; None where sform_code is 0.
        qform: As it stands.
        space_unit: `mm`, `meter`, `micron`, `unknown` or `undefined`.
        texts: Non-empty text fields by name.
        voxel_offset: First byte of the voxels.
    """

    shape: tuple[int, ...]
    spacing_mm: NDArray[np.float64]
    dtype: np.dtype[np.generic]
    slope: float
    inter: float
    sform_ras: NDArray[np.float64] | None
    qform: Qform
    space_unit: str
    texts: dict[str, str]
    voxel_offset: int

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def affine_ras(self) -> NDArray[np.float64] | None:
        """The geometry that readers use: sform, else qform; None where there is neither."""
        return self.sform_ras if self.sform_ras is not None else self.qform.affine_ras

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        return int(np.prod([int(n) for n in self.shape], dtype=object))

    @property
    def voxel_bytes(self) -> int:
        """Bytes of all voxels."""
        return self.voxels * self.dtype.itemsize


def decode_header(block: bytes) -> NiftiHeader:
    """What the first 348 bytes of a file say.

    Raises:
        DamagedNiftiError: No header of a single NIfTI-1 file, or one that no reader could use.
    """
    if len(block) < HEADER_BYTES:
        raise DamagedNiftiError("a file shorter than its header")
    order = next((o for o in "<>" if struct.unpack_from(f"{o}i", block)[0] == HEADER_BYTES), None)
    if order is None:
        second = any(struct.unpack_from(f"{o}i", block)[0] == _VERSION_2 for o in "<>")
        raise DamagedNiftiError("NIfTI-2" if second else "no NIfTI header")
    raw = dict(zip(_NAMES, struct.unpack_from(order + _FIELDS, block), strict=True))
    if raw["magic"] != b"n+1\0":
        raise DamagedNiftiError("a header for voxels in another file" if raw["magic"] == b"ni1\0" else "no NIfTI magic")
    if raw["datatype"] not in _DTYPES:
        raise DamagedNiftiError("voxels that are no real numbers")
    dtype = np.dtype(order + _DTYPES[raw["datatype"]])
    if raw["bitpix"] != 8 * dtype.itemsize:
        raise DamagedNiftiError("a bitpix that does not fit the datatype")
    slope, inter = _scaling(raw["scl_slope"], raw["scl_inter"])
    return NiftiHeader(
        shape=_shape([raw[f"dim{i}"] for i in range(1, 9)]),
        spacing_mm=_spacing(raw),
        dtype=dtype,
        slope=slope,
        inter=inter,
        sform_ras=_sform(raw) if raw["sform_code"] > 0 else None,
        qform=_qform(raw),
        space_unit=_SPACE_UNITS.get(raw["xyzt_units"] & 7, "undefined"),
        texts={name: text for name in _TEXTS if (text := _text(raw[name]))},
        voxel_offset=_offset(raw["vox_offset"]),
    )


def _shape(dim: list[int]) -> tuple[int, ...]:
    shape = tuple(dim[1 : 1 + max(dim[0], 0)])
    if not 1 <= dim[0] <= 7 or min(shape) < 1:
        raise DamagedNiftiError("dimensions below 1 or more than seven")
    return shape


def _scaling(slope: float, inter: float) -> tuple[float, float]:
    """A slope of 0 or no number means none (nifti1.h, data scaling)."""
    if slope == 0 or not np.isfinite(slope):
        return 1.0, 0.0
    if not np.isfinite(inter):
        raise DamagedNiftiError("a scaling that is no number")
    return float(slope), float(inter)


def _offset(vox_offset: float) -> int:
    if not FIRST_VOXEL <= vox_offset <= MOST_BYTES_BEFORE_VOXELS or vox_offset != int(vox_offset):
        raise DamagedNiftiError("voxels that begin nowhere")
    return int(vox_offset)


def _text(raw: bytes) -> str:
    """Everything up to the padding: what stands behind a first zero byte can still be read by whoever looks."""
    return raw.rstrip(b"\0 ").decode("latin-1").strip()


def _sform(raw: dict[str, float]) -> NDArray[np.float64]:
    rows = [[raw[f"{axis}{i}"] for i in (1, 2, 3, 4)] for axis in "xyz"]
    return np.array([*rows, [0, 0, 0, 1]], dtype=np.float64)


def _qform(raw: dict[str, float]) -> Qform:
    return Qform(
        code=int(raw["qform_code"]),
        bcd=np.array([raw[f"quatern_{i}"] for i in "bcd"], dtype=np.float64),
        offset_mm=np.array([raw[f"qoffset_{axis}"] for axis in "xyz"], dtype=np.float64),
        spacing_mm=_spacing(raw),
        handed=-1.0 if raw["pixdim1"] < 0 else 1.0,
    )


def _spacing(raw: dict[str, float]) -> NDArray[np.float64]:
    return np.array([raw[f"pixdim{i}"] for i in (2, 3, 4)], dtype=np.float64)
