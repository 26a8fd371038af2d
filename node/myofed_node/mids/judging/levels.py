"""Where along the limb slices lie, from what a person of the site measured and the positions of the slices."""

from __future__ import annotations

import numpy as np

from myofed_node.mids.dicom_input.frames import Plane
from myofed_node.mids.geometry import Stack
from myofed_node.mids.judging.overrides import CONTRADICTION, Level
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_schemas.sidecar import AnatomicalLevel

MIN_NORMAL_Z = 0.8
"""Slices tilted by more than 37 degrees have no level along the limb."""
DECIMALS = 3


def anatomical_level(level: Level, stack: Stack) -> AnatomicalLevel:
    """Percent of the bone's length or distance to the landmark, of the centre of each slice, in order of the third axis.

    Raises:
        SeriesRefusedError: OVERRIDE_CONTRADICTS_HEADERS, the slices are not transversal.
    """
    planes = [group[0].plane for group in stack.frames]
    if abs(_normal_z(planes[0])) < MIN_NORMAL_Z:
        raise SeriesRefusedError(CONTRADICTION, "ImageOrientationPatient=not transversal", "override=level")
    heights = [_centre_z(plane) for plane in planes]
    percent = distance = None
    if level.proximal_z_mm is not None and level.distal_z_mm is not None:
        length, top = level.proximal_z_mm - level.distal_z_mm, level.proximal_z_mm
        percent = tuple(round(100.0 * (top - z) / length, DECIMALS) for z in heights)
    if level.landmark_z_mm is not None:
        landmark = level.landmark_z_mm
        distance = tuple(round(z - landmark, DECIMALS) for z in heights)
    return AnatomicalLevel(
        bone=level.bone,
        percent_of_length=percent,
        landmark=level.landmark,
        distance_to_landmark_mm=distance,
    )


def _normal_z(plane: Plane) -> float:
    return float(np.cross(plane.orientation_lps[:3], plane.orientation_lps[3:])[2])


def _centre_z(plane: Plane) -> float:
    """Height of the middle of the picture, LPS z in mm."""
    rows, columns = plane.shape
    between_rows, between_columns = plane.pixel_spacing_mm
    along_row = plane.orientation_lps[2] * between_columns * (columns - 1) / 2
    along_column = plane.orientation_lps[5] * between_rows * (rows - 1) / 2
    return plane.position_lps[2] + along_row + along_column
