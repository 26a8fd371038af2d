"""What was acquired, from names, sidecars and NIfTI headers of any ORMIR-MIDS data set: no voxel is read, nothing is changed."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from myofed_node.mids.dataset import open_dataset
from myofed_node.mids.listing import IMAGE_ENDING as ENDING
from myofed_schemas.mids import Part, Suffix
from myofed_schemas.protocol import DIXON_PRODUCTS

DIXON = "Dixon"
"""Stands for the suffix in the name of a Dixon reconstruction."""
NOT_ACQUIRED = frozenset({"derivatives", "sourcedata", "code"})
"""Folders at the top of a data set whose images no scanner made."""
UNREADABLE = (OSError, EOFError, ValueError, zlib.error, HeaderDataError, WrapStructError)
"""What nibabel and gzip raise for damaged headers."""
HEADER_BYTES = 348
"""First field of every NIfTI-1 file."""
LARGEST = 1e30
"""No quantity of a sidecar is larger; infinity and NaN are not below it."""
_PART = re.compile(r"_part-([A-Za-z0-9]+)")
_SUFFIXES = {suffix.value.lower(): suffix for suffix in Suffix}
_NAME = "([0-9]{3}_)?([a-z]+-[A-Za-z0-9]+_)*(?i:" + "|".join((*map(re.escape, _SUFFIXES), DIXON)) + ")"
_SUBJECT = "sub-[A-Za-z0-9]+/(ses-[A-Za-z0-9]+/)?"
_SHOWN_NAME, _SHOWN_PATH = re.compile(_SUBJECT + _NAME), re.compile(rf"{_SUBJECT}mr-[a-z]+/{_NAME}\.nii\.gz")


@dataclass(frozen=True)
class VoxelGrid:
    """The grid as the affine tells it.

    Attributes:
        in_plane_mm: Larger side of a voxel along the first two axes.
        slice_spacing_mm: Distance of slice centres, None for a single slice, whose affine proves nothing.
        volumes: Length of the fourth axis, 1 where there is none.
    """

    in_plane_mm: float
    slice_spacing_mm: float | None
    volumes: int


@dataclass(frozen=True)
class Image:
    """One NIfTI file with what lies beside it.

    Attributes:
        path: Relative to the data set.
        suffix: None where the profile has no such suffix.
        part: None where the name has a part that the profile does not know.
        sidecar: Empty where there is none that can be read.
        grid: None where the header cannot be read.
    """

    path: PurePosixPath
    suffix: Suffix | None
    part: Part | None
    sidecar: Mapping[str, object]
    grid: VoxelGrid | None


@dataclass(frozen=True)
class Unknown:
    """Sidecar and header do not tell, and why."""

    reason: str


Number = float | Unknown
Numbers = tuple[float, ...] | Unknown


@dataclass(frozen=True)
class Acquisition:
    """Images that one acquisition gave: all parts of a series, or all products of a Dixon reconstruction."""

    name: str
    images: tuple[Image, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """Its files as they may be shown: relative paths made of entities, others by number."""
        paths = (str(image.path) for image in self.images)
        return tuple(p if _SHOWN_PATH.fullmatch(p) else f"image {n}" for n, p in enumerate(paths, start=1))

    @property
    def suffixes(self) -> tuple[Suffix, ...]:
        """Of its images, each once, in the order of the profile; empty where none is known."""
        return tuple(suffix for suffix in Suffix if any(image.suffix is suffix for image in self.images))

    def only(self, suffix: Suffix) -> Acquisition:
        """The same acquisition, seen in its images of one suffix."""
        return Acquisition(self.name, tuple(image for image in self.images if image.suffix is suffix))

    def number(self, key: str) -> Number:
        """The number that all images with this key agree on; a list of equal numbers is one."""
        numbers = self.numbers(key)
        if isinstance(numbers, Unknown):
            return numbers
        return numbers[0] if len(set(numbers)) == 1 else Unknown(f"{key} differs along the series")

    def numbers(self, key: str) -> Numbers:
        """The numbers (one or several) that all images with this key agree on."""
        return _agreed(key, (_finite_numbers(image.sidecar[key]) for image in self.images if key in image.sidecar))

    def words(self, key: str) -> str | Unknown:
        """The text that all images with this key agree on."""
        found = {str(image.sidecar[key]) for image in self.images if isinstance(image.sidecar.get(key), str)}
        return (
            found.pop() if len(found) == 1 else Unknown(f"{key} {'differs between images' if found else 'is missing'}")
        )

    def measured(self, what: str, read: Callable[[VoxelGrid], float | None]) -> Number:
        """A number of the grid that all readable headers agree on."""
        values = (read(image.grid) for image in self.images if image.grid)
        numbers = _agreed(what, (() if value is None else (round(value, 4),) for value in values))
        return numbers if isinstance(numbers, Unknown) else numbers[0]

    @cached_property
    def echo_times_ms(self) -> Numbers:
        """EchoTime of every echo, in the order of the sidecar."""
        return self.numbers("EchoTime")

    @cached_property
    def echo_count(self) -> Number:
        """Number of echo times, or of volumes where the sidecar does not tell."""
        if isinstance(self.echo_times_ms, tuple):
            return float(len(self.echo_times_ms))
        return self.measured("the fourth axis", lambda grid: float(grid.volumes))

    @property
    def inverted(self) -> bool:
        """The sidecar has an InversionTime above 0."""
        found = self.number("InversionTime")
        return isinstance(found, float) and found > 0


def acquisitions(dataset: Path) -> tuple[Acquisition, ...]:
    """Every acquisition of the data set, sorted by name; temporary files and derivatives are none.

    Other writers name folders after the patient: a name that is not made of entities and a known suffix is a number here.

    Raises:
        MyofedError: DATASET_MISSING, DATASET_UNREADABLE.
    """
    groups: dict[str, list[Image]] = {}
    for path in _image_files(dataset):
        name, image = _read(dataset, path)
        groups.setdefault(name, []).append(image)
    return tuple(
        Acquisition(
            name if _SHOWN_NAME.fullmatch(name) else f"acquisition {number}, not named as ORMIR-MIDS has it",
            tuple(images),
        )
        for number, (name, images) in enumerate(sorted(groups.items()), start=1)
    )


def _image_files(dataset: Path) -> Iterator[PurePosixPath]:
    """Images of the profile, and files of other writers' names that lie where images do."""
    opened = open_dataset(dataset)
    for path in sorted([*(image.path for image in opened.images()), *(file.path for file in opened.unread)]):
        image = path.name.endswith(ENDING) and path.parent.name.startswith("mr-")
        if image and path.parts[0] not in NOT_ACQUIRED and (dataset / path).is_file():
            yield path


