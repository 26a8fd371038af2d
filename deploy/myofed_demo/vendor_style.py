"""How a vendor turns real values into stored integers and says so in a header; one class a vendor, one file each."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from myofed_demo.dicom_classic import Stored
from myofed_demo.dicom_enhanced import ObjectDescription, one
from myofed_demo.dicom_header import Equipment
from myofed_demo.exam import Exam
from myofed_demo.protocols import Kind, ScanProtocol, Volume

Form = Literal["classic", "enhanced"]


@dataclass(frozen=True)
class Encoding:
    """How one volume is stored.

    Attributes:
        stored: Format of the integers.
        forward: Factor and offset: stored = rint(value * factor + offset).
        backward: Factor and offset that give back the value, as a reader of the header must compute it.
        rescale: RescaleSlope, RescaleIntercept, RescaleType as written; None where the header has none.
        scale_slope: Philips' (2005,xx0E).
    """

    stored: Stored
    forward: tuple[float, float]
    backward: tuple[float, float]
    rescale: tuple[str, str, str] | None = None
    scale_slope: float | None = None


@dataclass(frozen=True, eq=False)
class StoredVolume:
    """A volume as it will lie in the file.

    Attributes:
        volume: What was stored.
        encoding: How.
        pixels: (i, j, k) int16.
        real: (i, j, k) float64, what a right reader gets out of them, in the unit of the volume's kind.
    """

    volume: Volume
    encoding: Encoding
    pixels: NDArray[np.int16] = field(repr=False)
    real: NDArray[np.float64] = field(repr=False)


def store(volume: Volume, encoding: Encoding) -> StoredVolume:
    """The volume rounded to stored integers, cut where the format ends; a phase that reads beyond a half turn is cut there."""
    bits = encoding.stored.bits
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if encoding.stored.signed else (0, 2**bits - 1)
    pixels = np.clip(np.rint(volume.values * encoding.forward[0] + encoding.forward[1]), low, high)
    real = pixels * encoding.backward[0] + encoding.backward[1]
    if volume.kind is Kind.PHASE:
        real = np.clip(real, -math.pi, math.pi)
    return StoredVolume(volume, encoding, pixels.astype(np.int16), real)


@dataclass(frozen=True, eq=False)
class Shot:
    """A frame about to be written.

    Attributes:
        exam: Whose.
        protocol: Of which scan.
        stored: Its volume.
        number: From 1, in its object.
    """

    exam: Exam
    protocol: ScanProtocol
    stored: StoredVolume
    number: int


class Style(ABC):
    """One vendor's habits, in classic or in enhanced exports.

    Attributes:
        vendor: Short name.
        form: Classic or enhanced.
        filtering: KSpaceFiltering of enhanced objects.
        components: ComplexImageComponent of enhanced objects; of all other kinds it is MAGNITUDE.
        dimensions: Of enhanced objects, as in ObjectDescription.
        contrasts: AcquisitionContrast of enhanced objects by name of the protocol.
        usual_contrast: Of all other protocols.
    """

    vendor: ClassVar[str]
    filtering: ClassVar[str] = "NONE"
    components: ClassVar[Mapping[Kind, str]] = {Kind.PHASE: "PHASE"}
    dimensions: ClassVar[tuple[tuple[str, str], ...]] = (
        ("StackID", "FrameContentSequence"),
        ("InStackPositionNumber", "FrameContentSequence"),
        ("TemporalPositionIndex", "FrameContentSequence"),
    )

    contrasts: ClassVar[Mapping[str, str]] = {}
    usual_contrast: ClassVar[str] = "UNKNOWN"

    def __init__(self, form: Form) -> None:
        self.form = form

    @property
    @abstractmethod
    def equipment(self) -> Equipment:
        """The scanner as its headers name it."""

    @abstractmethod
    def encoding(self, volume: Volume, brightest: float) -> Encoding:
        """How the volume is stored in a series whose brightest value is this."""

    @abstractmethod
    def image_type(self, volume: Volume, protocol: ScanProtocol) -> tuple[str, ...]:
        """ImageType of a classic image of this volume, FrameType of an enhanced one."""

    @abstractmethod
    def add_series_block(self, dataset: Dataset, exam: Exam, protocol: ScanProtocol) -> None:
        """Private blocks and the vendor's own wording of the technique, the same for the whole series."""

    @abstractmethod
    def protocols(self) -> tuple[ScanProtocol, ...]:
        """What this scanner was asked to scan."""

    def split(self, volumes: Sequence[Volume]) -> list[list[Volume]]:
        """The volumes of each series that the export makes of a protocol; all in one unless the vendor says otherwise."""
        return [list(volumes)]

    def order(self, volumes: int, slices: int) -> list[tuple[int, int]]:
        """(volume, slice) of each instance or frame in the order of its number: volume by volume."""
        return [(volume, k) for volume in range(volumes) for k in range(slices)]

    def mark(self, dataset: Dataset, stored: StoredVolume) -> None:
        """The classic image says how it was stored; more where the vendor says more."""
        if stored.encoding.rescale is not None:
            dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = stored.encoding.rescale

    def mark_frame(self, groups: Dataset, shot: Shot) -> None:
        """The frame says how it was stored; RescaleType is US whatever the unit. More where the vendor says more."""
        slope, intercept, _unit = shot.stored.encoding.rescale or ("1", "0", "US")
        groups.PixelValueTransformationSequence = one(RescaleIntercept=intercept, RescaleSlope=slope, RescaleType="US")

    @abstractmethod
    def file_name(self, exam: Exam, series: int, number: int) -> str:
        """What an export calls the file."""

    def objects(self, volumes: int) -> list[list[int]]:
        """Indices of the volumes of each enhanced object of a series: all in one unless the vendor says otherwise."""
        return [list(range(volumes))]

    @abstractmethod
    def index_values(self, volumes: Sequence[Volume], volume: int, k: int) -> tuple[int, ...]:
        """DimensionIndexValues of slice k of a volume of an object that holds these."""

    def describe(self, protocol: ScanProtocol, volumes: Sequence[StoredVolume], frames: int) -> ObjectDescription:
        """What an object of these volumes says of all its frames."""
        types = {self.image_type(s.volume, protocol) for s in volumes}
        components = {self.component(s.volume) for s in volumes}
        first = min(types)
        return ObjectDescription(
            image_type=first if len(types) == 1 else (*first[:2], "MIXED", "NONE"),
            component=components.pop() if len(components) == 1 else "MIXED",
            contrast=self.contrasts.get(protocol.name, self.usual_contrast),
            sequence_name=protocol.name[:16],
            filtering=self.filtering,
            stored=volumes[0].encoding.stored,
            frames=frames,
            dimensions=self.dimensions,
        )

    def component(self, volume: Volume) -> str:
        """ComplexImageComponent of the volume."""
        return self.components.get(volume.kind, "MAGNITUDE")


def ranks(volumes: Sequence[Volume], volume: int) -> tuple[int, int]:
    """Which of the echo times of these volumes this one has, and which of their kinds; both from 1."""
    times = sorted({v.echo_time_ms for v in volumes})
    kinds = list(dict.fromkeys(v.kind for v in volumes))
    return times.index(volumes[volume].echo_time_ms) + 1, kinds.index(volumes[volume].kind) + 1
