"""The judge of converters: it finds each way of being wrong, and calls right what is right in whatever array order."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[2] / "functional"))

from vendor_judge import WrittenImage, faults, verdict_of

from myofed_demo.vendor_matrix import STYLES, ImageTruth, cases_of, make_exam, write_case
from myofed_schemas.mids import Part


@pytest.fixture(scope="module")
def truths(tmp_path_factory: pytest.TempPathFactory) -> dict[Part, ImageTruth]:
    """Magnitude and phase of the multi-echo series."""
    case = next(c for c in cases_of(STYLES[2]) if c.protocol.name == "megre")
    return {i.part: i for i in write_case(tmp_path_factory.mktemp("judge"), make_exam("judge"), case).images}


def as_written(truth: ImageTruth) -> WrittenImage:
    return WrittenImage(truth.values.copy(), truth.affine_lps.copy())


def test_right_in_any_order_of_axes_that_the_affine_tells(truths: dict[Part, ImageTruth]) -> None:
    """Rows before columns, and the first axis from its end."""
    truth = truths[Part.MAG]
    values = np.transpose(truth.values, (1, 0, 2, 3))[::-1]
    affine = truth.affine_lps[:, [1, 0, 2, 3]].copy()
    affine[:, 3] += affine[:, 0] * (values.shape[0] - 1)
    affine[:, 0] *= -1
    assert verdict_of(truth, WrittenImage(values, affine)) == "right"


def test_left_and_right_exchanged_is_mirrored(truths: dict[Part, ImageTruth]) -> None:
    """The content flipped under the same affine, or the affine flipped above the same content."""
    written = as_written(truths[Part.MAG])
    assert verdict_of(truths[Part.MAG], replace(written, values=written.values[::-1])) == "mirrored"


def test_half_a_voxel_off_is_shifted(truths: dict[Part, ImageTruth]) -> None:
    """By how much is said."""
    written = as_written(truths[Part.MAG])
    written.affine_lps[:3, 3] += (0.85, 1.15, 0.0)
    assert verdict_of(truths[Part.MAG], written) == "shifted by 1.43 mm"


def test_other_slice_step_is_misplaced(truths: dict[Part, ImageTruth]) -> None:
    """SliceThickness where the distance of slices should be."""
    written = as_written(truths[Part.MAG])
    written.affine_lps[:3, 2] *= 5.0 / 6.5
    assert verdict_of(truths[Part.MAG], written) == "misplaced"


def test_slices_in_another_order_are_found(truths: dict[Part, ImageTruth]) -> None:
    """As file names would have it."""
    written = as_written(truths[Part.MAG])
    shuffled = replace(written, values=written.values[:, :, [0, 2, 4, 1, 3]])
    assert verdict_of(truths[Part.MAG], shuffled) == "other content: slices out of order"


def test_factor_is_right_in_arbitrary_units_and_wrong_in_radians(truths: dict[Part, ImageTruth]) -> None:
    """A phase in the vendor's numbers is no phase in radians; an offset is wrong in any unit."""
    for part, expected in ((Part.MAG, "right"), (Part.PHASE, "scaled")):
        written = as_written(truths[part])
        assert verdict_of(truths[part], replace(written, values=written.values * 3)) == expected
        assert (
            verdict_of(truths[part], replace(written, values=written.values + 0.3 * np.ptp(written.values))) == "scaled"
        )


def test_echoes_backwards_are_wrong_volumes(truths: dict[Part, ImageTruth]) -> None:
    """And so are fewer of them."""
    written = as_written(truths[Part.MAG])
    assert verdict_of(truths[Part.MAG], replace(written, values=written.values[..., ::-1])) == "volumes"
    assert verdict_of(truths[Part.MAG], replace(written, values=written.values[..., :3])) == "volumes"


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        ("nothing", []),
        ("seconds", ["EchoTime"]),
        ("unit", ["Units"]),
        ("voxel", ["a value is off"]),
        ("shift", ["corner"]),
        ("flip", ["a value is off", "markers"]),
    ],
)
def test_faults_of_an_image_are_named(
    truths: dict[Part, ImageTruth], tmp_path: Path, spoil: str, told: list[str]
) -> None:
    """0.01 mm, one voxel, a unit: each is found in what lies on disk."""
    truth = truths[Part.MAG]
    values, affine = truth.values.astype(np.float32), truth.affine_lps.copy()
    document = {"EchoTime": list(truth.echo_times_ms), "Units": "arbitrary"}
    if spoil == "seconds":
        document["EchoTime"] = [te / 1000 for te in truth.echo_times_ms]
    if spoil == "unit":
        document["Units"] = "Hz"
    if spoil == "voxel":
        values[3, 4, 2, 1] *= 1.01
    if spoil == "shift":
        affine[0, 3] += 0.01
    if spoil == "flip":
        values = values[::-1]
    image, sidecar = tmp_path / "image.nii.gz", tmp_path / "image.json"
    nib.save(nib.Nifti1Image(values, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine), image)
    sidecar.write_text(json.dumps(document))
    found = faults(truth, image, sidecar=sidecar)
    assert all(any(word in fault for fault in found) for word in told)
    assert bool(found) == bool(told)
