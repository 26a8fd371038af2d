"""Named checks of a label map, its table and the image it was drawn on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from myofed_node.mids.checks_files import Found
from myofed_node.mids.dataset_view import LabelMapView
from myofed_schemas.anatomy import muscle_of_label_value
from myofed_schemas.rules import Rule

LabelCheck = Callable[[LabelMapView, Rule], Found]


def has_label_table(label_map: LabelMapView, _rule: Rule) -> Found:
    """Sidecar and table list the same values."""
    table = label_map.beside(".tsv")
    if not label_map.labels or not table.is_file():
        return ("none",)
    rows = table.read_text(encoding="utf-8", errors="replace").splitlines()[1:]
    return () if {row.split("\t")[0] for row in rows} == {str(v) for v in label_map.labels} else ("other values",)


def label_values_are_canonical(label_map: LabelMapView, _rule: Rule) -> Found:
    """Every listed value is one of muscles.tsv and has its name."""
    wrong = sum(label_name(value) != name for value, name in label_map.labels.items())
    return (f"{wrong} others",) if wrong else ()


def label_name(value: int) -> str:
    """`left vastus lateralis` for a canonical value, empty for another."""
    try:
        muscle, side = muscle_of_label_value(value)
    except KeyError:
        return ""
    return f"{side.word} {muscle.name}"


def label_is_integer(label_map: LabelMapView, _rule: Rule) -> Found:
    """The voxels are stored as integers."""
    if label_map.nifti is None:
        return ("an unreadable file",)
    dtype = label_map.nifti.get_data_dtype()
    return () if dtype.kind in "iu" else (str(dtype),)


def label_values_are_listed(label_map: LabelMapView, _rule: Rule) -> Found:
    """No voxel has a value that the sidecar does not name."""
    if label_map.values is None:
        return ("an unreadable file",)
    unknown = set(np.unique(label_map.values).tolist()) - {0, *label_map.labels}
    return (f"{len(unknown)} others",) if unknown else ()


def label_has_image(label_map: LabelMapView, _rule: Rule) -> Found:
    """The image is in the data set."""
    return ("none",) if label_map.image is None else ()


def label_grid_agrees(label_map: LabelMapView, rule: Rule) -> Found:
    """Shape and affine are those of the image."""
    image = label_map.image.nifti if label_map.image else None
    if image is None or label_map.nifti is None:
        return ()
    if label_map.nifti.shape != image.shape[:3]:
        return ("another shape",)
    corners = np.asarray([[x, y, z, 1.0] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
    corners[:, :3] *= np.asarray(image.shape[:3]) - 1
    apart = np.abs(corners @ (np.asarray(label_map.nifti.affine) - np.asarray(image.affine)).T).max()
    return () if apart <= rule.limits["tolerance_mm"] else (f"corners {apart:.4f} mm apart",)


LABEL_CHECKS: dict[str, LabelCheck] = {
    check.__name__: check
    for check in (
        has_label_table,
        label_values_are_canonical,
        label_is_integer,
        label_values_are_listed,
        label_has_image,
        label_grid_agrees,
    )
}
