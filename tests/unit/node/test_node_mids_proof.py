"""The independent proof of what was written."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from isal import igzip
from mids_factories import affine_ras, classic, stored

from myofed_node.mids.dicom_input.headers import read_series
from myofed_node.mids.judging.classify import classify
from myofed_node.mids.nifti import write_nifti
from myofed_node.mids.pixels import LinearMap
from myofed_node.mids.proof import SourceFrame, prove
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_schemas.mids import Part

TRUTH = np.stack([np.stack([stored(k, e).T for k in range(3)], axis=2) for e in range(2)], axis=3).astype(np.int16)


def sources() -> list[SourceFrame]:
    files = classic()
    image = classify(read_series(files))[0]
    return [
        SourceFrame(frame, files[frame.file].pixel_array, LinearMap(1.0, 0.0), echo)
        for group in image.stack.frames
        for echo, frame in enumerate(group)
    ]


def shifted(affine: np.ndarray) -> np.ndarray:
    moved = affine.copy()
    moved[0, 3] += 1.0
    return moved


def mirrored(affine: np.ndarray) -> np.ndarray:
    return np.diag([-1.0, 1.0, 1.0, 1.0]) @ affine


@pytest.mark.parametrize(
    ("values", "change", "code"),
    [
        (TRUTH[::-1], lambda a: a, "WRITTEN_VALUES_DIFFER"),
        (TRUTH[:, :, ::-1], lambda a: a, "WRITTEN_VALUES_DIFFER"),
        (TRUTH[..., ::-1], lambda a: a, "WRITTEN_VALUES_DIFFER"),
        (TRUTH + 1, lambda a: a, "WRITTEN_VALUES_DIFFER"),
        (TRUTH, mirrored, "WRITTEN_GEOMETRY_DIFFERS"),
        (TRUTH, shifted, "WRITTEN_GEOMETRY_DIFFERS"),
        (np.concatenate([TRUTH, TRUTH[:, :, :1]], axis=2), lambda a: a, "WRITTEN_GEOMETRY_DIFFERS"),
        (TRUTH[:-1], lambda a: a, "WRITTEN_GEOMETRY_DIFFERS"),
    ],
    ids=["columns", "slices", "echoes", "values", "mirror", "half-voxel", "extra-slice", "cropped"],
)
def test_every_corruption_is_caught(
    tmp_path: Path, values: np.ndarray, change: Callable[[np.ndarray], np.ndarray], code: str
) -> None:
    """Flipped, swapped, changed, mirrored, shifted or cropped: the source frames do not agree."""
    write_nifti(tmp_path / "x.nii.gz", values, change(affine_ras()))
    with pytest.raises(SeriesRefusedError) as refusal:
        prove(tmp_path / "x.nii.gz", sources(), part=Part.MAG)
    assert refusal.value.code == code


def test_faithful_file_is_proven_voxel_by_voxel(tmp_path: Path) -> None:
    """The truth passes, and the count says how much was compared."""
    write_nifti(tmp_path / "x.nii.gz", TRUTH, affine_ras())
    assert prove(tmp_path / "x.nii.gz", sources(), part=Part.MAG) == TRUTH.size


def test_nothing_compared_is_no_proof(tmp_path: Path) -> None:
    """Without source frames the file is refused."""
    write_nifti(tmp_path / "x.nii.gz", TRUTH, affine_ras())
    with pytest.raises(SeriesRefusedError):
        prove(tmp_path / "x.nii.gz", [], part=Part.MAG)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[:-20],
        lambda content: b"no gzip" + content,
        lambda content: igzip.compress(igzip.decompress(content)[:300]),
        lambda content: igzip.compress(b"\0" + igzip.decompress(content)),
        lambda content: igzip.compress(patched(content, 112, struct.pack("<ff", 2.0, 0.0))),
        lambda content: igzip.compress(patched(content, 254, struct.pack("<h", 0))),
        lambda content: igzip.compress(patched(content, 280, bytes(48))),
        lambda content: igzip.compress(patched(content, 40, struct.pack("<8h", 2, 20, 18, 1, 1, 1, 1, 1))),
    ],
)
def test_file_that_is_not_readable_as_written_is_refused(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    """Cut, of another kind, scaled, without or with a singular sform, of two dimensions: no proof."""
    path = tmp_path / "x.nii.gz"
    write_nifti(path, TRUTH, affine_ras())
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(SeriesRefusedError) as refusal:
        prove(path, sources(), part=Part.MAG)
    assert refusal.value.code in {"WRITTEN_VALUES_DIFFER", "WRITTEN_GEOMETRY_DIFFERS"}


def patched(content: bytes, start: int, value: bytes) -> bytes:
    """The inflated file with these bytes of its header."""
    inflated = igzip.decompress(content)
    return inflated[:start] + value + inflated[start + len(value) :]
