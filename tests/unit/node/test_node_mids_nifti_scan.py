"""Voxels seen in pieces: the same numbers as with all of them in memory."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
from broken.nifti_writer import Fields, nifti, write

import myofed_node.mids.validation.nifti_scan as scanning
from myofed_node.mids.validation.nifti_scan import MOST_DISTINCT, read_preamble, scan_voxels


@pytest.fixture(params=[7 * 8, 2**22])
def piece_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Pieces that end inside a volume, and ones that hold it whole."""
    monkeypatch.setattr(scanning, "PIECE_BYTES", request.param)
    monkeypatch.setattr(scanning, "_PACKED_BYTES", 13)
    return int(request.param)


@pytest.mark.parametrize("kind", ["u1", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.usefixtures("piece_bytes")
def test_numbers_of_each_volume_are_those_of_the_whole(tmp_path: Path, kind: str, order: str) -> None:
    """Smallest, largest and mean, of every type and byte order."""
    values = np.random.default_rng(3).uniform(0, 100, (5, 6, 7, 3)).astype(kind)
    write(tmp_path / "x.nii.gz", values, Fields(order=order))
    scan = scan_voxels(tmp_path / "x.nii.gz", distinct=True)
    expected = [(values[..., n].min(), values[..., n].max(), values[..., n].mean(dtype=np.float64)) for n in range(3)]
    assert [(v.low, v.high) for v in scan.volumes] == [(float(low), float(high)) for low, high, _ in expected]
    assert np.allclose([v.mean for v in scan.volumes], [mean for _, _, mean in expected], rtol=1e-12)
    assert (scan.low, scan.high, scan.not_finite) == (float(values.min()), float(values.max()), 0)
    assert scan.distinct == {float(value) for value in np.unique(values)}


@pytest.mark.usefixtures("piece_bytes")
def test_what_is_not_finite_is_counted_and_left_out(tmp_path: Path) -> None:
    """A volume of nothing else has no mean."""
    values = np.ones((5, 6, 7, 2), dtype=np.float32)
    values[0, 0, 0, 0], values[1, 0, 0, 0], values[..., 1] = np.nan, -np.inf, np.inf
    write(tmp_path / "x.nii.gz", values)
    scan = scan_voxels(tmp_path / "x.nii.gz")
    assert scan.not_finite == 212
    assert (scan.low, scan.high, scan.volumes[0].mean) == (1.0, 1.0, 1.0)
    assert np.isnan(scan.volumes[1].mean)


def test_scaling_of_the_header_is_applied(tmp_path: Path) -> None:
    """As every reader does."""
    values = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    write(tmp_path / "x.nii.gz", values, Fields(slope=0.5, inter=-10.0))
    scan = scan_voxels(tmp_path / "x.nii.gz")
    assert (scan.low, scan.high) == (-10.0, 19.5)


def test_digest_is_of_the_voxels_and_not_of_their_compression(tmp_path: Path) -> None:
    """Another level, several members and padding are the same image; another shape, type or voxel is not."""
    values = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    inside = nifti(values)
    forms = [
        gzip.compress(inside, 9),
        gzip.compress(inside, 0) + bytes(50),
        gzip.compress(inside[:400]) + gzip.compress(inside[400:]),
        gzip.compress(nifti(values.reshape(4, 3, 5))),
        gzip.compress(nifti(values.astype(np.uint16))),
        gzip.compress(nifti(values + np.int16(1))),
        gzip.compress(nifti(values, Fields(slope=2.0))),
    ]
    digests = []
    for number, content in enumerate(forms):
        (tmp_path / f"{number}.nii.gz").write_bytes(content)
        digests.append(scan_voxels(tmp_path / f"{number}.nii.gz").digest)
    assert len(set(digests[:3])) == 1
    assert len(set(digests)) == 5
    assert len(digests[0]) == len(hashlib.sha256().hexdigest())


def test_distinct_values_are_collected_on_request_and_not_without_end(tmp_path: Path) -> None:
    """A label map has some; an image that is called one may have millions."""
    values = np.arange(40 * 50 * 60, dtype=np.int32).reshape(40, 50, 60)
    write(tmp_path / "x.nii.gz", values)
    assert scan_voxels(tmp_path / "x.nii.gz").distinct == set()
    assert len(scan_voxels(tmp_path / "x.nii.gz", distinct=True).distinct) == MOST_DISTINCT


def test_bytes_before_the_voxels_are_an_extension_whether_they_say_so_or_not(tmp_path: Path) -> None:
    """Hidden bytes are found without the flag; zeros are padding."""
    values = np.zeros((2, 2, 2), np.int16)
    for content, expected in ((bytes(16), b""), (b"\1" + bytes(15), b"\1" + bytes(15))):
        inside = bytearray(nifti(values, Fields(extension=content)))
        inside[348] = 0
        (tmp_path / "x.nii.gz").write_bytes(gzip.compress(bytes(inside)))
        assert read_preamble(tmp_path / "x.nii.gz").extension == expected
        assert scan_voxels(tmp_path / "x.nii.gz").high == 0
