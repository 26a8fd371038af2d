"""NIfTI files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mids_factories import affine_ras

from myofed_node.mids.nifti import nifti_bytes, read_nifti, write_nifti

VALUES = np.arange(60, dtype=np.int16).reshape(3, 4, 5)


def test_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader sees the old image or the new one, never a part."""
    path = tmp_path / "x.nii.gz"
    write_nifti(path, VALUES, affine_ras())
    before = path.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("myofed_schemas.files.os.fsync", full)
    with pytest.raises(OSError, match="space"):
        write_nifti(path, VALUES + 1, affine_ras())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_same_image_gives_the_same_bytes() -> None:
    """No time stamp and no name in the gzip header."""
    assert nifti_bytes(VALUES, affine_ras()) == nifti_bytes(VALUES.copy(), affine_ras().copy())


def test_geometry_is_said_twice_and_alike(tmp_path: Path) -> None:
    """Sform and qform agree, codes are scanner, unit is mm."""
    write_nifti(tmp_path / "x.nii.gz", VALUES, affine_ras())
    header = read_nifti(tmp_path / "x.nii.gz").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (1, 1)
    assert np.allclose(header.get_sform(), header.get_qform(), atol=1e-4)
    assert np.allclose(header.get_sform(), affine_ras(), atol=1e-4)
    assert header.get_xyzt_units()[0] == "mm"
