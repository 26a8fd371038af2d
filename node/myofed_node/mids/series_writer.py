"""Writing the images of one series and proving them; all of them or none."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from myofed_node.mids.dicom_input.frames import FileIndex, Frame, Series
from myofed_node.mids.dicom_input.pixel_data import PixelData, stored_values
from myofed_node.mids.dicom_input.source import SourceFile
from myofed_node.mids.layout import NamedImage
from myofed_node.mids.nifti import write_nifti
from myofed_node.mids.pixels import Voxels, scaling_of, voxels
from myofed_node.mids.proof import SourceFrame, prove
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_node.mids.sidecars import sidecar
from myofed_schemas.conversion import ConvertedImage
from myofed_schemas.files import fsync_folder, write_atomically
from myofed_schemas.mids import Part
from myofed_schemas.sidecar import Provenance, Sidecar


@dataclass(frozen=True)
class RunFacts:
    """What is the same for every image of a run."""

    dataset: Path
    policy_digest: str
    tools: dict[str, str]


@dataclass(frozen=True)
class SeriesSource:
    """A series that is to be written, or several that the site's override joined.

    Attributes:
        members: Their new SeriesInstanceUIDs; more than one where series were joined.
        files: Of all members, one after the other; `Frame.file` counts in them.
        pixels: One a file.
    """

    series: Series
    members: tuple[str, ...]
    files: tuple[SourceFile, ...]
    pixels: Sequence[PixelData]


@dataclass(frozen=True)
class _Pixels:
    converted: dict[FileIndex, NDArray[np.integer]]
    proof: dict[FileIndex, NDArray[np.integer]]


@dataclass(frozen=True)
class _Written:
    named: NamedImage
    document: Sidecar
    voxels_checked: int


def write_series(source: SeriesSource, images: tuple[NamedImage, ...], *, run: RunFacts) -> tuple[ConvertedImage, ...]:
    """Every image of the series lies in the data set with its sidecar, and was re-read and compared with the source.

    The NIfTI file comes first and the sidecar, which makes it part of the data set, last. It has its name when it is
    proven: after a refusal what an earlier call wrote under these names is as it was.

    Raises:
        SeriesRefusedError: The pixels cannot be read or mapped, or what was written differs from what was stored.
    """
    try:
        pixels = _read(source.pixels)
        source_digest = hashlib.sha256("\n".join(sorted(file.sha256 for file in source.files)).encode()).hexdigest()
        written = [_write_image(named, source, pixels, source_digest, run) for named in images]
    except (SeriesRefusedError, MemoryError):
        for named in images:
            _unproven(named, run).unlink(missing_ok=True)
        raise
    return tuple(_commit(one, run) for one in written)


def _read(pixels: Sequence[PixelData]) -> _Pixels:
    both = {FileIndex(number): stored_values(one) for number, one in enumerate(pixels)}
    return _Pixels({n: pair[0] for n, pair in both.items()}, {n: pair[1] for n, pair in both.items()})


def _write_image(
    named: NamedImage, source: SeriesSource, pixels: _Pixels, source_digest: str, run: RunFacts
) -> _Written:
    image, vendor = named.image, source.series.acquisition.vendor
    values = voxels(image, pixels.converted, vendor=vendor)
    path = _unproven(named, run)
    digest = write_nifti(path, values.values, image.stack.affine_ras)
    _, maps = scaling_of(image, vendor)
    frames = [
        SourceFrame(frame, _plane(frame, pixels), maps[frame], echo)
        for group in image.stack.frames
        for echo, frame in enumerate(group)
    ]
    checked = prove(path, frames, part=image.part)
    return _Written(
        named, _sidecar(named, source, _provenance(named, source, source_digest, values, digest, run)), checked
    )


def _provenance(
    named: NamedImage, source: SeriesSource, source_digest: str, values: Voxels, digest: str, run: RunFacts
) -> Provenance:
    return Provenance(
        source_series_instance_uid=source.series.uid,
        joined_series_instance_uids=source.members if len(source.members) > 1 else None,
        override_digest=named.image.override.digest if named.image.override else None,
        source_digest=source_digest,
        source_files=len(source.files),
        policy_digest=run.policy_digest,
        image_digest=digest,
        value_scaling=values.scaling,
        component_assumed=named.image.part_assumed,
        tools=run.tools,
    )


def _plane(frame: Frame, pixels: _Pixels) -> NDArray[np.integer]:
    plane: NDArray[np.integer] = pixels.proof[frame.file][frame.index]
    return plane


def _sidecar(named: NamedImage, source: SeriesSource, provenance: Provenance) -> Sidecar:
    used = sorted({frame.file for group in named.image.stack.frames for frame in group})
    numbers = [source.files[file].numbers for file in used]
    return sidecar(named.image, source.series.acquisition, provenance=provenance, numbers=numbers)


def _commit(written: _Written, run: RunFacts) -> ConvertedImage:
    named, document = written.named, written.document
    path = run.dataset / named.name.image
    os.replace(_unproven(named, run), path)  # noqa: PTH105  same spelling as in myofed_schemas.files
    fsync_folder(path.parent)
    write_atomically(run.dataset / named.name.sidecar, document.to_json())
    return ConvertedImage(
        path=str(named.name.image),
        sidecar=str(named.name.sidecar),
        suffix=named.name.suffix,
        part=None if named.image.part is Part.MAG else named.image.part,
        sha256=document.provenance.image_digest,
        voxels_checked=written.voxels_checked,
    )


def _unproven(named: NamedImage, run: RunFacts) -> Path:
    """A temporary name, which is cleared away after a kill."""
    path = run.dataset / named.name.image
    return path.with_name(f".{path.name}.unproven.tmp")
