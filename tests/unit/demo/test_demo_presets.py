"""The demo's scanners."""

from __future__ import annotations

from myofed_demo.presets import PRESETS, preset_of_site
from myofed_demo.scanner import ScannerPreset


def test_every_scanner_has_an_echo_in_phase() -> None:
    """Within a tenth of a water-fat period (3.4 ppm) of a whole one, so that every site can form the one channel."""
    for preset in PRESETS.values():
        periods = preset.echo_times_ms[preset.in_phase_echo] * 1e-3 * 3.4 * preset.imaging_frequency_mhz
        assert abs(periods - round(periods)) < 0.1


def test_three_sites_have_three_vendors() -> None:
    """The first three presets are by three vendors."""
    assert {preset_of_site(index).vendor for index in range(3)} == {"siemens", "philips", "ge"}


def test_more_sites_than_presets_use_them_again() -> None:
    """The fifth site has the first preset."""
    assert preset_of_site(len(PRESETS)) is preset_of_site(0)


def test_presets_differ_in_what_hospitals_differ_in() -> None:
    """No two share resolution, flip angle, noise and coil."""

    def figures(preset: ScannerPreset) -> tuple[object, ...]:
        return preset.spacing_mm, preset.flip_angle_degrees, preset.muscle_snr, preset.coil_bias

    assert len({figures(preset) for preset in PRESETS.values()}) == len(PRESETS)
