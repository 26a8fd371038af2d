"""A NIfTI file of a data set with its sidecar, read when asked for: what images and label maps have in common."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final

from myofed_node.mids.listing import IMAGE_ENDING, SIDECAR_ENDING
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.mids import ImageName

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GRID_TOLERANCE_MM: Final = 1e-3


@dataclass(frozen=True)
class SidecarKeys(Mapping[str, object]):
    """What a sidecar tells, whoever wrote it; a key that is absent or of another type is None or empty."""

    content: Mapping[str, object]

    def __getitem__(self, key: str) -> object:
        return self.content[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.content)

    def __len__(self) -> int:
        return len(self.content)

    def number(self, key: str) -> float | None:
        """The number under this key."""
        value = self.content.get(key)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def numbers(self, key: str) -> tuple[float, ...]:
        """The numbers under this key, one or a list of nothing else."""
        value = self.content.get(key)
        found = [SidecarKeys({key: one}).number(key) for one in (value if isinstance(value, list) else [value])]
        numbers = tuple(one for one in found if one is not None)
        return numbers if len(numbers) == len(found) else ()

    def text(self, key: str) -> str | None:
        """The text under this key."""
        value = self.content.get(key)
        return value if isinstance(value, str) else None


@dataclass(frozen=True)
class NiftiFile:
    """A NIfTI file of a data set.

    Attributes:
        root: Folder of the data set.
        path: The file, relative to it.
        name: Entities; part is None for magnitude.
    """

    root: Path
    path: PurePosixPath
    name: ImageName
    _what: ClassVar[str] = "an image"

    @property
    def file(self) -> Path:
        """Where the file lies."""
        return self.root / self.path

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Voxels along i, j, k and, in 4D, echo.

        Raises:
            MyofedError: IMAGE_UNREADABLE.
        """
        return tuple(int(n) for n in self._nifti.shape)

    @property
    def affine_ras(self) -> NDArray[np.float64]:
        """(4, 4), voxel index (i, j, k) -> mm, RAS+; a new array at every call.

        Raises:
            MyofedError: IMAGE_UNREADABLE; IMAGE_WITHOUT_GEOMETRY where neither sform nor qform is set.
        """
        import numpy as np

        header = self._nifti.header
        if not int(header["sform_code"]) and not int(header["qform_code"]):
            raise refused(
                "IMAGE_WITHOUT_GEOMETRY", "expected an image that says where it lies, found neither sform nor qform"
            )
        return np.array(self._nifti.affine, dtype=np.float64)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance of neighbouring voxels along i, j and k, by the affine.

        Raises:
            MyofedError: As `affine_ras`.
        """
        import numpy as np

        i, j, k = (float(length) for length in np.linalg.norm(self.affine_ras[:3, :3], axis=0))
        return i, j, k

    def values(self, volume: int | None = None) -> NDArray[np.generic]:
        """All voxels, or one volume along the fourth axis, in the file's own type (or float64 where it is scaled); read anew at every call.

        Args:
            volume: Index along the fourth axis; a 3D image has volume 0 only.

        Raises:
            MyofedError: IMAGE_UNREADABLE; IMAGE_NO_SUCH_VOLUME.
        """
        import numpy as np

        with_echoes = len(self.shape) > 3
        if volume is not None and not 0 <= volume < (self.shape[3] if with_echoes else 1):
            raise refused("IMAGE_NO_SUCH_VOLUME", f"expected a volume of {self.shape}, found {volume}")
        proxy = self._nifti.dataobj
        with _damage_refused():
            one = volume is not None and with_echoes
            read = np.asanyarray(proxy[..., volume] if one else proxy)
        native: NDArray[np.generic] = read.astype(read.dtype.type)
        return native

    def same_grid(self, other: NiftiFile) -> bool:
        """Whether the first three axes are the same voxels in space, within 1e-3 mm at every corner.

        Raises:
            MyofedError: As `affine_ras`.
        """
        import numpy as np

        if len(self.shape) < 3 or self.shape[:3] != other.shape[:3]:
            return False
        ends = np.asarray(self.shape[:3]) - 1
        corners = np.asarray([[*(ends * corner), 1.0] for corner in np.ndindex(2, 2, 2)])
        apart = corners @ (self.affine_ras - other.affine_ras).T
        return bool(np.abs(apart).max() <= GRID_TOLERANCE_MM)

    @cached_property
    def keys(self) -> SidecarKeys:
        """What the sidecar tells, whoever wrote it; empty where there is none.

        Raises:
            MyofedError: SIDECAR_INVALID, it is no JSON object.
        """
        try:
            content = json.loads(self.beside(SIDECAR_ENDING).read_bytes())
        except FileNotFoundError:
            content = {}
        except (OSError, ValueError):
            content = None
        if not isinstance(content, dict):
            raise sidecar_invalid(f"a JSON object beside {self._what}")
        return SidecarKeys(MappingProxyType(content))

    def beside(self, ending: str) -> Path:
        """The file's own name with another ending."""
        return self.root / self.path.with_name(self.path.name.removesuffix(IMAGE_ENDING) + ending)

    @cached_property
    def _nifti(self) -> Any:
        from myofed_node.mids.nifti import read_nifti

        with _damage_refused():
            return read_nifti(self.file)


@contextmanager
def _damage_refused() -> Iterator[None]:
    """What nibabel and gzip raise for absent and damaged files becomes a refusal."""
    try:
        yield
    except _damage():
        raise refused("IMAGE_UNREADABLE", "expected a NIfTI file that can be read, found none") from None


def _damage() -> tuple[type[BaseException], ...]:
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    return (OSError, EOFError, ValueError, zlib.error, ImageFileError, HeaderDataError, WrapStructError)


def sidecar_invalid(expected: str) -> MyofedError:
    """SIDECAR_INVALID: found none that can be read."""
    return refused("SIDECAR_INVALID", f"expected {expected}, found none that can be read")


def refused(code: str, message: str) -> MyofedError:
    """The error of a data set that is not as it should be."""
    return MyofedError(
        code, message, hint="myofed-node validate DATASET names the file", exit_code=ExitCode.INVALID_DATASET
    )
