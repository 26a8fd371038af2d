"""The reference implementation of ORMIR-MIDS finds and loads every kind of image that we write."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from myofed_node.mids.nifti import write_nifti
from myofed_schemas.mids import ImageName, Part, Suffix
from myofed_schemas.sidecar import Provenance, Sidecar

pytest.importorskip("voxel", reason="ormir-mids is not installed in this environment")

PARTS = {Suffix.MEGRE: (None, Part.PHASE, Part.REAL, Part.IMAG)}
NAMES = [
    ImageName("S1", "A", suffix, part, run)
    for suffix in Suffix
    for part in PARTS.get(suffix, (None,))
    for run in (1, 2)
]
SCRIPT = """
import json, sys
from ormir_mids.utils.io import find_omids, load_omids
told = {}
for suffix in sys.argv[2:]:
    for path in find_omids(sys.argv[1], "_" + suffix):
        loaded = load_omids(path)
        told[path] = [suffix, loaded.omids_header, list(loaded.volume.shape), float(loaded.volume.sum()),
                      loaded.affine.tolist(), loaded.patient_header, loaded.extra_header]
print(json.dumps(told))
"""


def written(dataset: Path, name: ImageName) -> tuple[np.ndarray, np.ndarray]:
    """Voxels and affine of an image that lies in the data set under this name, with its sidecar."""
    rng = np.random.default_rng(NAMES.index(name))
    values = rng.integers(0, 1000, (5, 4, 3, 2) if name.suffix.stacks_echoes else (5, 4, 3)).astype(np.int16)
    affine = np.diag([-1.5, 2.0, 6.0, 1.0])
    affine[:3, 3] = rng.uniform(-100, 100, 3)
    digest = write_nifti(dataset / name.image, values, affine)
    provenance = Provenance(
        source_series_instance_uid="2.25.1",
        source_digest="0" * 64,
        source_files=1,
        policy_digest="0" * 64,
        image_digest=digest,
        value_scaling="stored",
        tools={},
    )
    echo_times = (2.3, 4.6) if name.suffix.stacks_echoes else 2.3
    sidecar = Sidecar(
        echo_time_ms=echo_times,
        fourth_dimension="EchoTime" if name.suffix.stacks_echoes else None,
        units="rad" if name.part is Part.PHASE else name.suffix.unit,
        provenance=provenance,
    )
    (dataset / name.sidecar).write_bytes(sidecar.to_json())
    return values, affine


def test_every_suffix_part_and_run_is_found_and_loaded(tmp_path: Path) -> None:
    """Each once, with our voxels, geometry and sidecar, and without a patient's file; in its own process, which writes to HOME."""
    dataset = tmp_path / "mids"
    truth = {str(dataset / name.image): (name, *written(dataset, name)) for name in NAMES}
    home = {"HOME": str(tmp_path), "VOXEL_CONFIG": str(tmp_path / "config.yaml")}
    command = [sys.executable, "-c", SCRIPT, str(dataset), *(suffix.value for suffix in Suffix)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | home)
    told = json.loads(done.stdout.splitlines()[-1])
    assert told.keys() == truth.keys()
    for path, (suffix, header, shape, total, affine, patient, extra) in told.items():
        name, values, wanted = truth[path]
        assert (suffix, shape, total) == (name.suffix.value, list(values.shape), float(values.sum()))
        assert np.allclose(affine, wanted, atol=1e-3)
        assert header == json.loads((dataset / name.sidecar).read_bytes())
        assert (patient, extra) == ({}, {})
