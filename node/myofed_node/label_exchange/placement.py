"""A DICOM plane in an image's grid: which voxels its rows and columns are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from myofed_node.label_exchange.refusal import LabelRefusedError
from myofed_node.mids.geometry import LPS_TO_RAS, POSITION_TOLERANCE_MM

Indices = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True)
class DicomPlane:
    """One frame in space (PS3.3 C.7.6.2), LPS.

    Attributes:
        rows: Number of rows.
        columns: Number of columns.
        position_lps: ImagePositionPatient, mm.
        orientation_lps: ImageOrientationPatient, six numbers.
        spacing_mm: PixelSpacing: between rows, between columns.
    """

    rows: int
    columns: int
    position_lps: tuple[float, ...]
    orientation_lps: tuple[float, ...]
    spacing_mm: tuple[float, ...]

    def to_ras(self) -> NDArray[np.float64]:
        """(4, 3): (row index, column index, 1) -> RAS mm, 1."""
        matrix = np.zeros((4, 3))
        matrix[:3, 0] = np.asarray(self.orientation_lps[3:]) * self.spacing_mm[0]
        matrix[:3, 1] = np.asarray(self.orientation_lps[:3]) * self.spacing_mm[1]
        matrix[:3, 2], matrix[3, 2] = self.position_lps, 1
        return LPS_TO_RAS @ matrix


def voxels_of(plane: DicomPlane, affine_ras: NDArray[np.float64], shape: tuple[int, ...]) -> Indices:
    """Index arrays (rows, columns) for each axis of the image: `values[voxels_of(...)]` is the plane's picture.

    Args:
        plane: Rows and columns run along axes of the grid, in any order and direction.
        affine_ras: (4, 4), of the image.
        shape: (i, j, k), of the image.

    Raises:
        LabelRefusedError: LABEL_GRID where a corner of the plane is no voxel of the image to 0.02 mm.
    """
    to_ras = plane.to_ras()
    exact = np.linalg.inv(affine_ras) @ to_ras
    whole = np.rint(exact)
    for row in (0, plane.rows - 1):
        for column in (0, plane.columns - 1):
            corner = np.asarray([row, column, 1.0])
            apart_mm = np.abs((affine_ras @ whole - to_ras) @ corner).max()
            index = (whole @ corner)[:3]
            if apart_mm > POSITION_TOLERANCE_MM or (index < 0).any() or (index >= shape[:3]).any():
                raise LabelRefusedError(
                    "LABEL_GRID",
                    "expected planes of the image's own grid, found one beside it",
                    hint="see docs/label-maps.md",
                )
    rows, columns = np.ogrid[: plane.rows, : plane.columns]
    i, j, k = ((whole[axis, 0] * rows + whole[axis, 1] * columns + whole[axis, 2]).astype(np.intp) for axis in range(3))
    return i, j, k
