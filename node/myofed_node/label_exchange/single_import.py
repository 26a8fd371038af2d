"""One label map comes into any ORMIR-MIDS data set, without a site."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from myofed_node.label_exchange.delivery import Reading, read_delivery
from myofed_node.label_exchange.refusal import LabelRefusedError
from myofed_node.label_map import DrawnMap, Origin, write_label_map
from myofed_schemas.errors import MyofedError
from myofed_schemas.mids import ImageName
from myofed_schemas.muscle_sets import label_name
from myofed_schemas.sidecar import Sidecar
from myofed_schemas.wire import WireModel


class ImportedMap(WireModel):
    """What `labels import FILE --json` prints."""

    path: str
    """Label map, relative to the data set."""
    sha256: str
    labels: tuple[str, ...]
    """Names of what is drawn."""
    lossy: bool
    """Some label stands for several muscles and can never be split."""

    def lines(self) -> list[str]:
        """The outcome in words."""
        told = [f"{len(self.labels)} labels imported: {self.path}"]
        return told + (["some stand for several muscles: no training reads this map"] if self.lossy else [])


@dataclass(frozen=True)
class Destination:
    """Where a map goes.

    Attributes:
        dataset: ORMIR-MIDS data set.
        image: The image it was drawn on, relative to the data set.
        origin: How it was made.
    """

    dataset: Path
    image: Path
    origin: Origin


def import_map(path: Path, destination: Destination, reading: Reading) -> ImportedMap:
    """The map lies under derivatives in canonical values; the same map again changes nothing.

    Args:
        path: NIfTI or DICOM SEG.
        destination: Data set and image.
        reading: How to read it.

    Raises:
        LabelRefusedError: LABEL_IMAGE_UNKNOWN, SEG_OTHER_SERIES, and as for read_delivery and write_label_map.
    """
    name = _image_name(destination)
    image_path = destination.dataset / name.image
    drawn = read_delivery(path, image_path, reading, series_uids=source_series(destination.dataset / name.sidecar))
    relative, sha256 = write_label_map(destination.dataset, name, drawn, origin=destination.origin)
    return ImportedMap(path=str(relative), sha256=sha256, labels=_names(drawn), lossy=drawn.lossy)


def source_series(sidecar: Path) -> tuple[str, ...]:
    """SeriesInstanceUIDs that the image was made from, none where its sidecar is not of our conversion."""
    try:
        provenance = Sidecar.model_validate_json(sidecar.read_bytes()).provenance
    except (OSError, ValidationError):
        return ()
    joined = provenance.joined_series_instance_uids or ()
    return tuple(dict.fromkeys((provenance.source_series_instance_uid, *joined)))


def _names(drawn: DrawnMap) -> tuple[str, ...]:
    return tuple(label_name(value) for value in drawn.values_present)


def _image_name(destination: Destination) -> ImageName:
    image = destination.image
    try:
        below = image.relative_to(destination.dataset) if image.is_absolute() else image
        name = ImageName.parse(below.name.removesuffix(".nii.gz"))
    except (ValueError, MyofedError):
        raise _unknown() from None
    if Path(name.image) != below or not (destination.dataset / name.image).is_file():
        raise _unknown()
    return name


def _unknown() -> LabelRefusedError:
    return LabelRefusedError(
        "LABEL_IMAGE_UNKNOWN",
        "expected an image of the data set under its name of the profile, found none",
        hint="--image is its path relative to the data set, e.g. sub-X/ses-1/mr-anat/sub-X_ses-1_INPH.nii.gz",
    )
