"""Images that an earlier call made of a series and that this call's outcome does not name: gone, or kept for their label maps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from myofed_node.mids.dataset_files import sessions_table
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_schemas.errors import MyofedError
from myofed_schemas.files import fsync_folder
from myofed_schemas.mids import ImageName
from myofed_schemas.sidecar import Sidecar


@dataclass(frozen=True)
class EarlierImage:
    """An image that is part of the data set.

    Attributes:
        sidecar: Path.
        source: New SeriesInstanceUID by which the image keeps its name.
        members: All series it was made of.
        echo_times_ms: As its sidecar has them.
    """

    sidecar: Path
    name: ImageName
    source: str
    members: frozenset[str]
    echo_times_ms: tuple[float, ...] = ()

    @property
    def image(self) -> Path:
        """The NIfTI file."""
        return self.sidecar.with_suffix(".nii.gz")


@dataclass(frozen=True)
class Claim:
    """What one series, or several that were joined, are to have in the data set.

    Attributes:
        source: New SeriesInstanceUID by which the images are named.
        names: With run 1; none where the series is refused.
    """

    source: str
    members: frozenset[str]
    names: frozenset[ImageName] = frozenset()


@dataclass(frozen=True)
class Settled:
    """What follows for the earlier images of a session.

    Attributes:
        stale: No outcome names them, and none of their series is held.
        held: Series that must stay as they are.
    """

    stale: tuple[EarlierImage, ...]
    held: frozenset[str]


def earlier_images(dataset: Path, session: str) -> tuple[EarlierImage, ...]:
    """Every complete image of the session, in whatever subject, sorted by path.

    Raises:
        MyofedError: SESSION_NOT_OURS.
    """
    return tuple(_earlier(path) for path in sorted(dataset.glob(f"sub-*/ses-{session}/mr-*/*.json")))


def _earlier(path: Path) -> EarlierImage:
    try:
        sidecar = Sidecar.model_validate_json(path.read_bytes())
        provenance, times = sidecar.provenance, sidecar.echo_time_ms
        source = provenance.source_series_instance_uid
        members = frozenset({source, *(provenance.joined_series_instance_uids or ())})
        echoes = times if isinstance(times, tuple) else () if times is None else (times,)
        return EarlierImage(path, ImageName.parse(path.stem), source, members, echoes)
    except (ValidationError, MyofedError):
        raise MyofedError(
            "SESSION_NOT_OURS",
            "expected only sidecars of profile myofed-1 in the session's folder, found another",
            hint="convert into a new folder",
        ) from None


def settle(earlier: Sequence[EarlierImage], claims: Sequence[Claim], *, dataset: Path) -> Settled:
    """Which earlier images must go before the claims are met, and which series must not be touched.

    A series is held where an image that should go has a label map, or belongs to another series that is held, too.
    """
    stale = {claim: _stale(earlier, claim) for claim in claims}
    kept = {image for images in stale.values() for image in images if is_labelled(image, dataset)}
    held: set[Claim] = set()
    while more := {claim for claim in claims if claim not in held and kept.intersection(stale[claim])}:
        held |= more
        kept.update(image for claim in more for image in earlier if image.members & claim.members)
    gone = {image for claim in claims if claim not in held for image in stale[claim]}
    return Settled(
        tuple(image for image in earlier if image in gone), frozenset(uid for claim in held for uid in claim.members)
    )


def _stale(earlier: Iterable[EarlierImage], claim: Claim) -> tuple[EarlierImage, ...]:
    """Of two with one name and source only the first keeps it."""
    stale, wanted = [], set(claim.names)
    for image in earlier:
        if not image.members & claim.members:
            continue
        bare = replace(image.name, run=1)
        if bare in wanted and (image.source, image.members) == (claim.source, claim.members):
            wanted.remove(bare)
        else:
            stale.append(image)
    return tuple(stale)


def is_labelled(image: EarlierImage, dataset: Path) -> bool:
    """Whether any pipeline has a label map, or a part of one, that was drawn on the image."""
    folder = image.name.folder.parent
    return any(
        any(pipeline.glob(f"{folder}/**/{image.sidecar.stem}_dseg.*")) for pipeline in dataset.glob("derivatives/*")
    )


def labelled_refusal() -> SeriesRefusedError:
    """Of a series that is held."""
    return SeriesRefusedError("EARLIER_IMAGE_LABELLED", "earlier image=has a label map and is no part of this outcome")


def remove_images(images: Sequence[EarlierImage]) -> None:
    """No sidecar and then no image is there: cut short between, the image alone is no part of the data set."""
    for image in images:
        image.sidecar.unlink(missing_ok=True)
    for folder in {image.sidecar.parent for image in images}:
        fsync_folder(folder)
    for image in images:
        image.image.unlink(missing_ok=True)


def remove_empty_folders(dataset: Path, session: str) -> None:
    """The session has no folder without a file."""
    for pattern in (f"sub-*/ses-{session}/mr-*", f"sub-*/ses-{session}"):
        for folder in dataset.glob(pattern):
            if not any(folder.iterdir()):
                folder.rmdir()


def remove_empty_subjects(dataset: Path) -> None:
    """No subject without a session has a folder; other files that lie there keep it."""
    for folder in list(dataset.glob("sub-*")):
        if not any(folder.glob("ses-*")):
            (dataset / sessions_table(folder.name)).unlink(missing_ok=True)
            with suppress(OSError):  # another file lies there
                folder.rmdir()
