"""Writing the images of one series and proving them; all of them or none."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from myofed_node.mids.dicom_input.frames import FileIndex, Frame, Series
from myofed_node.mids.dicom_input.pixel_data import PixelData, stored_values
from myofed_node.mids.dicom_input.source import SourceFile
from myofed_node.mids.drafts import Draft, Drafts
from myofed_node.mids.labelled_values import refuse_changed_values
from myofed_node.mids.layout import NamedImage
from myofed_node.mids.nifti import nifti_bytes
from myofed_node.mids.pixels import scaling_of, voxels
from myofed_node.mids.proof import SourceFrame, prove
from myofed_node.mids.sidecars import sidecar
from myofed_schemas.conversion import ConvertedImage
from myofed_schemas.mids import Part
from myofed_schemas.sidecar import Provenance, ScalingKind, Sidecar


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
    draft: Draft
    scaling: ScalingKind
    voxels_checked: int


def write_series(source: SeriesSource, images: tuple[NamedImage, ...], *, run: RunFacts) -> tuple[ConvertedImage, ...]:
    """Every image of the series lies in the data set with its sidecar, and was re-read and compared with the source.

    The files have their names when all of them are proven: after a refusal what an earlier call wrote under these names is as
    it was. NIfTI files come first and sidecars, which make them part of the data set, last.

    Raises:
        SeriesRefusedError: The pixels cannot be read or mapped, or what was written differs from what was stored, or
            would change voxels of an image that has a label map.
    """
    pixels = _read(source.pixels)
    source_digest = hashlib.sha256("\n".join(sorted(file.sha256 for file in source.files)).encode()).hexdigest()
    with Drafts() as drafts:
        written = [_write_image(named, source, pixels, drafts, run) for named in images]
        documents = [_document(one, source, source_digest, run) for one in written]
        sidecars = [
            drafts.write(run.dataset / one.named.name.sidecar, document.to_json())
            for one, document in zip(written, documents, strict=True)
        ]
        for one in written:
            refuse_changed_values(one.named.name, one.draft.temporary, run.dataset)
        drafts.place([one.draft for one in written], sidecars)
    return tuple(_converted(one) for one in written)


def _read(pixels: Sequence[PixelData]) -> _Pixels:
    both = {FileIndex(number): stored_values(one) for number, one in enumerate(pixels)}
    return _Pixels({n: pair[0] for n, pair in both.items()}, {n: pair[1] for n, pair in both.items()})


def _write_image(named: NamedImage, source: SeriesSource, pixels: _Pixels, drafts: Drafts, run: RunFacts) -> _Written:
    image, vendor = named.image, source.series.acquisition.vendor
    values = voxels(image, pixels.converted, vendor=vendor)
    draft = drafts.write(run.dataset / named.name.image, nifti_bytes(values.values, image.stack.affine_ras))
    _, maps = scaling_of(image, vendor)
    frames = [
        SourceFrame(frame, _plane(frame, pixels), maps[frame], echo)
        for group in image.stack.frames
        for echo, frame in enumerate(group)
    ]
    return _Written(named, draft, values.scaling, prove(draft.temporary, frames, part=image.part))


def _plane(frame: Frame, pixels: _Pixels) -> NDArray[np.integer]:
    plane: NDArray[np.integer] = pixels.proof[frame.file][frame.index]
    return plane


def _document(written: _Written, source: SeriesSource, source_digest: str, run: RunFacts) -> Sidecar:
    image = written.named.image
    provenance = Provenance(
        source_series_instance_uid=source.series.uid,
        joined_series_instance_uids=source.members if len(source.members) > 1 else None,
        override_digest=image.override.digest if image.override else None,
        source_digest=source_digest,
        source_files=len(source.files),
        policy_digest=run.policy_digest,
        image_digest=written.draft.digest.result(),
        value_scaling=written.scaling,
        component_assumed=image.part_assumed,
        tools=run.tools,
    )
    used = sorted({frame.file for group in image.stack.frames for frame in group})
    numbers = [source.files[file].numbers for file in used]
    return sidecar(image, source.series.acquisition, provenance=provenance, numbers=numbers)


def _converted(written: _Written) -> ConvertedImage:
    name, part = written.named.name, written.named.image.part
    return ConvertedImage(
        path=str(name.image),
        sidecar=str(name.sidecar),
        suffix=name.suffix,
        part=None if part is Part.MAG else part,
        sha256=written.draft.digest.result(),
        voxels_checked=written.voxels_checked,
    )
