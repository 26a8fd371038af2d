"""Named checks of any NIfTI file: that it can be read, and that its header says one thing about space."""

from __future__ import annotations

import numpy as np

from myofed_node.mids.validation.checks import NIFTI, Found
from myofed_node.mids.validation.dataset_view import NiftiView, is_invertible
from myofed_schemas.rules import Rule


@NIFTI.needs()
def is_readable(image: NiftiView, _rule: Rule) -> Found:
    """Header and voxels can be read, and nothing stands behind them."""
    return (image.problem,) if image.problem else ()


@NIFTI.needs()
def affine_is_valid(image: NiftiView, _rule: Rule) -> Found:
    """The geometry that readers use is there, finite and not singular."""
    if image.header is None:
        return ()
    if image.header.affine_ras is None:
        return ("none: sform_code and qform_code are 0, or the quaternion is no rotation",)
    return () if is_invertible(image.header.affine_ras) else ("a singular or infinite one",)


@NIFTI.needs("tolerance_mm")
def sform_equals_qform(image: NiftiView, rule: Rule) -> Found:
    """Both ways of saying the geometry are given and say the same."""
    if image.header is None or image.affine_ras is None:
        return ()
    sform, qform = image.header.sform_ras, image.header.qform.affine_ras
    if sform is None:
        return ("sform_code 0",)
    if qform is None:
        return ("a quaternion that is no rotation" if image.header.qform.code > 0 else "qform_code 0",)
    corners = np.stack([np.append(np.asarray(_space(image.header.shape)) - 1.0, 1.0), [0, 0, 0, 1.0]])
    with np.errstate(over="ignore", invalid="ignore"):
        apart = np.abs((sform - qform) @ corners.T).max()
    if apart <= rule.limits["tolerance_mm"] or image.header.qform.says(sform, tolerance_mm=rule.limits["tolerance_mm"]):
        return ()
    return (f"{apart:.4g} mm apart",)


def _space(shape: tuple[int, ...]) -> tuple[int, int, int]:
    first, second, third = (*shape, 1, 1)[:3]
    return first, second, third


@NIFTI.needs("relative_tolerance")
def spacing_equals_affine(image: NiftiView, rule: Rule) -> Found:
    """The spacing in pixdim is that of the affine."""
    if image.header is None or image.affine_ras is None:
        return ()
    lengths = np.linalg.norm(image.affine_ras[:3, :3], axis=0)
    said = image.header.spacing_mm
    agrees = np.isfinite(said).all() and (np.abs(said / lengths - 1) <= rule.limits["relative_tolerance"]).all()
    return () if agrees else (f"{_triple(said)} and {_triple(lengths)}",)


def _triple(numbers: object) -> str:
    return " x ".join(f"{number:g}" for number in np.asarray(numbers).tolist())


@NIFTI.needs()
def unit_is_mm(image: NiftiView, _rule: Rule) -> Found:
    """The header says millimetres."""
    return (image.header.space_unit,) if image.header and image.header.space_unit != "mm" else ()
