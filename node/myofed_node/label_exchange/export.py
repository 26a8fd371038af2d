"""A data set's label maps for other tools: DICOM SEG, or NIfTI with the table that a viewer reads."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from myofed_node.label_exchange.derive import derived_map
from myofed_node.label_exchange.refusal import LabelRefusedError
from myofed_node.label_exchange.seg_source import source_slices
from myofed_node.label_exchange.seg_write import SegKind, SegOrigin, segmentation_bytes
from myofed_node.label_exchange.single_import import source_series
from myofed_node.label_exchange.text_tables import itksnap_table, slicer_table
from myofed_node.label_map import (
    GROUPS_PIPELINE,
    PIPELINE,
    DrawnMap,
    read_label_map,
    sidecar_bytes,
    table_bytes,
)
from myofed_node.mids.dataset import LabelMap, open_dataset
from myofed_node.mids.listing import IMAGE_ENDING, LABEL_MARK
from myofed_node.mids.nifti import nifti_bytes
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import write_atomically
from myofed_schemas.mids import ImageName
from myofed_schemas.muscle_sets import Level
from myofed_schemas.wire import WireModel

ENDING = f"{LABEL_MARK}{IMAGE_ENDING}"


class ExportFormat(StrEnum):
    """What is written for each map."""

    SEG = "seg"
    """DICOM SEG (LABELMAP), with the source's patient and study."""
    SEG_BINARY = "seg-binary"
    """The same as BINARY, for viewers that do not know LABELMAP."""
    NIFTI = "nifti"
    """NIfTI, dseg.tsv and sidecar."""
    ITKSNAP = "itksnap"
    """NIfTI and an ITK-SNAP label description."""
    SLICER = "slicer"
    """NIfTI and a 3D Slicer colour table."""


class GroupLevel(StrEnum):
    """How coarse the exported values are."""

    MUSCLE = "muscle"
    """As drawn."""
    GROUP = "group"
    COMPARTMENT = "compartment"


class ExportedMap(WireModel):
    """One map: written files, or the code of its refusal."""

    source: str
    """Relative to the data set."""
    files: tuple[str, ...] = ()
    code: str | None = None


class ExportReport(WireModel):
    """What `labels export --json` prints."""

    maps: tuple[ExportedMap, ...]

    @property
    def complete(self) -> bool:
        """There was at least one map and none was refused."""
        return bool(self.maps) and all(m.code is None for m in self.maps)

    def lines(self) -> list[str]:
        """The outcome in words."""
        refused = [f"  {m.source}: {m.code}" for m in self.maps if m.code]
        return [f"{len(self.maps) - len(refused)} label maps exported, {len(refused)} refused", *refused]


@dataclass(frozen=True)
class ExportOptions:
    """What to write.

    Attributes:
        format: For whom.
        level: How coarse.
        source: De-identified DICOM folder that the images were converted from; a SEG needs it.
        now: Time of a SEG, with its time zone.
    """

    format: ExportFormat
    level: GroupLevel
    now: dt.datetime
    source: Path | None = None


@dataclass(frozen=True)
class _Item:
    """One map to write: what it is, and the stem of its files relative to the output folder."""

    drawn: DrawnMap
    name: ImageName
    origin: str
    stem: PurePosixPath
    dataset: Path


