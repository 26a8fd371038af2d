"""The quaternion of a NIfTI-1 header: the geometry it says, and whether it says that of the sform as well as the format can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FLOAT32_EPS: Final = float(np.finfo(np.float32).eps)
NO_TURN_LEFT: Final = 3 * FLOAT32_EPS
"""Of 1 - (b² + c² + d²): what rounding to float32 makes of 0, as nibabel takes it (quaternions.fillpositive)."""
_HALF_TURN: Final = 1e-3
"""Below this a, a quaternion and its negative are one rotation as far as float32 can tell."""


@dataclass(frozen=True)
class Qform:
    """Method 2 of the standard (nifti1.h), as stored.

    Attributes:
        code: qform_code.
        bcd: Three parts of the unit quaternion; the fourth, a, follows and is not negative.
        offset_mm: Place of the first voxel, RAS.
        spacing_mm: pixdim of the three axes of space.
        handed: 1, or -1 where the third axis is mirrored (qfac).
    """

    code: int
    bcd: NDArray[np.float64]
    offset_mm: NDArray[np.float64]
    spacing_mm: NDArray[np.float64]
    handed: float

    @property
    def affine_ras(self) -> NDArray[np.float64] | None:
        """(4, 4), RAS mm; None where the code is 0 or the quaternion is no rotation."""
        rest = 1.0 - float(self.bcd @ self.bcd)
        if self.code <= 0 or not rest > -NO_TURN_LEFT:
            return None
        a = 0.0 if rest < NO_TURN_LEFT else float(np.sqrt(rest))
        affine = np.eye(4)
        with np.errstate(over="ignore", invalid="ignore"):
            affine[:3, :3] = _rotation(np.array([a, *self.bcd])) * self.spacing_mm * [1, 1, self.handed]
        affine[:3, 3] = self.offset_mm
        return affine

    def says(self, sform_ras: NDArray[np.float64], *, tolerance_mm: float) -> bool:
        """Whether no other quaternion in float32 would say this affine better.

        Near a turn by 180 degrees a = sqrt(1 - b² - c² - d²) loses half its digits: float32 then turns the image by as much as
        7e-4 radians, 0.1 mm at 200 mm, although the writer did all it could.

        Args:
            sform_ras: (4, 4), RAS mm, can be inverted.
            tolerance_mm: For the first voxel and the spacing.
        """
        lengths = np.linalg.norm(sform_ras[:3, :3], axis=0)
        rotation = sform_ras[:3, :3] / lengths
        if (np.linalg.det(rotation) < 0) != (self.handed < 0):
            return False
        near = np.abs(self.offset_mm - sform_ras[:3, 3]) <= tolerance_mm
        close = np.abs(self.spacing_mm - lengths) <= tolerance_mm
        a, *bcd = quaternion_of(rotation * [1, 1, self.handed])
        apart = [float(np.abs(self.bcd - sign * np.array(bcd)).max()) for sign in ((1, -1) if a < _HALF_TURN else (1,))]
        return bool(near.all() and close.all() and min(apart) <= NO_TURN_LEFT)


def quaternion_of(rotation: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """The unit quaternion (a, b, c, d), a not negative, nearest to this matrix (Bar-Itzhack 2000, J Guid Control Dyn 23:1085)."""
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = rotation.tolist()
    matrix = np.array(
        [
            [xx + yy + zz, zy - yz, xz - zx, yx - xy],
            [zy - yz, xx - yy - zz, xy + yx, xz + zx],
            [xz - zx, xy + yx, yy - xx - zz, yz + zy],
            [yx - xy, xz + zx, yz + zy, zz - xx - yy],
        ]
    )
    a, b, c, d = np.linalg.eigh(matrix / 3.0)[1][:, -1].tolist()
    return (a, b, c, d) if a >= 0 else (-a, -b, -c, -d)


def _rotation(quaternion: NDArray[np.float64]) -> NDArray[np.float64]:
    a, b, c, d = (quaternion / np.linalg.norm(quaternion)).tolist()
    return np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
