"""Signal model and scanner."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from myofed_demo.body import Body
from myofed_demo.presets import GE_3T, PHILIPS_15T, PRESETS, SIEMENS_3T
from myofed_demo.scanner import (
    FAT_PEAKS_SHARE,
    ScannerPreset,
    acquire,
    coil_sensitivity,
    dixon_products,
    ernst_signal,
    fat_phasor,
    grid_of,
)


def test_fat_peaks_sum_to_one() -> None:
    """At echo time zero fat counts as much as water (Hamilton's six relative amplitudes)."""
    assert sum(FAT_PEAKS_SHARE) == pytest.approx(1.0, abs=0.002)
    assert fat_phasor(0.0, 127.7).real == pytest.approx(1.0, abs=0.002)


def test_fat_is_in_phase_at_2_3_ms_and_opposed_at_1_15_ms_at_3_t() -> None:
    """The six-peak sum has positive real part at one period of 434 Hz and negative at half of it."""
    assert fat_phasor(2.30, SIEMENS_3T.imaging_frequency_mhz).real > 0.8
    assert fat_phasor(1.15, SIEMENS_3T.imaging_frequency_mhz).real < -0.6


def test_ernst_signal_has_its_maximum_at_the_ernst_angle() -> None:
    """cos(a) = exp(-TR/T1) (Ernst 1966)."""
    angle = np.deg2rad(np.arange(1, 90, 0.1, dtype=np.float32))
    signal = ernst_signal(angle, repetition_time_ms=100.0, t1_ms=1000.0)
    assert float(angle[np.argmax(signal)]) == pytest.approx(np.arccos(np.exp(-0.1)), abs=0.005)


@pytest.mark.parametrize(("preset", "expected_ms"), [(SIEMENS_3T, 2.30), (PHILIPS_15T, 4.60), (GE_3T, 2.30)])
def test_in_phase_echo_is_the_first_near_one_period(preset: ScannerPreset, expected_ms: float) -> None:
    """2.30 ms at 3 T and 4.60 ms at 1.5 T."""
    assert preset.echo_times_ms[preset.in_phase_echo] == expected_ms


def uniform_body(water: float, fat: float) -> Body:
    """A block of one tissue."""
    shape = (24, 16, 2)
    return Body(np.zeros(shape, np.int16), np.full(shape, water, np.float32), np.full(shape, fat, np.float32))


def ideal(preset: ScannerPreset) -> ScannerPreset:
    """The scanner without coil, field errors and (nearly) noise."""
    return replace(preset, muscle_snr=1e6, coil_bias=0.0, coil_gradient=0.0, b0_hz=20.0, b1_share=0.0, blur_mm=0.1)


@pytest.mark.parametrize("name", list(PRESETS))
def test_dixon_products_of_an_ideal_scan_are_the_tissue(name: str) -> None:
    """Water and fat come back in their T1-weighted ratio, with the off-resonance given; R2* of 37/s costs some percent."""
    preset = ideal(PRESETS[name])
    water, fat = dixon_products(acquire(uniform_body(0.5, 0.25), preset, np.random.default_rng(0)), preset)
    pure_water, _ = dixon_products(acquire(uniform_body(0.5, 0.0), preset, np.random.default_rng(0)), preset)
    _, pure_fat = dixon_products(acquire(uniform_body(0.0, 0.25), preset, np.random.default_rng(0)), preset)
    assert float(np.median(water)) == pytest.approx(float(np.median(pure_water)), rel=0.1)
    assert float(np.median(fat)) == pytest.approx(float(np.median(pure_fat)), rel=0.1)


def test_noise_has_the_asked_size() -> None:
    """In air the real part's standard deviation is the healthy muscle's signal over the SNR."""
    preset = replace(SIEMENS_3T, muscle_snr=20.0)
    quiet = acquire(uniform_body(0.0, 0.0), preset, np.random.default_rng(1)).echoes
    muscle = acquire(uniform_body(0.85, 0.0), ideal(preset), np.random.default_rng(1)).echoes[..., 0]
    assert float(quiet.real.std()) == pytest.approx(float(np.abs(muscle).mean()) / 20.0, rel=0.1)


def test_surface_coil_is_brighter_in_front() -> None:
    """Sensitivity falls from anterior to posterior where the preset has a gradient."""
    coil = coil_sensitivity(replace(GE_3T, coil_bias=0.0), (20, 60, 2), np.random.default_rng(2))
    assert np.all(np.diff(coil.mean(axis=(0, 2))) < 0)


def test_grid_is_centred_on_the_isocentre() -> None:
    """The mean of the first and last voxel's position is zero."""
    grid = grid_of(PHILIPS_15T)
    ends = grid.affine_lps() @ np.array([[0, 0, 0, 1], [*(n - 1 for n in grid.shape), 1]]).T
    assert ends[:3].mean(axis=1) == pytest.approx([0, 0, 0])
