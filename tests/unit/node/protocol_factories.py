"""Tiny data sets of any acquisition, one that conforms for each shipped profile, and how each of its limits is broken."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np

from myofed_node.protocol.check import check
from myofed_node.protocol.profiles import Profiles, load_profiles
from myofed_schemas.protocol import LimitFinding, SeriesCheck

STEM = "sub-A_ses-1"
Sidecar = Mapping[str, object]
GRADIENT_ECHO: Sidecar = {
    "MagneticFieldStrength": 3.0,
    "ScanningSequence": "GR",
    "MRAcquisitionType": "3D",
    "SliceThickness": 5.0,
    "RepetitionTime": 10.0,
    "FlipAngle": 3.0,
}
SPIN_ECHO: Sidecar = GRADIENT_ECHO | {"ScanningSequence": "SE", "MRAcquisitionType": "2D", "FlipAngle": 90.0}
SIX = [1.1, 1.9, 2.7, 3.5, 4.3, 5.1]
SIX_15T = [1.4, 3.1, 4.8, 6.5, 8.2, 9.9]
SEVENTEEN = [9.5 * n for n in range(1, 18)]


@dataclass(frozen=True)
class Scan:
    """Images of one acquisition, all on one grid.

    Attributes:
        images: Suffix, with `part-x_` before it where it has one -> keys of the sidecar beside those of `sidecar`.
        sidecar: Keys that all images have.
        voxel_mm: Along i, j, k.
        slices: Length of the third axis.
    """

    images: Mapping[str, Sidecar]
    sidecar: Sidecar
    voxel_mm: tuple[float, float, float] = (1.2, 1.2, 6.0)
    slices: int = 3

    def having(self, **keys: object) -> Scan:
        """The same with these keys in all images; None takes a key away."""
        return replace(self, sidecar=self.sidecar | keys)

    def without(self, *names: str) -> Scan:
        """The same without these images."""
        return replace(self, images={name: keys for name, keys in self.images.items() if name not in names})

    def imaged(self, name: str, **keys: object) -> Scan:
        """The same with these keys in one image."""
        return replace(self, images={**self.images, name: {**self.images[name], **keys}})


def put(root: Path, scan: Scan, *, stem: str = STEM) -> Path:
    """The data set with this scan in it."""
    subject, session = stem.split("_")[:2]
    for name, own in scan.images.items():
        keys = {key: value for key, value in {**scan.sidecar, **own}.items() if value is not None}
        times = keys.get("EchoTime")
        shape = (4, 4, scan.slices, *([len(times)] if isinstance(times, list) else []))
        path = root / subject / session / ("mr-quant" if name == "FF" else "mr-anat") / f"{stem}_{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, shape, scan.voxel_mm)
        path.with_name(f"{stem}_{name}.json").write_text(json.dumps(keys))
    return root


def write_image(path: Path, shape: tuple[int, ...], voxel_mm: tuple[float, float, float]) -> None:
    """A NIfTI file of zeros, oblique so that voxel sizes do not stand on the affine's diagonal."""
    turn = np.array([[np.cos(0.3), -np.sin(0.3), 0], [np.sin(0.3), np.cos(0.3), 0], [0, 0, 1.0]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(voxel_mm)
    image = nib.nifti1.Nifti1Image(np.zeros(shape, np.int16), None)
    image.header.set_sform(affine, code=1)
    path.write_bytes(gzip.compress(image.to_bytes(), mtime=0))


def checked(root: Path, scan: Scan, profiles: Profiles | None = None) -> SeriesCheck:
    """The one acquisition of a data set with this scan alone."""
    (series,) = check(put(root, scan), profiles or load_profiles()).series
    return series


def finding(series: SeriesCheck, key: str) -> LimitFinding:
    """What was found about one limit."""
    return next(one for one in series.findings if one.key == key)


def multi_echo(times: list[float], **keys: object) -> Scan:
    """Magnitude and phase of a multi-echo gradient echo."""
    return Scan({"MEGRE": {}, "part-phase_MEGRE": {}}, {**GRADIENT_ECHO, "EchoTime": times, **keys})


SCANS: Mapping[str, Scan] = {
    "fat-fraction-6-echo": multi_echo(SIX),
    "fat-fraction-3-point": multi_echo([3.45, 4.60, 5.75], RepetitionTime=102.0, FlipAngle=10.0),
    "vendor-2-point-dixon": Scan(
        {"WAT": {}, "FAT": {}, "INPH": {"EchoTime": 2.3}, "OUTPH": {"EchoTime": 1.15}}, GRADIENT_ECHO
    ),
    "water-t2-mese": Scan(
        {"MESE": {}},
        {**SPIN_ECHO, "EchoTime": SEVENTEEN, "RepetitionTime": 3000.0, "RefocusingFlipAngle": 180.0},
        voxel_mm=(1.2, 1.2, 12.0),
    ),
    "t1w-mercuri": Scan({"T1w": {}}, {**SPIN_ECHO, "EchoTime": 10.0, "RepetitionTime": 600.0}),
    "oedema-stir": Scan(
        {"T2w-FS": {}}, {**SPIN_ECHO, "EchoTime": 50.0, "RepetitionTime": 4000.0, "InversionTime": 220.0}
    ),
    "oedema-t2w-fs": Scan({"T2w-FS": {}}, {**SPIN_ECHO, "EchoTime": 60.0, "RepetitionTime": 4000.0}),
}
"""Profile -> a scan at 3 T that passes all its limits."""
SCANS_15T: Mapping[str, Scan] = {
    "fat-fraction-6-echo": multi_echo(SIX_15T, MagneticFieldStrength=1.5, RepetitionTime=15.0),
    "fat-fraction-3-point": multi_echo(
        [2.3, 4.6, 6.9], MagneticFieldStrength=1.5, RepetitionTime=102.0, FlipAngle=10.0
    ),
    "oedema-stir": SCANS["oedema-stir"].having(MagneticFieldStrength=1.5, InversionTime=160.0),
}
"""The same at 1.5 T, for profiles with limits of their own there."""


@dataclass(frozen=True)
class Breach:
    """A scan that breaks one limit of a profile, and the verdict on that limit."""

    scan: Scan
    verdict: str


def _times(*times: float) -> dict[str, object]:
    return {"EchoTime": list(times)}


def _shifted(times: list[float], by: float) -> dict[str, object]:
    return _times(*(time + by for time in times))


def _common(name: str) -> dict[tuple[str, str], Breach]:
    scan = SCANS[name]
    coarse = replace(scan, voxel_mm=(1.2, 4.0, scan.voxel_mm[2]))
    far = replace(scan, voxel_mm=(*scan.voxel_mm[:2], 50.0))
    other = "2D" if scan.sidecar["MRAcquisitionType"] == "3D" else "3D"
    return {
        (name, "field_strength"): Breach(scan.having(MagneticFieldStrength=7.0), "warn"),
        (name, "in_plane_resolution"): Breach(coarse, "fail"),
        (name, "slice_thickness"): Breach(scan.having(SliceThickness=20.0), "fail"),
        (name, "slice_spacing"): Breach(far, "warn" if name == "water-t2-mese" else "fail"),
        (name, "acquisition_type"): Breach(scan.having(MRAcquisitionType=other), "warn"),
    }


def _breaches() -> dict[tuple[str, str], Breach]:
    six, three, dixon = (SCANS[n] for n in ("fat-fraction-6-echo", "fat-fraction-3-point", "vendor-2-point-dixon"))
    six_15t, three_15t = (SCANS_15T[n] for n in ("fat-fraction-6-echo", "fat-fraction-3-point"))
    mese, t1w, stir, t2w = (SCANS[n] for n in ("water-t2-mese", "t1w-mercuri", "oedema-stir", "oedema-t2w-fs"))
    own = {
        ("fat-fraction-6-echo", "echo_count"): Breach(six.having(**_times(*SIX[:5])), "warn"),
        ("fat-fraction-6-echo", "first_echo_time_3t"): Breach(six.having(**_shifted(SIX, 2.0)), "fail"),
        ("fat-fraction-6-echo", "first_echo_time_15t"): Breach(six_15t.having(**_shifted(SIX_15T, 3.0)), "fail"),
        ("fat-fraction-6-echo", "echo_spacing_3t"): Breach(
            six.having(**_times(*(1.1 + 1.4 * n for n in range(6)))), "warn"
        ),
        ("fat-fraction-6-echo", "echo_spacing_15t"): Breach(
            six_15t.having(**_times(*(1.4 + 3.5 * n for n in range(6)))), "fail"
        ),
        ("fat-fraction-6-echo", "echo_unevenness"): Breach(six.having(**_times(*SIX[:5], 5.6)), "warn"),
        ("fat-fraction-6-echo", "water_fat_step"): Breach(
            six.having(**_times(*(1.1 + 2.3 * n for n in range(6)))), "fail"
        ),
        ("fat-fraction-6-echo", "repetition_time"): Breach(six.having(RepetitionTime=200.0), "warn"),
        ("fat-fraction-6-echo", "flip_angle"): Breach(six.having(FlipAngle=15.0, RepetitionTime=150.0), "warn"),
        ("fat-fraction-6-echo", "t1_bias"): Breach(six.having(FlipAngle=9.0, RepetitionTime=9.0), "fail"),
        ("fat-fraction-6-echo", "components"): Breach(six.without("part-phase_MEGRE"), "warn"),
        ("fat-fraction-3-point", "echo_count"): Breach(three.having(**_times(3.45, 4.6)), "fail"),
        ("fat-fraction-3-point", "first_echo_time"): Breach(three.having(**_times(8.05, 9.2, 10.35)), "fail"),
        ("fat-fraction-3-point", "echo_spacing_3t"): Breach(three.having(**_times(3.45, 5.75, 8.05)), "fail"),
        ("fat-fraction-3-point", "echo_spacing_15t"): Breach(three_15t.having(**_times(2.3, 3.3, 4.3)), "fail"),
        ("fat-fraction-3-point", "half_cycle_error"): Breach(three.having(**_times(2.9, 4.05, 5.2)), "warn"),
        ("fat-fraction-3-point", "water_fat_step"): Breach(three.having(**_times(3.45, 5.75, 8.05)), "fail"),
        ("fat-fraction-3-point", "repetition_time"): Breach(three.having(RepetitionTime=3.9, FlipAngle=1.0), "fail"),
        ("fat-fraction-3-point", "flip_angle"): Breach(three.having(FlipAngle=12.0), "warn"),
        ("fat-fraction-3-point", "t1_bias"): Breach(three.having(FlipAngle=15.0), "warn"),
        ("fat-fraction-3-point", "components"): Breach(three.without("part-phase_MEGRE"), "fail"),
        ("vendor-2-point-dixon", "products"): Breach(dixon.without("FAT"), "fail"),
        ("vendor-2-point-dixon", "in_phase_error"): Breach(dixon.imaged("INPH", EchoTime=2.9), "warn"),
        ("vendor-2-point-dixon", "opposed_phase_error"): Breach(dixon.imaged("OUTPH", EchoTime=1.6), "warn"),
        ("vendor-2-point-dixon", "repetition_time"): Breach(dixon.having(RepetitionTime=4.0), "warn"),
        ("vendor-2-point-dixon", "flip_angle"): Breach(dixon.having(FlipAngle=9.0), "warn"),
        ("vendor-2-point-dixon", "t1_bias"): Breach(dixon.having(FlipAngle=9.0, RepetitionTime=4.0), "fail"),
        ("water-t2-mese", "echo_count"): Breach(mese.having(**_times(*SEVENTEEN[:11])), "fail"),
        ("water-t2-mese", "first_echo_time"): Breach(mese.having(**_shifted(SEVENTEEN, 8.0)), "fail"),
        ("water-t2-mese", "echo_spacing"): Breach(mese.having(**_times(*(9.5 + 16.0 * n for n in range(17)))), "fail"),
        ("water-t2-mese", "echo_unevenness"): Breach(mese.having(**_times(*SEVENTEEN[:16], 165.0)), "fail"),
        ("water-t2-mese", "last_echo_time"): Breach(mese.having(**_times(*(5.0 * n for n in range(1, 18)))), "fail"),
        ("water-t2-mese", "repetition_time"): Breach(mese.having(RepetitionTime=1500.0), "fail"),
        ("water-t2-mese", "flip_angle"): Breach(mese.having(FlipAngle=180.0), "warn"),
        ("water-t2-mese", "refocusing_flip_angle"): Breach(mese.having(RefocusingFlipAngle=90.0), "fail"),
        ("t1w-mercuri", "sequence"): Breach(t1w.having(ScanningSequence="GR"), "warn"),
        ("t1w-mercuri", "repetition_time"): Breach(t1w.having(RepetitionTime=2000.0), "fail"),
        ("t1w-mercuri", "echo_time"): Breach(t1w.having(EchoTime=60.0), "fail"),
        ("oedema-stir", "inversion_time_3t"): Breach(stir.having(InversionTime=100.0), "fail"),
        ("oedema-stir", "inversion_time_15t"): Breach(SCANS_15T["oedema-stir"].having(InversionTime=210.0), "warn"),
        ("oedema-stir", "repetition_time"): Breach(stir.having(RepetitionTime=1500.0), "fail"),
        ("oedema-stir", "echo_time"): Breach(stir.having(EchoTime=150.0), "fail"),
        ("oedema-t2w-fs", "sequence"): Breach(t2w.having(ScanningSequence="GR"), "fail"),
        ("oedema-t2w-fs", "repetition_time"): Breach(t2w.having(RepetitionTime=1500.0), "fail"),
        ("oedema-t2w-fs", "echo_time"): Breach(t2w.having(EchoTime=150.0), "fail"),
    }
    limits = {(profile, key) for profile, key in _limit_keys()}
    common = {pair: breach for name in SCANS for pair, breach in _common(name).items() if pair in limits}
    return common | own


def _limit_keys() -> list[tuple[str, str]]:
    return [(one.profile.name, limit.key) for one in load_profiles().known for limit in one.profile.limits]


BREACHES: Mapping[tuple[str, str], Breach] = _breaches()
"""(profile, limit) -> a scan that breaks it."""
