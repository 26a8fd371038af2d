"""A tiny scanner and a tiny hospital, made once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from myofed_demo.hospital import make_hospital
from myofed_demo.presets import PRESETS
from myofed_demo.scanner import ScannerPreset


def tiny(preset: ScannerPreset) -> ScannerPreset:
    """The preset with a quarter of the voxels in plane and three slices, over the same body."""
    (ni, nj, nk), (di, dj, dk) = preset.shape, preset.spacing_mm
    shape = (round(ni / 2), round(nj / 2), 3)
    return replace(preset, shape=shape, spacing_mm=(di * ni / shape[0], dj * nj / shape[1], dk * nk / 3))


@pytest.fixture(params=list(PRESETS), scope="session")
def preset(request: pytest.FixtureRequest) -> ScannerPreset:
    """Each scanner in turn, tiny."""
    return tiny(PRESETS[request.param])


@pytest.fixture(scope="session")
def export(preset: ScannerPreset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of a hospital of two patients with this scanner."""
    out = tmp_path_factory.mktemp("exports") / preset.name
    make_hospital(out, name="here", preset=preset, subjects=2, seed=7)
    return out
