"""What a scanner makes of two thighs: T1 weighting, echoes, coil sensitivity, blur and noise of one hospital's protocol.

Signal of a spoiled gradient echo with water and a six-peak fat spectrum (Hamilton 2011):
`S(TE) = (W s_w + F s_f sum_k a_k exp(2 pi i f_k TE)) exp(2 pi i psi TE) exp(-R2* TE)`, with the Ernst signal
`s = sin(a) (1 - E1) / (1 - cos(a) E1)`, `E1 = exp(-TR / T1)`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from myofed_demo.anatomy_geometry import Float32
from myofed_demo.body import Body, Grid
from myofed_demo.deformation import Positioning
from myofed_demo.disease import Disease
from myofed_demo.texture import smooth_noise_3d

Complex64 = NDArray[np.complex64]

FAT_PEAKS_PPM = (-3.80, -3.40, -2.60, -1.94, -0.39, 0.60)
FAT_PEAKS_SHARE = (0.087, 0.693, 0.128, 0.004, 0.039, 0.048)
MEGAHERTZ_PER_TESLA = 42.577478
T1_MS = MappingProxyType({1.5: (1000.0, 290.0), 3.0: (1420.0, 370.0)})
"""Field strength -> T1 of muscle water and of fat, ms (literature values, rounded)."""

Vendor = Literal["siemens", "philips", "ge"]
Export = Literal["multi-echo", "dixon-products"]


@dataclass(frozen=True)
class ScannerPreset:
    """One hospital's scanner, protocol and patients: every number that makes its images differ from the next hospital's.

    Attributes:
        name: Short name, unique.
        vendor: Who writes the DICOM.
        export: All echoes, or the products of the vendor's Dixon reconstruction.
        field_tesla: 1.5 or 3.
        echo_times_ms: Ascending; one of them near in phase (2.30 ms at 3 T, 4.60 ms at 1.5 T).
        repetition_time_ms: Of the spoiled gradient echo.
        flip_angle_degrees: Nominal; larger means more T1 weighting, so darker muscle beside fat.
        shape: (i, j, k) voxels.
        spacing_mm: Along i, j, k; the last is the distance of slice centres.
        slice_thickness_mm: At most the distance of slice centres.
        muscle_snr: Signal of healthy muscle over the noise's standard deviation, in phase, where the coil is at its mean.
        blur_mm: Standard deviation of the in-plane point spread.
        coil_bias: Standard deviation of the logarithm of the coil's sensitivity.
        coil_gradient: What the logarithm of the sensitivity loses from front to back over 100 mm (surface coil).
        b0_hz: Standard deviation of the off-resonance.
        b1_share: Standard deviation of the flip angle as a share of the nominal one.
        lowest_level_percent: Height of the most distal slice in the thigh.
        positioning: Build and position of the patients.
        diseases: Which diseases this hospital sees, in turn over its subjects.
    """

    name: str
    vendor: Vendor
    export: Export
    field_tesla: float
    echo_times_ms: tuple[float, ...]
    repetition_time_ms: float
    flip_angle_degrees: float
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    slice_thickness_mm: float
    muscle_snr: float
    blur_mm: float
    coil_bias: float
    coil_gradient: float
    b0_hz: float
    b1_share: float
    lowest_level_percent: float
    positioning: Positioning = field(default_factory=Positioning)
    diseases: tuple[Disease, ...] = ("control", "BMD-like", "FSHD-like", "LGMDR1-like")

    @property
    def imaging_frequency_mhz(self) -> float:
        """Proton frequency at this field."""
        return MEGAHERTZ_PER_TESLA * self.field_tesla

    @property
    def in_phase_echo(self) -> int:
        """Index of the echo nearest to a multiple of the water-fat period (3.4 ppm)."""
        period_ms = 1e3 / (3.4 * self.imaging_frequency_mhz)
        distance = [abs(te / period_ms - max(round(te / period_ms), 1)) for te in self.echo_times_ms]
        return int(np.argmin(distance))


def fat_phasor(echo_time_ms: float, frequency_mhz: float) -> complex:
    """The complex sum of the six fat peaks at this echo time, relative to water."""
    cycles = np.array(FAT_PEAKS_PPM) * frequency_mhz * echo_time_ms * 1e-3
    return complex(np.sum(np.array(FAT_PEAKS_SHARE) * np.exp(2j * np.pi * cycles)))


def ernst_signal(flip_rad: Float32, *, repetition_time_ms: float, t1_ms: float) -> Float32:
    """Steady-state signal of a spoiled gradient echo per unit of proton density, shape of `flip_rad`."""
    e1 = np.float32(np.exp(-repetition_time_ms / t1_ms))
    return np.asarray(np.sin(flip_rad) * (1 - e1) / (1 - np.cos(flip_rad) * e1))


@dataclass(frozen=True, eq=False)
class Acquisition:
    """What comes out of the scanner.

    Attributes:
        echoes: (i, j, k, echo) complex64, arbitrary units.
        off_resonance_hz: (i, j, k) float32, truth.
        r2star_per_s: (i, j, k) float32, truth.
    """

    echoes: Complex64
    off_resonance_hz: Float32
    r2star_per_s: Float32


def acquire(body: Body, preset: ScannerPreset, rng: np.random.Generator) -> Acquisition:
    """All echoes of this body at this scanner, with its coil, field errors, blur and noise."""
    shape = body.water.shape
    flip = 1.0 + preset.b1_share * smooth_noise_3d(shape, cells=(3, 2), rng=rng)
    flip = np.float32(np.deg2rad(preset.flip_angle_degrees)) * np.clip(flip, 0.4, 1.4)
    t1_water, t1_fat = T1_MS[preset.field_tesla]
    water = body.water * ernst_signal(flip, repetition_time_ms=preset.repetition_time_ms, t1_ms=t1_water)
    fat = body.fat * ernst_signal(flip, repetition_time_ms=preset.repetition_time_ms, t1_ms=t1_fat)
    coil = coil_sensitivity(preset, shape, rng)
    sigma = (preset.blur_mm / preset.spacing_mm[0], preset.blur_mm / preset.spacing_mm[1], 0)
    water, fat = (ndimage.gaussian_filter(part * coil, sigma, truncate=3.0) for part in (water, fat))
    off_resonance = np.float32(preset.b0_hz) * smooth_noise_3d(shape, cells=(3, 3), rng=rng)
    r2star = 37.0 + np.float32(5.0) * smooth_noise_3d(shape, cells=(12, 8), rng=rng)
    noise = _healthy_muscle_signal(preset) / preset.muscle_snr
    echoes = np.empty((*shape, len(preset.echo_times_ms)), np.complex64)
    for index, te_ms in enumerate(preset.echo_times_ms):
        decay = np.exp(np.complex64(1e-3 * te_ms) * (2j * np.pi * off_resonance - r2star).astype(np.complex64))
        signal = (water + fat * np.complex64(fat_phasor(te_ms, preset.imaging_frequency_mhz))) * decay
        grain = rng.standard_normal((*shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
        echoes[..., index] = signal + np.float32(noise) * grain
    return Acquisition(echoes, off_resonance, r2star.astype(np.float32))


def coil_sensitivity(preset: ScannerPreset, shape: tuple[int, ...], rng: np.random.Generator) -> Float32:
    """Receive sensitivity (i, j, k) float32, median about 1: smooth, and falling from front to back for a surface coil."""
    uneven = smooth_noise_3d((shape[0], shape[1], shape[2]), cells=(3, 2), rng=rng)
    depth_mm = (np.arange(shape[1]) - shape[1] / 2) * preset.spacing_mm[1]
    fall = -preset.coil_gradient * depth_mm / 100.0 * rng.uniform(0.7, 1.3)
    return np.asarray(np.exp(preset.coil_bias * uneven + fall.astype(np.float32)[None, :, None]))


def _healthy_muscle_signal(preset: ScannerPreset) -> float:
    flip = np.array(np.deg2rad(preset.flip_angle_degrees), dtype=np.float32)
    t1_water, _ = T1_MS[preset.field_tesla]
    return 0.85 * float(ernst_signal(flip, repetition_time_ms=preset.repetition_time_ms, t1_ms=t1_water))


def dixon_products(acquisition: Acquisition, preset: ScannerPreset) -> tuple[Float32, Float32]:
    """Water and fat images (i, j, k), not negative, by least squares over the echoes with the off-resonance known.

    A vendor's reconstruction has to find the off-resonance; here it is given, so water and fat are never swapped.
    """
    seconds = 1e-3 * np.array(preset.echo_times_ms)
    model = np.array([[1.0, fat_phasor(te, preset.imaging_frequency_mhz)] for te in preset.echo_times_ms])
    stacked = np.concatenate([model.real, model.imag])
    turn = np.exp((-2j * np.pi * acquisition.off_resonance_hz[..., None] * seconds).astype(np.complex64))
    flat = acquisition.echoes * turn
    parts = np.concatenate([flat.real, flat.imag], axis=-1) @ np.linalg.pinv(stacked).T.astype(np.float32)
    return np.maximum(parts[..., 0], 0), np.maximum(parts[..., 1], 0)


def grid_of(preset: ScannerPreset) -> Grid:
    """The preset's voxel grid, centred on the isocentre in x and y, first slice most distal."""
    (ni, nj, nk), spacing = preset.shape, preset.spacing_mm
    origin = (-spacing[0] * (ni - 1) / 2, -spacing[1] * (nj - 1) / 2, -spacing[2] * (nk - 1) / 2)
    return Grid(shape=preset.shape, spacing_mm=spacing, origin_mm=origin)
