"""The decoder of NIfTI headers beside nibabel, which was written from the same standard by others."""

from __future__ import annotations

import io
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from broken.nifti_writer import Fields, header_bytes
from hypothesis import given
from hypothesis import strategies as st

from myofed_node.mids.validation.nifti_header import HEADER_BYTES, DamagedNiftiError, decode_header

ANGLES = st.floats(-3.1, 3.1)
LENGTHS = st.floats(0.1, 20.0)


def rotation(first: float, second: float, third: float) -> np.ndarray:
    turns = []
    for axis, angle in enumerate((first, second, third)):
        one, other = (n for n in range(3) if n != axis)
        turn = np.eye(3)
        turn[one, one] = turn[other, other] = np.cos(angle)
        turn[one, other], turn[other, one] = -np.sin(angle), np.sin(angle)
        turns.append(turn)
    return turns[0] @ turns[1] @ turns[2]


@given(ANGLES, ANGLES, ANGLES, st.tuples(LENGTHS, LENGTHS, LENGTHS), st.booleans())
def test_geometry_is_the_one_that_nibabel_reads(
    first: float, second: float, third: float, spacing: tuple[float, float, float], mirrored: bool
) -> None:
    """Oblique, anisotropic, of both hands: sform, qform and spacing."""
    affine = np.eye(4)
    affine[:3, :3] = rotation(first, second, third) * spacing * np.array([1, 1, -1 if mirrored else 1])
    affine[:3, 3] = (-12.5, 40.0, 7.25)
    made = nib.nifti1.Nifti1Image(np.zeros((3, 4, 5), np.int16), affine)
    made.set_sform(affine, code=1)
    made.set_qform(affine, code=1)
    header = decode_header(made.to_bytes()[:HEADER_BYTES])
    assert header.sform_ras is not None
    qform = header.qform.affine_ras
    assert qform is not None
    assert np.allclose(header.sform_ras, made.header.get_sform(), atol=1e-5)
    assert np.allclose(qform, made.header.get_qform(), atol=1e-4)
    assert np.allclose(header.spacing_mm, made.header.get_zooms(), rtol=1e-6)


