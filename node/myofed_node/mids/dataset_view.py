"""What the validator sees: a data set, its files, its images and label maps; read tolerantly, never changed."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from myofed_node.mids.nifti import read_nifti
from myofed_schemas.errors import MyofedError
from myofed_schemas.mids import ImageName

IMAGE_ENDING = ".nii.gz"
SIDECAR_ENDING = ".json"
LABEL_ENDING = "_dseg.nii.gz"
UNREADABLE = (OSError, EOFError, ValueError, ImageFileError, zlib.error)
"""What nibabel and gzip raise for damaged files."""


@dataclass(frozen=True)
class DatasetView:
    """A folder that may be an ORMIR-MIDS data set."""

    root: Path

    @cached_property
    def files(self) -> tuple[PurePosixPath, ...]:
        """All files below sub-*, relative, sorted; temporary files of a running write are none."""
        found = (p for p in self.root.glob("sub-*/**/*") if p.is_file() and not p.name.startswith("."))
        return tuple(sorted(PurePosixPath(p.relative_to(self.root)) for p in found))

    @cached_property
    def subjects(self) -> tuple[str, ...]:
        """Names of the sub-* folders."""
        return tuple(sorted(p.name for p in self.root.glob("sub-*") if p.is_dir()))

    @cached_property
    def images(self) -> tuple[ImageView, ...]:
        """Every image with a valid name."""
        named = ((path, name_of(path)) for path in self.files if path.name.endswith(IMAGE_ENDING))
        return tuple(ImageView(self.root, path, name) for path, name in named if name)

    @cached_property
    def label_maps(self) -> tuple[LabelMapView, ...]:
        """Every label map under derivatives."""
        found = (
            PurePosixPath(p.relative_to(self.root)) for p in self.root.glob(f"derivatives/*/sub-*/**/*{LABEL_ENDING}")
        )
        return tuple(LabelMapView(self.root, path) for path in sorted(found))


@dataclass(frozen=True)
class FileView:
    """One file below sub-*."""

    root: Path
    path: PurePosixPath

    @cached_property
    def sidecar(self) -> Mapping[str, object] | None:
        """Content of a .json file, None where it is no JSON object."""
        return read_json(self.root / self.path)


def name_of(path: PurePosixPath) -> ImageName | None:
    """The entities of a file name, None where it is not one of the profile."""
    stem = path.name.removesuffix(IMAGE_ENDING).removesuffix(SIDECAR_ENDING)
    try:
        return ImageName.parse(stem)
    except MyofedError:
        return None


def read_json(path: Path) -> Mapping[str, object] | None:
    """The JSON object at `path`, None where there is none."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


@dataclass(frozen=True)
class _NiftiView:
    root: Path
    path: PurePosixPath

    @cached_property
    def nifti(self) -> Any | None:
        """The nibabel image, None where unreadable."""
        try:
            return read_nifti(self.root / self.path)
        except UNREADABLE:
            return None

    @cached_property
    def values(self) -> NDArray[np.generic] | None:
        """All voxels, None where they cannot be read."""
        try:
            return None if self.nifti is None else np.asanyarray(self.nifti.dataobj)
        except UNREADABLE:
            return None

    @cached_property
    def sha256(self) -> str:
        """Digest of the file."""
        return hashlib.sha256((self.root / self.path).read_bytes()).hexdigest()


@dataclass(frozen=True)
class ImageView(_NiftiView):
    """One image with a valid name; sidecar empty where there is none."""

    name: ImageName

    @cached_property
    def sidecar(self) -> Mapping[str, object]:
        """Keys of the sidecar."""
        beside = self.path.with_name(self.path.name.removesuffix(IMAGE_ENDING) + SIDECAR_ENDING)
        return read_json(self.root / beside) or {}

    def number(self, key: str) -> float | None:
        """A number of the sidecar, None where it is absent or no number."""
        value = self.sidecar.get(key)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    @property
    def echo_times_ms(self) -> tuple[float, ...]:
        """EchoTime as a tuple, empty where absent or not numbers."""
        value = self.sidecar.get("EchoTime")
        values = value if isinstance(value, list) else [value]
        numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
        return tuple(numbers) if len(numbers) == len(values) else ()


@dataclass(frozen=True)
class LabelMapView(_NiftiView):
    """One label map under derivatives/<pipeline>."""

    @property
    def image_path(self) -> PurePosixPath:
        """Where the image lies that the map was drawn on."""
        below = PurePosixPath(*self.path.parts[2:])
        return below.with_name(below.name.removesuffix(LABEL_ENDING) + IMAGE_ENDING)

    @cached_property
    def image(self) -> ImageView | None:
        """That image, None where it is absent."""
        name = name_of(self.image_path)
        return ImageView(self.root, self.image_path, name) if name and (self.root / self.image_path).is_file() else None

    def beside(self, ending: str) -> Path:
        """The map's own file with another ending."""
        return self.root / self.path.with_name(self.path.name.removesuffix(IMAGE_ENDING) + ending)

    @cached_property
    def labels(self) -> Mapping[int, str]:
        """Value -> name as the sidecar says, empty where it does not."""
        listed = (read_json(self.beside(SIDECAR_ENDING)) or {}).get("Labels")
        items = listed.items() if isinstance(listed, dict) else ()
        return {int(value): str(name) for value, name in items if str(value).isdigit()}
