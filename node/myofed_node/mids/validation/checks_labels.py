"""Named checks of a label map, its table and the image it was drawn on."""

from __future__ import annotations

import numpy as np

from myofed_node.mids.validation.checks import LABEL_MAP, Found
from myofed_node.mids.validation.dataset_view import LabelMapView, is_invertible
from myofed_node.mids.validation.nifti_header import NiftiHeader
from myofed_schemas.muscle_sets import label_name
from myofed_schemas.rules import Rule


@LABEL_MAP.needs()
def has_labels(label_map: LabelMapView, _rule: Rule) -> Found:
    """The sidecar says what the values stand for."""
    return () if label_map.labels else ("none",)


@LABEL_MAP.needs()
def has_label_table(label_map: LabelMapView, _rule: Rule) -> Found:
    """The table lists the values of the sidecar."""
    if not label_map.labels:
        return ()
    if label_map.table is None:
        return ("none",)
    values = sorted(row[0] for row in label_map.table[1:])
    return () if values == sorted(str(value) for value in label_map.labels) else ("other values",)


@LABEL_MAP.needs()
def label_values_are_canonical(label_map: LabelMapView, _rule: Rule) -> Found:
    """Every listed value is one of muscles.tsv and has its name."""
    wrong = sum(label_name(value) != name for value, name in label_map.labels.items())
    return (f"{wrong} others",) if wrong else ()


@LABEL_MAP.needs()
def label_is_integer(label_map: LabelMapView, _rule: Rule) -> Found:
    """The voxels are stored as integers, and not scaled."""
    header = label_map.header
    if header is None:
        return ()
    if header.dtype.kind not in "iu":
        return (header.dtype.name,)
    return () if (header.slope, header.inter) == (1.0, 0.0) else ("a scaling",)


@LABEL_MAP.needs()
def label_values_are_listed(label_map: LabelMapView, _rule: Rule) -> Found:
    """No voxel has a value that the sidecar does not name."""
    if label_map.scan is None or not label_map.labels:
        return ()
    unknown = label_map.scan.distinct - {0.0, *(float(value) for value in label_map.labels)}
    return (f"{len(unknown)} others",) if unknown else ()


@LABEL_MAP.needs()
def label_has_image(label_map: LabelMapView, _rule: Rule) -> Found:
    """The image is in the data set."""
    return ("none",) if label_map.image is None else ()


@LABEL_MAP.needs("tolerance_mm")
def label_grid_agrees(label_map: LabelMapView, rule: Rule) -> Found:
    """Shape and affine are those of the image."""
    image = label_map.image.header if label_map.image else None
    if image is None or label_map.header is None:
        return ()
    if label_map.header.shape != image.shape[:3]:
        return ("another shape",)
    apart = corners_apart_mm(label_map.header, image)
    return () if apart is None or apart <= rule.limits["tolerance_mm"] else (f"corners {apart:.4g} mm apart",)


def corners_apart_mm(one: NiftiHeader, other: NiftiHeader) -> float | None:
    """Largest distance between the same corner of two images of one shape, along an axis; None where one has no geometry."""
    affines = [header.affine_ras for header in (one, other)]
    usable = [affine for affine in affines if affine is not None and is_invertible(affine)]
    if len(usable) < 2 or one.ndim < 3:
        return None
    corners = np.asarray([[x, y, z, 1.0] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
    corners[:, :3] *= np.asarray(one.shape[:3]) - 1
    return float(np.abs(corners @ (usable[0] - usable[1]).T).max())
