"""NIfTI files: the same bytes for the same image, written whole or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from myofed_schemas.files import write_atomically

GZIP_LEVEL = 2
"""Of Intel's ISA-L: a quarter of the time of zlib's level 1, and smaller files. The same bytes on every x86-64 processor of the
last fifteen years (it has two ways, with SSE4.2 and without); those of an ARM may differ, the voxels never."""
GZIP = 31
"""wbits of a gzip stream without name and time."""
AFFINE_TOLERANCE_MM = 1e-3
HEADER_BYTES, NO_EXTENSION = 352, bytes(4)
"""Of a single file without extensions (nifti1.h)."""


def nifti_bytes(values: NDArray[np.generic], affine_ras: NDArray[np.float64]) -> bytes:
    """A gzipped NIfTI-1 with sform and qform (code 1, scanner), units mm; no time stamp, no name.

    Args:
        values: 3D or 4D.
        affine_ras: (4, 4), voxel index -> mm, RAS.
    """
    from isal import isal_zlib

    header: Any = nib.nifti1.Nifti1Image(values, affine_ras)  # type: ignore[no-untyped-call]  # nibabel has no types
    header.set_sform(affine_ras, code=1)
    header.set_qform(affine_ras, code=1)
    header.header.set_xyzt_units("mm")
    header.header["vox_offset"], header.header["scl_slope"], header.header["scl_inter"] = HEADER_BYTES, 1.0, 0.0
    voxels = np.asarray(values, dtype=values.dtype.newbyteorder("<")).ravel(order="F")
    stream = isal_zlib.compressobj(GZIP_LEVEL, wbits=GZIP)
    head = stream.compress(header.header.binaryblock + NO_EXTENSION)
    return b"".join((head, stream.compress(voxels.view(np.uint8).data), stream.flush()))


def write_nifti(path: Path, values: NDArray[np.generic], affine_ras: NDArray[np.float64]) -> str:
    """The file is there, whole; its folder is made.

    Returns:
        SHA-256 of the file.
    """
    content = nifti_bytes(values, affine_ras)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)
    return hashlib.sha256(content).hexdigest()


def read_nifti(path: Path) -> Any:
    """The nibabel image at `path`; voxels are read when asked for.

    Raises:
        OSError: No such file.
        nibabel.filebasedimages.ImageFileError: Not a NIfTI file.
    """
    return nib.nifti1.Nifti1Image.from_filename(path)
