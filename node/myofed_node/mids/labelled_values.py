"""An image on which somebody drew keeps its voxels: what would change them is refused, not written."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from myofed_node.mids.earlier_images import EarlierImage, is_labelled, labelled_refusal
from myofed_schemas.mids import ImageName

CHUNK_BYTES = 1 << 20


def refuse_changed_values(name: ImageName, proven: Path, dataset: Path) -> None:
    """The data set holds no such image, nobody drew on it, or `proven` is the same NIfTI once both are decompressed.

    Another `scale`, `phase_range` or `part` of the override file changes voxels and no name.

    Args:
        name: Of the image.
        proven: NIfTI file that is about to take its place.
        dataset: Where it lies.

    Raises:
        SeriesRefusedError: EARLIER_IMAGE_LABELLED; also where the earlier image cannot be read.
    """
    earlier = EarlierImage(dataset / name.sidecar, name, "", frozenset())
    if earlier.image.exists() and is_labelled(earlier, dataset) and not _same(earlier.image, proven):
        raise labelled_refusal()


def _same(first: Path, second: Path) -> bool:
    try:
        with gzip.open(first) as one, gzip.open(second) as other:
            while (content := one.read(CHUNK_BYTES)) == other.read(CHUNK_BYTES):
                if not content:
                    return True
    except (OSError, EOFError, zlib.error):
        return False
    return False