@pytest.mark.parametrize("kind", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_shape_type_and_byte_order_are_those_that_nibabel_reads(kind: str, order: str) -> None:
    """Every type of real numbers."""
    header = nib.nifti1.Nifti1Header(endianness=order)
    header.set_data_dtype(np.dtype(kind))
    header.set_data_shape((7, 5, 3, 2))
    header.set_xyzt_units("micron")
    header["magic"], header["vox_offset"] = b"n+1", 352
    header["descrip"], header["intent_name"] = b"some text", b"\0behind a zero"
    stream = io.BytesIO()
    header.write_to(stream)
    ours = decode_header(stream.getvalue())
    assert (ours.shape, ours.dtype, ours.voxels) == ((7, 5, 3, 2), np.dtype(order + kind), 210)
    assert (ours.space_unit, ours.voxel_offset, ours.affine_ras) == ("micron", 352, None)
    assert ours.texts == {"descrip": "some text", "intent_name": "\0behind a zero"}


@pytest.mark.parametrize(("slope", "inter"), [(0.0, 5.0), (float("nan"), 5.0), (2.5, -3.0), (1.0, 0.0)])
def test_scaling_is_the_one_that_nibabel_applies(slope: float, inter: float) -> None:
    """A slope of 0, or no number, is none."""
    block = header_bytes(np.zeros((2, 2, 2), np.int16), Fields(slope=slope, inter=inter))
    theirs = nib.nifti1.Nifti1Header(block[:HEADER_BYTES]).get_slope_inter()
    ours = decode_header(block)
    assert (ours.slope, ours.inter) == tuple(
        default if v is None else v for v, default in zip(theirs, (1, 0), strict=True)
    )


def test_quaternion_that_is_no_rotation_gives_no_qform() -> None:
    """Its squares are more than one together; a float's rounding is forgiven."""
    long = decode_header(header_bytes(np.zeros((2, 2, 2), np.int16), Fields(quaternion=(0.8, 0.8, 0.8))))
    assert (long.qform.affine_ras, long.qform.code) == (None, 1)
    none = decode_header(header_bytes(np.zeros((2, 2, 2), np.int16), Fields(quaternion=(float("nan"), 0, 0))))
    assert none.qform.affine_ras is None
    rounded = decode_header(header_bytes(np.zeros((2, 2, 2), np.int16), Fields(quaternion=(0.0, 0.0, 1.0000001))))
    assert rounded.qform.affine_ras is not None


def test_mirrored_axis_is_in_the_first_pixdim() -> None:
    """Qfac -1 turns the third axis (method 2)."""
    plain, mirrored = (
        decode_header(header_bytes(np.zeros((2, 2, 2), np.int16), Fields(handed=handed))).qform.affine_ras
        for handed in (1, -1)
    )
    assert plain is not None
    assert mirrored is not None
    assert plain[2, 2] == -mirrored[2, 2] == 6.0


def test_header_that_is_cut_is_refused() -> None:
    """347 bytes are no header."""
    with pytest.raises(DamagedNiftiError, match="shorter"):
        decode_header(bytes(HEADER_BYTES - 1))


def test_every_image_of_nibabels_own_tests_is_read_alike() -> None:
    """Files that others wrote, where nibabel ships them; gzipped NIfTI-1 of real numbers."""
    from myofed_node.mids.validation.nifti_scan import read_preamble

    folder = Path(nib.__file__).parent / "tests" / "data"
    read = 0
    for path in sorted(folder.glob("*.nii.gz")):
        try:
            header = read_preamble(path).header
        except DamagedNiftiError:
            continue
        theirs = nib.load(path)
        assert header.shape == theirs.shape
        assert header.affine_ras is None or np.allclose(header.affine_ras, theirs.affine, atol=1e-4)
        read += 1
    assert read >= 2


@given(ANGLES, st.floats(-4e-3, 4e-3), st.floats(-4e-3, 4e-3), st.booleans())
def test_qform_near_a_half_turn_says_what_float32_can(
    about: float, second: float, third: float, mirrored: bool
) -> None:
    """Every axial image of a scanner is near one: there float32 turns by up to 0.1 mm, and that is no fault of the writer."""
    affine = np.eye(4)
    affine[:3, :3] = np.diag([-1.0, -1.0, 1.0]) @ rotation(second, third, about * 1e-3) * [0.8, 0.9, 5.0]
    affine[:3, 2] *= -1 if mirrored else 1
    affine[:3, 3] = (-120.0, 90.0, 30.0)
    made = nib.nifti1.Nifti1Image(np.zeros((256, 256, 40), np.uint8), affine)
    made.set_sform(affine, code=1)
    made.set_qform(affine, code=1)
    header = decode_header(made.to_bytes()[:HEADER_BYTES])
    assert header.sform_ras is not None
    assert header.qform.says(header.sform_ras, tolerance_mm=0.01)
    turned = header.sform_ras.copy()
    turned[:3, :3] = rotation(0, 0, 2e-2) @ turned[:3, :3]
    assert not header.qform.says(turned, tolerance_mm=0.01)
    mirror = header.sform_ras * np.array([1, 1, -1, 1])
    assert not header.qform.says(mirror, tolerance_mm=0.01)


def test_qform_at_another_place_or_of_another_spacing_does_not_say_the_sform() -> None:
    """The first voxel and the distances count as well."""
    header = decode_header(header_bytes(np.zeros((2, 2, 2), np.int16)))
    assert header.sform_ras is not None
    assert header.qform.says(header.sform_ras, tolerance_mm=0.01)
    for row, column, more in ((0, 3, 0.02), (2, 2, 0.02)):
        other = header.sform_ras.copy()
        other[row, column] += more
        assert not header.qform.says(other, tolerance_mm=0.01)
