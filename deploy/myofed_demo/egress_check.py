"""Proof of what left: ledger against what the coordinator received, and a search of the captured bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.errors import InvalidDicomError

from myofed_demo.federation import Federation
from myofed_demo.hospital import planted_values
from myofed_demo.leak_search import (
    LABEL_DISTINCT,
    Needles,
    identity_needles,
    planted_leak,
    search,
    voxel_needles,
)
from myofed_demo.result import EgressCheck
from myofed_schemas.errors import MyofedError

EVERY_FILE = 7
"""Every seventh image file gives needles: with six slices and two to six echoes that meets every slice and echo."""


def check_egress(federation: Federation, name: str) -> EgressCheck:
    """What this site's ledger says, what the sites' port received, and what the search of the bodies found."""
    summary = federation.node(name, "egress")
    received = sum(line["in_bytes"] for line in _sites_port(federation.home) if line["site"] == name)
    bodies = list(captured(federation.site(name) / "egress-capture"))
    hits = search(bodies, needles_of(federation.hospital(name)))
    by_kind = summary["out_bytes_by_kind"]
    return EgressCheck(
        bytes=by_kind.get("engine", 0) + by_kind.get("site", 0),
        requests=summary["requests"],
        received_bytes=received,
        searched_bytes=sum(len(body) for _, body in bodies),
        hits=len(hits),
    )


def planted_leak_is_found(federation: Federation, name: str) -> bool:
    """The same search finds both kinds of leak when one is planted among this site's bodies."""
    hospital = federation.hospital(name)
    identity = max(planted_values(hospital), key=len)
    pixels = next(_slices(hospital / "dicom"))
    bodies = [*islice(captured(federation.site(name) / "egress-capture"), 3), *planted_leak(identity, pixels)]
    hits = search(bodies, needles_of(hospital))
    return {hit.body for hit in hits} == {"planted-identity", "planted-voxels"}


def needles_of(hospital: Path) -> Needles:
    """Everything that must not leave this hospital: planted identities, image and label voxels.

    Raises:
        MyofedError: DEMO_NO_NEEDLES: the hospital's folder holds none.
    """
    images = voxel_needles(_slices(hospital / "dicom"))
    labels = voxel_needles(_label_slices(hospital / "labels"), distinct=LABEL_DISTINCT)
    identities = identity_needles(planted_values(hospital))
    if not (images.voxels and identities.identities):
        raise MyofedError("DEMO_NO_NEEDLES", "the hospital's folder gave nothing to search for")
    return identities | images | labels


def captured(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every body that LEFT through the egress (what came in is in `.in` files)."""
    for path in sorted(folder.glob("*.out")):
        yield path.name, path.read_bytes()


def _slices(folder: Path) -> Iterator[NDArray[np.generic]]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    for path in files[:: EVERY_FILE if len(files) > EVERY_FILE * EVERY_FILE else 1]:
        try:
            dataset = pydicom.dcmread(path)
        except InvalidDicomError:
            continue  # a hospital's export may hold other files; they have no voxels
        if "PixelData" in dataset:
            stored = dataset.pixel_array
            yield from (stored if stored.ndim == 3 else stored[None])


def _label_slices(folder: Path) -> Iterator[NDArray[np.generic]]:
    for path in sorted(folder.rglob("*.nii.gz"))[::3]:
        volume = np.asarray(nib.Nifti1Image.from_filename(path).dataobj)
        yield volume[:, :, volume.shape[2] // 2]


def _sites_port(home: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home / "sites-port.jsonl").read_text().splitlines()]
