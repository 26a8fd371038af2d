"""One image or label map of a data set; header, voxels and sidecar are read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final

from myofed_node.mids.listing import DERIVATIVES, SIDECAR_ENDING, list_session
from myofed_node.mids.nifti_file import NiftiFile, refused, sidecar_invalid
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.mids import ImageName, Part, Suffix

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from myofed_schemas.anatomy import Side
    from myofed_schemas.sidecar import Sidecar

PHASE_TOLERANCE_RADIANS: Final = 1e-3
"""float32 pi is 9e-8 above pi; a phase beyond this is in another unit."""


@dataclass(frozen=True)
class Image(NiftiFile):
    """One image: magnitude, phase, real, imaginary, or a map with a unit."""

    @property
    def suffix(self) -> Suffix:
        """What the image is."""
        return self.name.suffix

    @property
    def part(self) -> Part | None:
        """Component of a complex image; None for magnitude."""
        return self.name.part

    @cached_property
    def sidecar(self) -> Sidecar:
        """All keys of profile myofed-1, with their types and units.

        `keys` reads what other makers wrote.

        Raises:
            MyofedError: SIDECAR_INVALID, there is none, or it is not one of the profile.
        """
        from pydantic import ValidationError

        from myofed_schemas.sidecar import Sidecar

        try:
            return Sidecar.model_validate_json(self.beside(SIDECAR_ENDING).read_bytes())
        except (OSError, ValidationError):
            raise sidecar_invalid("a sidecar of profile myofed-1 beside an image") from None

    @property
    def echo_times_ms(self) -> tuple[float, ...]:
        """EchoTime, one a volume; empty where the sidecar does not tell."""
        return self.keys.numbers("EchoTime")

    @property
    def parts(self) -> Mapping[Part, Image]:
        """The components of the same acquisition by name, this image included."""
        listed = list_session(self.root, self.name.subject, self.name.session).images
        found = (Image(self.root, n.path, n.name) for n in listed if replace(n.name, part=None) == self._whole)
        return MappingProxyType({image.part or Part.MAG: image for image in found})

    def complex_values(self) -> NDArray[np.complex64]:
        """Magnitude and phase, else real and imaginary, joined: magnitude * exp(i * phase), complex64.

        Raises:
            MyofedError: COMPLEX_PART_MISSING; COMPLEX_PARTS_DIFFER in grid, shape or echo times; PHASE_UNIT where the phase
                is not in radians; IMAGE_UNREADABLE.
        """
        import numpy as np

        parts = self.parts
        if Part.MAG in parts and Part.PHASE in parts:
            magnitude, phase = parts[Part.MAG], parts[Part.PHASE]
            _agree(magnitude, phase)
            return np.asarray(magnitude.values() * np.exp(1j * _radians(phase)), dtype=np.complex64)
        if Part.REAL in parts and Part.IMAG in parts:
            real, imaginary = parts[Part.REAL], parts[Part.IMAG]
            _agree(real, imaginary)
            return np.asarray(
                real.values().astype(np.float64) + 1j * imaginary.values().astype(np.float64), np.complex64
            )
        raise refused(
            "COMPLEX_PART_MISSING",
            f"expected magnitude and phase, or real and imaginary, found {', '.join(sorted(parts))}",
        )

    def labels(self, pipeline: str = "labels") -> LabelMap:
        """The label map that was drawn on this image.

        Args:
            pipeline: Folder below derivatives.

        Raises:
            MyofedError: LABELS_MISSING.
        """
        found = self.find_labels(pipeline)
        if found is None:
            raise refused("LABELS_MISSING", "expected a label map of the image, found none")
        return found

    def find_labels(self, pipeline: str = "labels") -> LabelMap | None:
        """The label map that was drawn on this image, None where there is none."""
        folder = self.root / DERIVATIVES / pipeline
        listed = list_session(folder, self.name.subject, self.name.session).label_maps
        return next((LabelMap(folder, n.path, n.name, self.root) for n in listed if n.name == self.name), None)

    @property
    def _whole(self) -> ImageName:
        return replace(self.name, part=None)


@dataclass(frozen=True)
class LabelMap(NiftiFile):
    """A label map under derivatives/<pipeline>.

    Attributes:
        dataset: Folder of the data set that holds the image.
    """

    dataset: Path
    _what: ClassVar[str] = "a label map"

    @cached_property
    def image(self) -> Image:
        """The image the map was drawn on.

        Raises:
            MyofedError: LABELS_WITHOUT_IMAGE.
        """
        listed = list_session(self.dataset, self.name.subject, self.name.session).images
        found = next((n for n in listed if n.name == self.name), None)
        if found is None:
            raise refused("LABELS_WITHOUT_IMAGE", "expected the image a label map was drawn on, found none")
        return Image(self.dataset, found.path, found.name)

    @cached_property
    def names(self) -> Mapping[int, str]:
        """Label value -> name, as the sidecar's `Labels` says: an object, or the draft's array with item 0 for value 0.

        Background is left out.

        Raises:
            MyofedError: SIDECAR_INVALID.
        """
        listed = self.keys.get("Labels")
        pairs = enumerate(listed) if isinstance(listed, list) else listed.items() if isinstance(listed, dict) else ()
        try:
            names = {int(value): str(name) for value, name in pairs}
        except ValueError:
            names = {}
        if not names:
            raise sidecar_invalid("`Labels` with the names of values beside a label map")
        return MappingProxyType({value: names[value] for value in sorted(names) if value})

    @property
    def origin(self) -> str | None:
        """LabelOrigin: how the map was made."""
        return self.keys.text("LabelOrigin")

    def on_image_grid(self) -> NDArray[np.integer]:
        """All voxels as integers, proven to lie on exactly the image's grid.

        Raises:
            MyofedError: LABELS_WITHOUT_IMAGE; LABEL_GRID; LABEL_NOT_INTEGER; as `values`.
        """
        import numpy as np

        if not self.same_grid(self.image):
            raise MyofedError(
                "LABEL_GRID",
                "expected the label map on the image's grid, found another shape or affine",
                exit_code=ExitCode.BAD_INPUT,
            )
        values = self.values()
        whole: NDArray[np.int32] = np.rint(values.astype(np.float64)).astype(np.int32)
        if not np.array_equal(whole, values):
            raise refused("LABEL_NOT_INTEGER", "expected whole numbers in a label map, found others")
        return whole

    def mask(self, value: int) -> NDArray[np.bool_]:
        """(i, j, k), true where the map has this value; nowhere where a listed value was not drawn.

        Raises:
            MyofedError: LABEL_NOT_LISTED, `Labels` does not name it; as `on_image_grid`.
        """
        import numpy as np

        if value not in self.names:
            raise refused("LABEL_NOT_LISTED", f"expected one of {len(self.names)} values of `Labels`, found {value}")
        return np.asarray(self.on_image_grid() == value)

    def masks(self) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        """(value, mask) of every value that `names` lists, in its order; the file is read once.

        Raises:
            MyofedError: As `on_image_grid`.
        """
        import numpy as np

        values = self.on_image_grid()
        yield from ((value, np.asarray(values == value)) for value in self.names)

    def muscle_mask(self, muscle_id: str, side: Side) -> NDArray[np.bool_]:
        """As `mask`, for a muscle of `muscles.tsv` by its canonical value.

        Raises:
            MyofedError: LABEL_NOT_LISTED, the map does not name the muscle, or there is no muscle of this id.
        """
        from myofed_schemas.anatomy import muscle

        try:
            value = muscle(muscle_id).label_value(side)
        except KeyError:
            raise refused("LABEL_NOT_LISTED", "expected the id of a muscle of muscles.tsv, found another") from None
        return self.mask(value)


def _agree(first: Image, second: Image) -> None:
    same_times = first.echo_times_ms == second.echo_times_ms
    if first.shape != second.shape or not first.same_grid(second) or not same_times:
        raise refused(
            "COMPLEX_PARTS_DIFFER", "expected parts of one grid and the same echo times, found parts that differ"
        )


def _radians(phase: Image) -> NDArray[np.float64]:
    """The phase image's voxels; its sidecar says `rad` and no value contradicts it."""
    import numpy as np

    values = phase.values().astype(np.float64)
    if phase.keys.text("Units") != "rad" or np.abs(values).max(initial=0) > np.pi + PHASE_TOLERANCE_RADIANS:
        raise refused("PHASE_UNIT", "expected a phase in radians with `Units` rad in its sidecar, found another")
    return values
