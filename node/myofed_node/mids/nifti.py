"""NIfTI files: the same bytes for the same image, written whole or not at all."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from myofed_schemas.files import write_atomically

GZIP_LEVEL = 1
"""A fifth of the time of the usual 6 for files a tenth larger."""
AFFINE_TOLERANCE_MM = 1e-3


def nifti_bytes(values: NDArray[np.generic], affine_ras: NDArray[np.float64]) -> bytes:
    """A gzipped NIfTI-1 with sform and qform (code 1, scanner), units mm; no time stamp, no name.

    Args:
        values: 3D or 4D.
        affine_ras: (4, 4), voxel index -> mm, RAS.
    """
    image: Any = nib.nifti1.Nifti1Image(values, affine_ras)  # type: ignore[no-untyped-call]  # nibabel has no types
    image.set_sform(affine_ras, code=1)
    image.set_qform(affine_ras, code=1)
    image.header.set_xyzt_units("mm")
    return gzip.compress(image.to_bytes(), compresslevel=GZIP_LEVEL, mtime=0)


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
