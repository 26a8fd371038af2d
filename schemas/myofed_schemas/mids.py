"""ORMIR-MIDS, profile `myofed-1`: suffixes, parts and names of images (docs/profile-myofed-1.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Final, Literal, Self

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

PROFILE: Final = "myofed-1"
Unit = Literal["arbitrary", "rad", "percent", "ms", "1/s", "Hz"]
"""Of voxels, as the sidecar says it."""


class Suffix(StrEnum):
    """What an image is; the last part of its file name. Readers compare without regard to case."""

    T1W = "T1w"
    T1W_FS = "T1w-FS"
    T2W = "T2w"
    T2W_FS = "T2w-FS"
    """T2-weighted with fat suppressed, by frequency or by inversion (STIR)."""
    MEGRE = "MEGRE"
    """Multi-echo gradient echo, 4D by EchoTime."""
    MESE = "MESE"
    """Multi-echo spin echo, 4D by EchoTime."""
    WAT = "WAT"
    """Dixon product: water."""
    FAT = "FAT"
    """Dixon product: fat."""
    INPH = "INPH"
    """Dixon product: water and fat in phase."""
    OUTPH = "OUTPH"
    """Dixon product: water and fat in opposed phase."""
    DESS = "DESS"
    """Double echo steady state: both echoes combined."""
    DESS_FID = "DESS-FID"
    """Double echo steady state: the first echo alone."""
    DESS_ECHO = "DESS-ECHO"
    """Double echo steady state: the second echo alone."""
    FF = "FF"
    """Fat fraction, percent."""
    T1 = "T1"
    """Longitudinal relaxation time, ms."""
    T2 = "T2"
    """Transverse relaxation time of everything in the voxel, ms."""
    WT2 = "wT2"
    """Transverse relaxation time of water, ms."""
    T2STAR = "T2star"
    """Effective transverse relaxation time, ms."""
    R2STAR = "R2star"
    """Effective transverse relaxation rate, 1/s."""
    B0 = "B0"
    """Off-resonance, Hz."""
    B1 = "B1"
    """Transmitted field, percent of nominal."""

    @property
    def unit(self) -> Unit:
        """Of the voxels of a magnitude image or map."""
        return _UNITS.get(self, "arbitrary")

    @property
    def folder(self) -> str:
        """`mr-quant` for maps with a unit, `mr-anat` for images."""
        return "mr-anat" if self.unit == "arbitrary" else "mr-quant"

    @property
    def stacks_echoes(self) -> bool:
        """Whether the fourth dimension is EchoTime."""
        return self in {Suffix.MEGRE, Suffix.MESE}


_UNITS: Final[Mapping[Suffix, Unit]] = {
    Suffix.FF: "percent",
    Suffix.T1: "ms",
    Suffix.T2: "ms",
    Suffix.WT2: "ms",
    Suffix.T2STAR: "ms",
    Suffix.R2STAR: "1/s",
    Suffix.B0: "Hz",
    Suffix.B1: "percent",
}


class Part(StrEnum):
    """Component of a complex image; magnitude is not written in the name (as the reference implementation does)."""

    MAG = "mag"
    PHASE = "phase"
    REAL = "real"
    IMAG = "imag"


_LABEL = "[A-Za-z0-9]+"
_NAME = re.compile(
    rf"sub-(?P<subject>{_LABEL})_ses-(?P<session>{_LABEL})(_acq-(?P<acq>{_LABEL}))?(_run-(?P<run>[1-9][0-9]*))?"
    rf"(_part-(?P<part>{'|'.join(Part)}))?_(?P<suffix>[A-Za-z0-9-]+)"
)


@dataclass(frozen=True, order=True)
class ImageName:
    """The entities of one image; with the suffix they make its path.

    Attributes:
        subject: Label without `sub-`.
        session: Label without `ses-`.
        suffix: What the image is.
        part: None for magnitude.
        run: 1 is not written; the second series of one kind is 2.
        acq: Free entity of other writers; ours leave it out.
    """

    subject: str
    session: str
    suffix: Suffix
    part: Part | None = None
    run: int = 1
    acq: str | None = None

    @property
    def stem(self) -> str:
        """File name without extension."""
        entities = [f"sub-{self.subject}", f"ses-{self.session}"]
        entities += [f"acq-{self.acq}"] if self.acq else []
        entities += [f"run-{self.run}"] if self.run > 1 else []
        entities += [f"part-{self.part}"] if self.part else []
        return "_".join([*entities, self.suffix.value])

    @property
    def folder(self) -> PurePosixPath:
        """Folder relative to the data set."""
        return PurePosixPath(f"sub-{self.subject}", f"ses-{self.session}", self.suffix.folder)

    @property
    def image(self) -> PurePosixPath:
        """NIfTI file relative to the data set."""
        return self.folder / f"{self.stem}.nii.gz"

    @property
    def sidecar(self) -> PurePosixPath:
        """Sidecar relative to the data set."""
        return self.folder / f"{self.stem}.json"

    @classmethod
    def parse(cls, stem: str) -> Self:
        """The entities of a file name without extension; case of the suffix does not count.

        Raises:
            MyofedError: MIDS_NAME where it is not a name of the profile.
        """
        match = _NAME.fullmatch(stem)
        suffix = {s.value.lower(): s for s in Suffix}.get(match["suffix"].lower()) if match else None
        if match is None or suffix is None:
            raise MyofedError(
                "MIDS_NAME",
                f"expected sub-<label>_ses-<label>[_run-<n>][_part-<part>]_<SUFFIX> of profile {PROFILE}, found another name",
                hint="docs/profile-myofed-1.md lists entities and suffixes",
                exit_code=ExitCode.INVALID_DATASET,
            )
        part = Part(match["part"]) if match["part"] else None
        return cls(match["subject"], match["session"], suffix, part, int(match["run"] or 1), match["acq"])
