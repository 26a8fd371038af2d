"""The demo's scanners. They differ as hospitals do, and all show fat brighter than muscle in phase."""

from __future__ import annotations

from types import MappingProxyType

from myofed_demo.deformation import Positioning
from myofed_demo.scanner import ScannerPreset

SIEMENS_3T = ScannerPreset(
    name="siemens-3t",
    vendor="siemens",
    export="multi-echo",
    field_tesla=3.0,
    echo_times_ms=(1.15, 2.30, 3.45, 4.60, 5.75, 6.90),
    repetition_time_ms=102.0,
    flip_angle_degrees=15.0,
    shape=(200, 108, 6),
    spacing_mm=(2.0, 2.0, 24.0),
    slice_thickness_mm=6.0,
    muscle_snr=35.0,
    blur_mm=0.6,
    coil_bias=0.08,
    coil_gradient=0.0,
    b0_hz=30.0,
    b1_share=0.08,
    lowest_level_percent=34.0,
    positioning=Positioning(muscle_radius_mm=(44.0, 52.0), fat_thickness_mm=(6.0, 12.0), rotation_degrees=(0.0, 5.0)),
    diseases=("control", "BMD-like", "control", "BMD-like", "LGMDR1-like"),
)

PHILIPS_15T = ScannerPreset(
    name="philips-1.5t",
    vendor="philips",
    export="dixon-products",
    field_tesla=1.5,
    echo_times_ms=(2.30, 4.60),
    repetition_time_ms=120.0,
    flip_angle_degrees=60.0,
    shape=(160, 92, 6),
    spacing_mm=(2.5, 2.5, 22.0),
    slice_thickness_mm=8.0,
    muscle_snr=22.0,
    blur_mm=1.1,
    coil_bias=0.15,
    coil_gradient=0.15,
    b0_hz=18.0,
    b1_share=0.06,
    lowest_level_percent=36.0,
    positioning=Positioning(
        muscle_radius_mm=(48.0, 57.0), fat_thickness_mm=(10.0, 16.0), rotation_degrees=(14.0, 5.0), aspect=(0.92, 1.02)
    ),
    diseases=("FSHD-like", "control", "LGMDR1-like"),
)

GE_3T = ScannerPreset(
    name="ge-3t",
    vendor="ge",
    export="multi-echo",
    field_tesla=3.0,
    echo_times_ms=(1.15, 2.30, 3.45),
    repetition_time_ms=90.0,
    flip_angle_degrees=35.0,
    shape=(144, 84, 6),
    spacing_mm=(2.8, 2.8, 26.0),
    slice_thickness_mm=10.0,
    muscle_snr=18.0,
    blur_mm=1.4,
    coil_bias=0.2,
    coil_gradient=0.6,
    b0_hz=50.0,
    b1_share=0.15,
    lowest_level_percent=30.0,
    positioning=Positioning(
        muscle_radius_mm=(40.0, 50.0), fat_thickness_mm=(6.0, 18.0), rotation_degrees=(-11.0, 6.0), aspect=(1.05, 1.16)
    ),
    diseases=("LGMDR1-like", "FSHD-like", "control", "BMD-like"),
)

SIEMENS_3T_DIXON = ScannerPreset(
    name="siemens-3t-dixon",
    vendor="siemens",
    export="dixon-products",
    field_tesla=3.0,
    echo_times_ms=(1.15, 2.30),
    repetition_time_ms=90.0,
    flip_angle_degrees=25.0,
    shape=(176, 96, 6),
    spacing_mm=(2.3, 2.3, 24.0),
    slice_thickness_mm=8.0,
    muscle_snr=26.0,
    blur_mm=0.9,
    coil_bias=0.12,
    coil_gradient=0.3,
    b0_hz=35.0,
    b1_share=0.1,
    lowest_level_percent=33.0,
    positioning=Positioning(rotation_degrees=(8.0, 6.0)),
)

PRESETS: MappingProxyType[str, ScannerPreset] = MappingProxyType(
    {preset.name: preset for preset in (SIEMENS_3T, PHILIPS_15T, GE_3T, SIEMENS_3T_DIXON)}
)
"""Preset by name, in the order in which a demo of N sites uses them."""


def preset_of_site(index: int) -> ScannerPreset:
    """The preset of the n-th hospital of a demo, from 0: the presets in turn."""
    return tuple(PRESETS.values())[index % len(PRESETS)]
