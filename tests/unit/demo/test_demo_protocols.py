"""Real values of the protocols' volumes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from myofed_demo import protocols
from myofed_demo.protocols import Kind


def test_six_echoes_come_as_magnitude_and_phase() -> None:
    """Ascending echo times; phases within a half turn and not all alike."""
    scan = protocols.megre()
    by_kind = {k: [v for v in scan.volumes if v.kind is k] for k in (Kind.MAGNITUDE, Kind.PHASE)}
    assert [[v.echo_time_ms for v in found] for found in by_kind.values()] == [[*protocols.MEGRE_ECHO_TIMES_MS]] * 2
    phases = np.stack([v.values for v in by_kind[Kind.PHASE]])
    assert np.abs(phases).max() <= np.pi
    assert phases.std(axis=0).min() > 0


def test_seventeen_spin_echoes_decay() -> None:
    """At n times the first echo time, each darker than the one before."""
    volumes = protocols.mese().volumes
    assert [v.echo_time_ms for v in volumes] == [pytest.approx(11.0 * n) for n in range(1, 18)]
    assert all((later.values < earlier.values).all() for earlier, later in pairwise(volumes))


def test_dixon_products_belong_together() -> None:
    """In phase is the sum, opposed phase the difference, fat fraction the share in percent."""
    values = {v.kind: v.values for v in protocols.dixon().volumes}
    water, fat = values[Kind.WATER], values[Kind.FAT]
    assert np.allclose(values[Kind.IN_PHASE], water + fat)
    assert np.allclose(values[Kind.OPPOSED_PHASE], np.abs(water - fat))
    assert np.allclose(values[Kind.FAT_FRACTION], 100 * fat / (water + fat))


def test_field_map_has_both_signs() -> None:
    """A reader that drops the sign is found out."""
    (volume,) = protocols.field_map(magnitude=False).volumes
    assert volume.values.min() < -50 < 50 < volume.values.max()


def test_localizer_has_three_planes_at_right_angles() -> None:
    """One slice each."""
    volumes = protocols.localizer().volumes
    normals = np.stack([v.affine_lps[:3, 2] / np.linalg.norm(v.affine_lps[:3, 2]) for v in volumes])
    assert np.allclose(normals @ normals.T, np.eye(3), atol=1e-6)
    assert {v.values.shape[2] for v in volumes} == {1}
