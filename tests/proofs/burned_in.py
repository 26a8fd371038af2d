"""Burned-in text: no image without text is withheld, and next to none with drawn text is released, over seeded variants of both."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from myofed_anonymization.burned_in import check_burned_in
from myofed_anonymization.policy import Policy, default_policy
from myofed_anonymization.strokes import has_one_ink, text_places
from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import WithheldCode
from proofs.burned_in_images import Pixels, clean_image, text_image

TEXT_VARIANTS, CLEAN_VARIANTS = 300, 300
RELEASED_AT_MOST = 0.035
"""Share of the images with text: bold or smoothed letters of 7 to 10 pixels, and boxes amid noise, are missed now and then. The
limit is stated in docs/deidentification.md."""
HARD_STYLES = frozenset({"pixel", "bitmap"})
"""Letters of one grey value, as consoles draw them: the default policy's search starts from it; others need "thorough"."""
HARD_RELEASED_AT_MOST = 0.06
SMALLEST_SIDE_DRAWN_ON = 100
"""Scanners' images below it are looked at, but not drawn on: no text fits."""


def burned_in() -> tuple[list[dict[str, Any]], list[str]]:
    """All variants, and the scanners' images of MYOFED_SHARED_DATA where it is set."""
    shared = os.environ.get("MYOFED_SHARED_DATA")
    scans = tuple(scanners_images(Path(shared))) if shared else ()
    return judge_variants(range(TEXT_VARIANTS), range(CLEAN_VARIANTS), scans=scans)


def judge_variants(
    texts: Sequence[int], clean: Sequence[int], *, scans: tuple[tuple[str, Pixels], ...] = (), search: str = "thorough"
) -> tuple[list[dict[str, Any]], list[str]]:
    """Counts by kind of image and how each released text was drawn; then a line for each failure.

    Args:
        texts: Numbers of images with text.
        clean: Numbers of images without.
        scans: Name and pixels of scanners' images without text; half of the texts are drawn on them.
        search: The policy's burned_in_search; what the default one would have released is counted beside it.
    """
    policy = default_policy().model_copy(update={"burned_in_search": search})
    failed: list[str] = []
    released: list[dict[str, Any]] = []
    by_default: Counter[str] = Counter()
    counts: dict[str, Counter[str]] = {}
    ground = tuple(pixels for _, pixels in scans if min(pixels.shape) >= SMALLEST_SIDE_DRAWN_ON)
    for number in texts:
        image = text_image(number, real=ground)
        outcome = outcome_of(image.pixels, policy)
        counts.setdefault(f"text on {image.drawn['kind']}", Counter()).update(outcome)
        if "withheld" not in outcome:
            released.append(image.drawn)
        hard = image.drawn["style"] in HARD_STYLES and not image.drawn["lossy"]
        looked_into = bool(image.drawn["lossy"]) or has_one_ink(image.pixels)
        kinds = ("text", "hard text") if hard else ("text",)
        by_default.update(kinds)
        by_default.update(f"{kind} released" for kind in kinds if not (looked_into and "withheld" in outcome))
    for name, pixels in (*((f"{n} {clean_image(n)[0]}", clean_image(n)[1]) for n in clean), *scans):
        outcome = outcome_of(pixels, policy)
        counts.setdefault(f"clean {name.split()[1]}", Counter()).update(outcome)
        if "withheld" in outcome:
            failed.append(f"withheld without text: {name}")
    if len(released) > RELEASED_AT_MOST * len(texts):
        failed.append(f"released with text: {len(released)} of {len(texts)}")
    if by_default["hard text released"] > HARD_RELEASED_AT_MOST * by_default["hard text"]:
        failed.append(f"hard text released by default: {by_default['hard text released']} of {by_default['hard text']}")
    columns = ("images", "suspicious", "withheld")
    table = [{"kind": kind, **{key: found[key] for key in columns}} for kind, found in counts.items()]
    table.append({"kind": "by the default policy", **by_default})
    return [*table, *({"kind": "released with text", "drawn": drawn} for drawn in released)], failed


def outcome_of(pixels: Pixels, policy: Policy) -> list[str]:
    """What to count for an image: always "images", and "suspicious" and "withheld" where it was.

    Raises:
        RuntimeError: It was withheld for another reason, as where the recogniser is not installed.
    """
    suspicious = ["suspicious"] if next(text_places(pixels), None) else []
    try:
        check_burned_in(_dataset(pixels), policy=policy)
    except WithheldError as refusal:
        if refusal.reason is not WithheldCode.BURNED_IN_TEXT:
            message = f"expected BURNED_IN_TEXT or none, found {refusal.reason}"
            raise RuntimeError(message) from refusal
        return ["images", *suspicious, "withheld"]
    return ["images", *suspicious]


def scanners_images(shared: Path) -> Iterator[tuple[str, Pixels]]:
    """Name (number and set) and pixels of the frames of the public DICOM sets, and of twelve slices of every volume."""
    for path in sorted((shared / "dicom").glob("*/*")):
        frames = dcmread(path).pixel_array
        for number, frame in enumerate(frames.reshape(-1, *frames.shape[-2:])):
            yield f"{path.stem[-8:]}-{number} {path.parent.name}", np.ascontiguousarray(frame)
    for path in sorted((shared / "muscle").glob("*/*.nii.gz")):
        volume = np.asanyarray(nib.load(path).dataobj)  # type: ignore[attr-defined]
        volume = volume[..., 0] if volume.ndim == 4 else volume
        for number in np.unique(np.linspace(0, volume.shape[2] - 1, 12).astype(int)):
            plane = np.rot90(volume[:, :, number].astype(float))
            scale = 4095 / max(float(volume.max()), 1) if volume.dtype.kind == "f" else 1
            yield f"{path.stem[-12:]}-{number} {path.parent.name}", np.round(plane * scale).astype(np.int16)


def _dataset(pixels: Pixels) -> FileDataset:
    dataset = Dataset()
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = *pixels.shape, 1
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return FileDataset("", dataset, file_meta=meta)
