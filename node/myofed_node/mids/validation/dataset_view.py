"""What the validator sees: a data set, its folders, files, images and label maps; read tolerantly, never changed."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from myofed_node.mids.validation.bounded_read import JsonFile, UnreadableError, open_regular, read_json, read_table
from myofed_node.mids.validation.dataset_tree import DERIVATIVES, Entry, EntryKind, Region, walk
from myofed_node.mids.validation.nifti_header import DamagedNiftiError, NiftiHeader
from myofed_node.mids.validation.nifti_scan import Preamble, VoxelScan, read_preamble, scan_voxels
from myofed_node.mids.validation.tolerant_name import IMAGE_ENDING, SIDECAR_ENDING, MidsName, name_of
from myofed_schemas.mids import Suffix

LABEL_ENDING = "_dseg.nii.gz"
FORBIDDEN_ENDINGS = ("_patient.json", "_extra.json", ".dcm", ".ima", ".par", ".rec")
"""Header dumps of the reference implementation, and files of scanners."""
_LABEL_VALUE = re.compile(r"[0-9]{1,9}")
_PIECE_BYTES = 4 * 2**20


@dataclass(frozen=True)
class DatasetView:
    """A folder that may be an ORMIR-MIDS data set."""

    root: Path
    first_with: dict[str, PurePosixPath] = field(default_factory=dict)
    """Digest of voxels -> first image that had it; grows as images are seen."""

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """Everything below the folder, by path, links not followed; hidden names (a running write's among them) are none."""
        return tuple(sorted(walk(self.root.resolve()), key=lambda entry: str(entry.path)))

    @cached_property
    def files(self) -> tuple[Entry, ...]:
        """Regular files, and links to such inside the data set."""
        return tuple(entry for entry in self.entries if entry.kind is EntryKind.FILE)

    @cached_property
    def folded(self) -> Counter[str]:
        """How many names a file system sees as one that does not tell case apart."""
        return Counter(folded for _, folded in {(entry.path, entry.folded) for entry in self.entries})

    @cached_property
    def filled(self) -> frozenset[PurePosixPath]:
        """Folders that hold a file at any depth, relative."""
        return frozenset(folder for path in self.paths for folder in path.parents)

    @cached_property
    def subjects(self) -> tuple[SubjectView, ...]:
        """The sub-* folders that hold a file."""
        found = sorted(path for path in self.filled if len(path.parts) == 1 and path.name.startswith("sub-"))
        return tuple(SubjectView(self, path) for path in found)

    @cached_property
    def pipelines(self) -> tuple[PipelineView, ...]:
        """The folders of derivatives that hold a file."""
        found = sorted(path for path in self.filled if len(path.parts) == 2 and path.parts[0] == DERIVATIVES)
        return tuple(PipelineView(self, path) for path in found)

    @cached_property
    def images(self) -> int:
        """Images below sub-* with a suffix that draft or profile know."""
        return sum(_is_image(entry) for entry in self.files)

    @cached_property
    def paths(self) -> frozenset[PurePosixPath]:
        """Files, relative."""
        return frozenset(entry.path for entry in self.files)


def _is_image(entry: Entry) -> bool:
    name = name_of(entry.path) if entry.path.name.endswith(IMAGE_ENDING) else None
    return entry.region is Region.SUBJECT and name is not None and name.is_known


@dataclass(frozen=True)
class EntryView:
    """One name of a folder."""

    dataset: DatasetView
    entry: Entry


@dataclass(frozen=True)
class SubjectView:
    """One sub-* folder."""

    dataset: DatasetView
    path: PurePosixPath

    @property
    def sessions(self) -> tuple[str, ...]:
        """Names of its ses-* folders that hold a file."""
        below = (path for path in self.dataset.filled if path.parent == self.path)
        return tuple(sorted(path.name for path in below if path.name.startswith("ses-")))

    @property
    def table_path(self) -> PurePosixPath:
        """Where its table of sessions lies."""
        return self.path / f"{self.path.name}_sessions.tsv"

    @cached_property
    def table(self) -> list[list[str]] | None:
        """Rows of its table of sessions, None where there is none; empty where it is unreadable."""
        return table_of(self.dataset, self.table_path)


def table_of(dataset: DatasetView, path: PurePosixPath) -> list[list[str]] | None:
    """Rows of a table of the data set, None where there is none, empty where it is unreadable."""
    if path not in dataset.paths:
        return None
    try:
        return read_table(dataset.root / path)
    except UnreadableError:
        return []


@dataclass(frozen=True)
class PipelineView:
    """One folder of derivatives."""

    dataset: DatasetView
    path: PurePosixPath


@dataclass(frozen=True)
class FileView:
    """One file."""

    dataset: DatasetView
    entry: Entry

    @property
    def path(self) -> PurePosixPath:
        """Relative to the data set."""
        return self.entry.path

    @property
    def place(self) -> Path:
        """Where to read it."""
        return self.dataset.root / self.entry.path

    @property
    def region(self) -> Region:
        """The part of the data set."""
        return self.entry.region

    @property
    def is_forbidden_by_name(self) -> bool:
        """Whether such a file belongs in no data set, whatever it holds."""
        return self.path.name.lower().endswith(FORBIDDEN_ENDINGS)

    @property
    def is_sidecar(self) -> bool:
        """Whether it is a .json below sub-*, or one of a label map."""
        below = self.region is Region.SUBJECT or self.path.name.endswith("_dseg.json")
        return below and self.path.name.endswith(SIDECAR_ENDING) and not self.is_forbidden_by_name

    @cached_property
    def name(self) -> MidsName | None:
        """The parts of its name."""
        return name_of(self.path)

    @cached_property
    def json(self) -> JsonFile | None:
        """Content of a .json file, None for another and for a forbidden one."""
        wanted = self.path.name.endswith(SIDECAR_ENDING) and not self.is_forbidden_by_name
        return read_json(self.place) if wanted else None

    @cached_property
    def table(self) -> list[list[str]]:
        """Rows of a .tsv file, empty for another."""
        return table_of(self.dataset, self.path) or [] if self.path.name.endswith(".tsv") else []

    @cached_property
    def opening(self) -> bytes:
        """The first bytes, enough to know DICOM by; empty where it cannot be read."""
        try:
            with open_regular(self.place) as stream:
                return stream.read(132)
        except (UnreadableError, OSError):
            return b""


@dataclass(frozen=True)
class NiftiView:
    """One NIfTI file, wherever it lies."""

    dataset: DatasetView
    path: PurePosixPath

    @property
    def place(self) -> Path:
        """Where to read it."""
        return self.dataset.root / self.path

    @cached_property
    def _preamble(self) -> Preamble | DamagedNiftiError:
        try:
            return read_preamble(self.place)
        except DamagedNiftiError as error:
            return error

    @cached_property
    def _scan(self) -> VoxelScan | DamagedNiftiError:
        try:
            return scan_voxels(self.place, distinct=self.collects_values)
        except DamagedNiftiError as error:
            return error

    @property
    def collects_values(self) -> bool:
        """Whether the different values are wanted."""
        return False

    @property
    def problem(self) -> str:
        """Why header or voxels are unreadable; empty where they are not."""
        failed = [str(part) for part in (self._preamble, self._scan) if isinstance(part, DamagedNiftiError)]
        return failed[0] if failed else ""

    @property
    def header(self) -> NiftiHeader | None:
        """What the header says, None where unreadable."""
        return self._preamble.header if isinstance(self._preamble, Preamble) else None

    @property
    def extension(self) -> bytes:
        """Bytes between header and voxels."""
        return self._preamble.extension if isinstance(self._preamble, Preamble) else b""

    @property
    def scan(self) -> VoxelScan | None:
        """What all voxels are, None where one cannot be read."""
        return self._scan if isinstance(self._scan, VoxelScan) else None

    @property
    def affine_ras(self) -> NDArray[np.float64] | None:
        """The geometry where it can be used: finite, and no axis lost."""
        affine = self.header.affine_ras if self.header else None
        return affine if affine is not None and is_invertible(affine) else None

    @cached_property
    def sha256(self) -> str:
        """Digest of the file, empty where it cannot be read."""
        digest = hashlib.sha256()
        try:
            with open_regular(self.place) as stream:
                while block := stream.read(_PIECE_BYTES):
                    digest.update(block)
        except (UnreadableError, OSError):
            return ""
        return digest.hexdigest()


def is_invertible(affine_ras: NDArray[np.float64]) -> bool:
    """Whether every voxel has its own place."""
    if not np.isfinite(affine_ras).all():
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(affine_ras[:3, :3], axis=0)
        if not np.isfinite(lengths).all() or lengths.min() <= 0:
            return False
        return bool(abs(np.linalg.det(affine_ras[:3, :3] / lengths)) > 1e-6)


@dataclass(frozen=True)
class ImageView(NiftiView):
    """One image with a suffix of the profile; sidecar empty where there is none."""

    name: MidsName
    kind: Suffix

    @property
    def sidecar_path(self) -> PurePosixPath:
        """Where its sidecar lies."""
        return _beside(self.path)

    @cached_property
    def _sidecar(self) -> Mapping[str, object] | None:
        return _object(self.dataset, self.path)

    @property
    def has_sidecar(self) -> bool:
        """Whether there is one that is a JSON object."""
        return self._sidecar is not None

    @property
    def sidecar(self) -> Mapping[str, object]:
        """Keys of the sidecar, none where there is no readable one."""
        return self._sidecar or {}

    def number(self, key: str) -> float | None:
        """A finite number of the sidecar, None where it is absent or another thing."""
        return as_number(self.sidecar.get(key))

    @property
    def echo_times_ms(self) -> tuple[float, ...]:
        """EchoTime as a tuple, empty where absent or not numbers."""
        return echo_times_ms(self.sidecar)


def _beside(image: PurePosixPath) -> PurePosixPath:
    return image.with_name(image.name.removesuffix(IMAGE_ENDING) + SIDECAR_ENDING)


def _object(dataset: DatasetView, image: PurePosixPath) -> Mapping[str, object] | None:
    beside = _beside(image)
    value = read_json(dataset.root / beside).value if beside in dataset.paths else None
    return value if isinstance(value, dict) else None


def as_number(value: object) -> float | None:
    """A finite number of JSON, None for another thing."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def echo_times_ms(sidecar: Mapping[str, object]) -> tuple[float, ...]:
    """EchoTime as a tuple, empty where absent or not numbers."""
    value = sidecar.get("EchoTime")
    values = value if isinstance(value, list) else [value]
    numbers = [number for item in values if (number := as_number(item)) is not None]
    return tuple(numbers) if len(numbers) == len(values) else ()


@dataclass(frozen=True)
class Sibling:
    """Another image, of which header and sidecar are asked only."""

    header: NiftiHeader | None
    sidecar: Mapping[str, object]


def sibling(dataset: DatasetView, path: PurePosixPath) -> Sibling | None:
    """The image at this path, None where there is none."""
    if path not in dataset.paths:
        return None
    return Sibling(NiftiView(dataset, path).header, _object(dataset, path) or {})


@dataclass(frozen=True)
class LabelMapView(NiftiView):
    """One label map under derivatives/<pipeline>."""

    @property
    def collects_values(self) -> bool:
        """They are compared with the table."""
        return True

    @property
    def image(self) -> Sibling | None:
        """The image that the map was drawn on, None where it is absent."""
        below = PurePosixPath(*self.path.parts[2:])
        return sibling(self.dataset, below.with_name(below.name.removesuffix(LABEL_ENDING) + IMAGE_ENDING))

    @property
    def table(self) -> list[list[str]] | None:
        """Rows of its table, None where there is none."""
        return table_of(self.dataset, self.path.with_name(self.path.name.removesuffix(IMAGE_ENDING) + ".tsv"))

    @cached_property
    def labels(self) -> Mapping[int, str]:
        """Value -> name as the sidecar says: an object (profile) or a list whose item 0 is value 0 (draft); else empty."""
        listed = (_object(self.dataset, self.path) or {}).get("Labels")
        if isinstance(listed, list):
            return {value: str(name) for value, name in enumerate(listed)}
        items = listed.items() if isinstance(listed, dict) else ()
        return {int(value): str(name) for value, name in items if _LABEL_VALUE.fullmatch(value)}


def as_label_map(dataset: DatasetView, path: PurePosixPath) -> LabelMapView | None:
    """The label map at this path, None where the path is none of one."""
    below = path.parts[0] == DERIVATIVES and len(path.parts) > 3 and path.parts[2].startswith("sub-")
    return LabelMapView(dataset, path) if below and path.name.endswith(LABEL_ENDING) else None


def as_image(dataset: DatasetView, entry: Entry) -> ImageView | None:
    """The image of a suffix of the profile at this entry, None where there is none."""
    name = name_of(entry.path) if entry.region is Region.SUBJECT else None
    return ImageView(dataset, entry.path, name, name.kind) if name and name.kind else None
