"""`kill -9` in the middle of an export and run again: the same DICOM, no half series."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from reading_factories import small_dataset, tree, write_image

from myofed_node.mids.back_to_dicom.dicom_export import export_dicom
from myofed_schemas.mids import ImageName, Suffix

SLICES, ECHOES = 40, 6
SCRIPT = "import sys; from pathlib import Path; from myofed_node.mids.back_to_dicom.dicom_export import export_dicom\n"
SCRIPT += "export_dicom(Path(sys.argv[1]), Path(sys.argv[2]))"


def _files(out: Path) -> int:
    """DICOM files below OUT; folders may be renamed meanwhile, which os.walk passes over."""
    return sum(name.endswith(".dcm") for _, _, names in os.walk(out) for name in names)


def killed_at(dataset: Path, out: Path, *, files: int) -> None:
    """An export was killed as soon as this many files were there, whole or not."""
    child = subprocess.Popen([sys.executable, "-c", SCRIPT, dataset, out])
    try:
        deadline = time.monotonic() + 60
        while _files(out) < files and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
    finally:
        child.kill()
        child.wait()


@pytest.mark.slow
@pytest.mark.functional
def test_killed_export_goes_on(tmp_path: Path) -> None:
    """At several points, one after the other into one folder; every series that has its name is whole."""
    dataset = small_dataset(tmp_path / "mids")
    values = np.arange(32 * 32 * SLICES * ECHOES, dtype=np.int32).reshape((32, 32, SLICES, ECHOES)) % 4096
    times = tuple(1.15 * (echo + 1) for echo in range(ECHOES))
    for run in (2, 3):
        write_image(dataset, ImageName("01", "A", Suffix.MEGRE, run=run), values.astype(np.int16), EchoTime=times)
    export_dicom(dataset, tmp_path / "reference")
    expected = tree(tmp_path / "reference")
    stopped_within = 0
    for files in (1, 8, 120, 250, 400):
        killed_at(dataset, tmp_path / "out", files=files)
        found = tree(tmp_path / "out")
        named = {path: digest for path, digest in found.items() if "/." not in path}
        assert named.items() <= expected.items()
        assert {path.rsplit("/", 1)[0] for path in named} <= {path.rsplit("/", 1)[0] for path in expected}
        for folder in {path.rsplit("/", 1)[0] for path in named}:
            assert {p for p in named if p.startswith(f"{folder}/")} == {
                p for p in expected if p.startswith(f"{folder}/")
            }
        stopped_within += len(found) > len(named)
    assert stopped_within, "no kill came while a series was written: the test proves nothing"
    export_dicom(dataset, tmp_path / "out")
    assert tree(tmp_path / "out") == expected
