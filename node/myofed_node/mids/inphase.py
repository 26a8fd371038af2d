"""The one channel every site can form: the magnitude image in which water and fat are in phase."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from myofed_node.mids.dataset import Dataset
from myofed_node.mids.image import Image
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.mids import Suffix

IN_PHASE_MS_TESLA = 2.30 * 3.0
"""In phase at n * 2.30 ms at 3 T and n * 4.6 ms at 1.5 T: fat 3.4 ppm from water (Hamilton 2011, NMR Biomed 24:784)."""
MAX_CYCLES_FROM_IN_PHASE = 0.13
"""47 degrees: at this angle a voxel of half fat keeps 92 % of its in-phase signal."""


@dataclass(frozen=True)
class InPhaseImage:
    """Where the in-phase image is.

    Attributes:
        image: The image of the data set.
        volume: Index along the fourth axis; 0 where the file is 3D.
    """

    image: Image
    volume: int

    @property
    def path(self) -> Path:
        """NIfTI file."""
        return self.image.file


def in_phase_image(dataset: Path, subject: str, session: str) -> InPhaseImage:
    """The session's first choice of `in_phase_images`.

    Raises:
        MyofedError: SUBJECT_NO_IN_PHASE.
    """
    found = in_phase_images(dataset, subject, session)
    if not found:
        raise MyofedError(
            "SUBJECT_NO_IN_PHASE",
            "expected a Dixon in-phase image or a gradient echo near an in-phase echo time, found none in the session",
            hint="the echo must lie within 0.13 cycles of n * 6.9 / tesla ms",
            exit_code=ExitCode.INVALID_DATASET,
        )
    return found[0]


def in_phase_images(dataset: Path, subject: str, session: str) -> tuple[InPhaseImage, ...]:
    """All in-phase magnitude images of the session, best first.

    Dixon in-phase products by run come first, then multi-echo gradient echoes by run, each with the echo nearest in phase
    (the earlier of two that are equally near).

    Args:
        dataset: ORMIR-MIDS folder.
        subject: Label without `sub-`.
        session: Label without `ses-`.

    Raises:
        MyofedError: DATASET_UNREADABLE.
    """
    found = Dataset(dataset).images(part=None, subject=subject, session=session)
    by_run = sorted(found, key=lambda image: image.name.run)
    products = [InPhaseImage(image, 0) for image in by_run if image.suffix is Suffix.INPH]
    echoes = [
        InPhaseImage(image, volume)
        for image in by_run
        if image.suffix is Suffix.MEGRE
        for volume in _nearest_echo(image)
    ]
    return (*products, *echoes)


def _nearest_echo(image: Image) -> tuple[int, ...]:
    """Index of the echo in phase, nothing where none is near or the sidecar does not tell field strength and echo times."""
    try:
        sidecar = image.sidecar
    except MyofedError:
        return ()
    times, tesla = sidecar.echo_time_ms, sidecar.magnetic_field_strength_tesla
    if not isinstance(times, tuple) or not tesla:
        return ()
    distances = [cycles_from_in_phase(time, tesla) for time in times]
    nearest = min(range(len(times)), key=lambda echo: (round(distances[echo], 6), times[echo]))
    return (nearest,) if distances[nearest] <= MAX_CYCLES_FROM_IN_PHASE else ()


def cycles_from_in_phase(echo_time_ms: float, tesla: float) -> float:
    """Distance of this echo from the nearest in-phase time after excitation, in cycles of the water-fat beat (0..0.5).

    Time 0, when all is in phase but no echo can be, does not count.
    """
    cycles = echo_time_ms * tesla / IN_PHASE_MS_TESLA
    return abs(cycles - max(1, round(cycles)))