def _read(dataset: Path, path: PurePosixPath) -> tuple[str, Image]:
    stem = path.name.removesuffix(ENDING)
    part = _PART.search(stem)
    head, _, suffix_text = _PART.sub("", stem).rpartition("_")
    suffix = _SUFFIXES.get(suffix_text.lower())
    kind = DIXON if suffix in DIXON_PRODUCTS else suffix or suffix_text
    image = Image(
        path=path,
        suffix=suffix,
        part={p.value: p for p in Part}.get(part[1]) if part else Part.MAG,
        sidecar=_sidecar(dataset / path.with_name(f"{stem}.json")),
        grid=_grid(dataset / path),
    )
    return str(path.parent.parent / f"{head}_{kind}"), image


def _sidecar(path: Path) -> Mapping[str, object]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _grid(path: Path) -> VoxelGrid | None:
    """None where header or affine cannot be used; unchecked by nibabel, whose log would quote what it found."""
    try:
        with gzip.open(path) as stream:
            header: Any = Nifti1Header.from_fileobj(stream, check=False)  # type: ignore[no-untyped-call]  # nibabel has no types
        shape = tuple(int(length) for length in header.get_data_shape())
        affine = np.asarray(header.get_best_affine(), dtype=float)
    except UNREADABLE:
        return None
    sizes = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    usable = np.isfinite(sizes).all() and (sizes > 0).all() and 3 <= len(shape) <= 4 and min(shape) > 0
    if int(header["sizeof_hdr"]) != HEADER_BYTES or not usable:
        return None
    return VoxelGrid(
        in_plane_mm=float(sizes[:2].max()),
        slice_spacing_mm=float(sizes[2]) if shape[2] > 1 else None,
        volumes=shape[3] if len(shape) == 4 else 1,
    )


def _finite_numbers(value: object) -> tuple[float, ...]:
    """The numbers of a sidecar's value; empty where one of them is none."""
    values = value if isinstance(value, list) else [value]
    numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool) and abs(v) < LARGEST]
    return tuple(numbers) if len(numbers) == len(values) else ()


def _agreed(what: str, found: Iterable[tuple[float, ...]]) -> Numbers:
    values = set(found)
    if not values:
        return Unknown(f"{what} is missing")
    if len(values) > 1:
        return Unknown(f"{what} differs between images")
    (numbers,) = values
    return numbers or Unknown(f"{what} is no number")