def export_labels(dataset: Path, out: Path, options: ExportOptions) -> ExportReport:
    """Every label map of the data set lies in `out` in the format asked for, or its row says why not.

    Args:
        dataset: ORMIR-MIDS data set; maps of derivatives/labels and derivatives/label-groups are taken.
        out: New or empty folder.
        options: What to write.

    Raises:
        MyofedError: DATASET_MISSING, LABELS_NONE, OUT_NOT_EMPTY, SEG_SOURCE_MISSING where a SEG is asked for without a source.
    """
    if options.format in _SEG_KINDS and (options.source is None or not options.source.is_dir()):
        raise _bad(
            "SEG_SOURCE_MISSING", "a folder of DICOM with --source for a SEG, found none", "export nifti instead"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise _bad("OUT_NOT_EMPTY", "a new or empty folder, found another", "choose another OUT")
    found = list(_found(dataset))
    if not found:
        raise _bad(
            "LABELS_NONE", "label maps under derivatives/labels or derivatives/label-groups, found none", "import first"
        )
    out.mkdir(parents=True, exist_ok=True)
    return ExportReport(maps=tuple(_export(one, dataset, out, options) for one in found))


def _bad(code: str, text: str, hint: str) -> MyofedError:
    return MyofedError(code, f"expected {text}", hint=hint, exit_code=ExitCode.BAD_INPUT)


def _found(dataset: Path) -> Iterator[LabelMap | PurePosixPath]:
    """Label maps of the two pipelines, and what has the ending of one and is none by name or place."""
    pipelines = {derivative.pipeline: derivative for derivative in open_dataset(dataset).derivatives}
    for path in (PIPELINE, GROUPS_PIPELINE):
        if derivative := pipelines.get(path.name):
            yield from derivative.label_maps()
            yield from (path / one.path for one in derivative.unread if one.path.name.endswith(ENDING))


def _export(found: LabelMap | PurePosixPath, dataset: Path, out: Path, options: ExportOptions) -> ExportedMap:
    source = found if isinstance(found, PurePosixPath) else found.file.relative_to(dataset)
    try:
        item = _item(found, dataset, options.level)
        contents = _WRITERS[options.format](item, options)
    except LabelRefusedError as refusal:
        return ExportedMap(source=str(source), code=refusal.code)
    (out / item.stem).parent.mkdir(parents=True, exist_ok=True)
    for ending, content in contents.items():
        write_atomically(out / f"{item.stem}{ending}", content)
    return ExportedMap(source=str(source), files=tuple(f"{item.stem}{ending}" for ending in contents))


def _item(found: LabelMap | PurePosixPath, dataset: Path, level: GroupLevel) -> _Item:
    if isinstance(found, PurePosixPath):
        raise LabelRefusedError("LABEL_IMAGE_UNKNOWN")
    drawn, name = read_label_map(found.file), found.name
    if level is not GroupLevel.MUSCLE:
        drawn = derived_map(drawn, Level(level.value))
    stem = PurePosixPath(found.root.name, name.folder, f"{name.stem}_dseg")
    return _Item(drawn, name, found.origin or "", stem, dataset)


def _nifti(item: _Item, _options: ExportOptions) -> dict[str, bytes]:
    return {
        ".tsv": table_bytes(item.drawn),
        ".json": sidecar_bytes(item.name, item.drawn, origin=item.origin),
        ".nii.gz": nifti_bytes(item.drawn.values, item.drawn.affine_ras),
    }


def _itksnap(item: _Item, _options: ExportOptions) -> dict[str, bytes]:
    return {
        ".label": itksnap_table(item.drawn.labels),
        ".nii.gz": nifti_bytes(item.drawn.values, item.drawn.affine_ras),
    }


def _slicer(item: _Item, _options: ExportOptions) -> dict[str, bytes]:
    return {
        ".ctbl": slicer_table(item.drawn.labels),
        ".nii.gz": nifti_bytes(item.drawn.values, item.drawn.affine_ras),
    }


def _seg(item: _Item, options: ExportOptions) -> dict[str, bytes]:
    series = source_series(item.dataset / item.name.sidecar)
    drawn, folder = item.drawn, options.source or item.dataset
    slices = source_slices(folder, drawn.affine_ras, drawn.values.shape, series_uids=series[:1])
    origin = SegOrigin(item.origin, drawn.scheme)
    return {".dcm": segmentation_bytes(drawn, slices, origin=origin, now=options.now, kind=_SEG_KINDS[options.format])}


_SEG_KINDS: dict[ExportFormat, SegKind] = {ExportFormat.SEG: "LABELMAP", ExportFormat.SEG_BINARY: "BINARY"}


_WRITERS: dict[ExportFormat, Callable[[_Item, ExportOptions], dict[str, bytes]]] = {
    ExportFormat.SEG: _seg,
    ExportFormat.SEG_BINARY: _seg,
    ExportFormat.NIFTI: _nifti,
    ExportFormat.ITKSNAP: _itksnap,
    ExportFormat.SLICER: _slicer,
}
