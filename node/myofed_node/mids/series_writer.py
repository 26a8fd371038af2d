"""Writing the images of one series and proving them; all of them or none."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from myofed_node.mids.frames import FileIndex, Frame, Series
from myofed_node.mids.layout import NamedImage
from myofed_node.mids.nifti import write_nifti
from myofed_node.mids.pixels import Voxels, scaling_of, voxels
from myofed_node.mids.proof import SourceFrame, prove
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_node.mids.sidecars import sidecar
from myofed_node.mids.source import SourceFile, stored_pixels
from myofed_schemas.conversion import ConvertedImage
from myofed_schemas.files import write_atomically
from myofed_schemas.mids import Part
from myofed_schemas.sidecar import Provenance, Sidecar


@dataclass(frozen=True)
class RunFacts:
    """What is the same for every image of a run."""

    dataset: Path
    policy_digest: str
    tools: dict[str, str]


@dataclass(frozen=True)
class _Pixels:
    decoded: dict[FileIndex, NDArray[np.generic]]
    raw: dict[FileIndex, NDArray[np.generic]]


def write_series(
    series: Series, files: tuple[SourceFile, ...], images: tuple[NamedImage, ...], *, run: RunFacts
) -> tuple[ConvertedImage, ...]:
    """Every image of the series lies in the data set with its sidecar, and was re-read and compared with the source.

    The NIfTI file comes first and the sidecar, which makes it part of the data set, last. After a refusal none is there.

    Raises:
        SeriesRefusedError: The pixels cannot be read or mapped, or what was written differs from what was stored.
        MyofedError: DEID_FILE_CHANGED.
    """
    try:
        pixels = _read(files)
        source_digest = hashlib.sha256("\n".join(sorted(f.sha256 for f in files)).encode()).hexdigest()
        written = []
        for named in images:
            digest, values, checked = _write_image(named, series, pixels, run)
            provenance = Provenance(
                source_series_instance_uid=series.uid,
                source_digest=source_digest,
                source_files=len(files),
                policy_digest=run.policy_digest,
                image_digest=digest,
                value_scaling=values.scaling,
                component_assumed=named.image.part_assumed,
                tools=run.tools,
            )
            written.append((named, provenance, checked))
    except SeriesRefusedError:
        _remove(images, run.dataset)
        raise
    return tuple(
        _commit(named, _sidecar(named, series, files, provenance), checked, run)
        for named, provenance, checked in written
    )


def _read(files: tuple[SourceFile, ...]) -> _Pixels:
    both = {FileIndex(n): arrays for n, arrays in enumerate(stored_pixels(files))}
    return _Pixels({n: pair[0] for n, pair in both.items()}, {n: pair[1] for n, pair in both.items()})


def _write_image(named: NamedImage, series: Series, pixels: _Pixels, run: RunFacts) -> tuple[str, Voxels, int]:
    image, vendor = named.image, series.acquisition.vendor
    values = voxels(image, pixels.decoded, vendor=vendor)
    path = run.dataset / named.name.image
    digest = write_nifti(path, values.values, image.stack.affine_ras)
    _, maps = scaling_of(image, vendor)
    sources = (
        SourceFrame(frame, _plane(frame, pixels), maps[frame], echo)
        for group in image.stack.frames
        for echo, frame in enumerate(group)
    )
    return digest, values, prove(path, sources, part=image.part)


def _plane(frame: Frame, pixels: _Pixels) -> NDArray[np.generic]:
    plane: NDArray[np.generic] = pixels.raw[frame.file][frame.index]
    return plane


def _sidecar(named: NamedImage, series: Series, files: tuple[SourceFile, ...], provenance: Provenance) -> Sidecar:
    used = sorted({frame.file for group in named.image.stack.frames for frame in group})
    numbers = [files[file].numbers for file in used]
    return sidecar(named.image, series.acquisition, provenance=provenance, numbers=numbers)


def _commit(named: NamedImage, document: Sidecar, checked: int, run: RunFacts) -> ConvertedImage:
    write_atomically(run.dataset / named.name.sidecar, document.to_json())
    return ConvertedImage(
        path=str(named.name.image),
        sidecar=str(named.name.sidecar),
        suffix=named.name.suffix,
        part=None if named.image.part is Part.MAG else named.image.part,
        sha256=document.provenance.image_digest,
        voxels_checked=checked,
    )


def _remove(images: tuple[NamedImage, ...], dataset: Path) -> None:
    for named in images:
        (dataset / named.name.sidecar).unlink(missing_ok=True)
        (dataset / named.name.image).unlink(missing_ok=True)
