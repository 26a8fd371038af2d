"""What is read of a data set: any ORMIR-MIDS names, no voxels, and nothing guessed from damaged files."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
from protocol_factories import SCANS, Scan, multi_echo, put, write_image

from myofed_node.protocol.acquisition import Acquisition, Unknown, acquisitions
from myofed_schemas.errors import MyofedError
from myofed_schemas.mids import Part, Suffix


def only(root: Path) -> Acquisition:
    (found,) = acquisitions(root)
    return found


def test_parts_of_a_series_are_one_acquisition_and_its_name_names_none(tmp_path: Path) -> None:
    """Magnitude and phase together; another run apart."""
    put(tmp_path, multi_echo([1.0, 2.0]))
    put(tmp_path, multi_echo([1.0, 2.0]), stem="sub-A_ses-1_run-2")
    first, second = acquisitions(tmp_path)
    assert first.name == "sub-A/ses-1/sub-A_ses-1_MEGRE"
    assert second.name == "sub-A/ses-1/sub-A_ses-1_run-2_MEGRE"
    assert {image.part for image in first.images} == {Part.MAG, Part.PHASE}


def test_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """No acquisitions would look like nothing to complain of."""
    with pytest.raises(MyofedError) as refusal:
        acquisitions(tmp_path / "nothing")
    assert refusal.value.code == "DATASET_MISSING"


def test_dixon_products_of_a_run_are_one_acquisition_across_folders(tmp_path: Path) -> None:
    """The fat fraction lies in mr-quant and belongs to them; other images do not."""
    products = SCANS["vendor-2-point-dixon"]
    put(tmp_path, replace(products, images={**products.images, "FF": {}}))
    put(tmp_path, SCANS["t1w-mercuri"])
    dixon, t1w = acquisitions(tmp_path)
    assert dixon.suffixes == (Suffix.WAT, Suffix.FAT, Suffix.INPH, Suffix.OUTPH, Suffix.FF)
    assert (dixon.name, t1w.suffixes) == ("sub-A/ses-1/sub-A_ses-1_Dixon", (Suffix.T1W,))


def test_names_of_other_writers_are_read(tmp_path: Path) -> None:
    """No session, lower case, a part in the middle, an unknown suffix; derivatives and hidden files are none."""
    for name in (
        "sub-B/mr-anat/sub-B_part-phase_acq-x_megre",
        "sub-B/mr-anat/sub-B_acq-x_MEGRE",
        "sub-B/mr-anat/sub-B_MEGRE_RECO",
        "sub-B/mr-anat/sub-B_part-foo_T1w",
        "derivatives/labels/sub-B/mr-anat/sub-B_MEGRE_dseg",
        "sub-B/mr-anat/.sub-B_T2w",
        "sub-B/anat/sub-B_T2w",
        "sub-C/ses-base/mr-anat/003_sub-C_MESE",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(tmp_path / f"{name}.nii.gz", (2, 2, 2), (1, 1, 1))
    (tmp_path / "sub-B" / "mr-anat" / "sub-B_MESE.nii.gz").mkdir()
    found = {one.name: one for one in acquisitions(tmp_path)}
    reco = next(name for name in found if "not named" in name)
    assert set(found) == {"sub-B/sub-B_acq-x_MEGRE", reco, "sub-B/sub-B_T1w", "sub-C/ses-base/003_sub-C_MESE"}
    assert {image.part for image in found["sub-B/sub-B_acq-x_MEGRE"].images} == {Part.MAG, Part.PHASE}
    assert found[reco].suffixes == ()
    assert found["sub-B/sub-B_T1w"].images[0].part is None


@pytest.mark.parametrize("folder", ["DOE^JOHN/mr-anat", "sub-A/DOE JOHN/mr-anat", "DOE_JOHN/ses-1/mr-anat"])
@pytest.mark.parametrize("file", ["DOE^JOHN_MEGRE", "sub-A_MEGRE", "sub-A_DOE_JOHN_MEGRE"])
def test_name_that_may_be_a_patient_is_a_number(tmp_path: Path, folder: str, file: str) -> None:
    """dcm2omids without -a names folders and files after the patient; they are checked, and no report repeats the name."""
    (tmp_path / folder).mkdir(parents=True)
    write_image(tmp_path / folder / f"{file}.nii.gz", (2, 2, 2), (1, 1, 1))
    found = only(tmp_path)
    assert found.suffixes == (Suffix.MEGRE,)
    assert found.name == "acquisition 1, not named as ORMIR-MIDS has it"
    assert found.paths == ("image 1",)


def test_voxel_sizes_come_from_the_affine(tmp_path: Path) -> None:
    """Oblique: lengths of columns, the larger in-plane side, distance of slices; a single slice proves none."""
    put(tmp_path / "a", replace(SCANS["t1w-mercuri"], voxel_mm=(0.7, 1.3, 9.0)))
    grid = only(tmp_path / "a").images[0].grid
    assert grid is not None
    assert grid.in_plane_mm == pytest.approx(1.3, abs=1e-6)
    assert grid.slice_spacing_mm == pytest.approx(9.0, abs=1e-6)
    put(tmp_path / "b", replace(SCANS["t1w-mercuri"], slices=1))
    single = only(tmp_path / "b").images[0].grid
    assert single is not None
    assert single.slice_spacing_mm is None
    assert only(tmp_path / "b").measured("slice spacing", lambda g: g.slice_spacing_mm) == Unknown(
        "slice spacing is no number"
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no gzip",
        gzip.compress(b"short"),
        gzip.compress(b"\0" * 400),
        gzip.compress(b"\x5c\x01\0\0" + b"\xff" * 400),
    ],
    ids=["empty", "no gzip", "short", "zeros", "no numbers"],
)
def test_damaged_header_is_no_grid(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Not a guess, and not a word of the file in a log."""
    put(tmp_path, SCANS["t1w-mercuri"])
    next(tmp_path.rglob("*.nii.gz")).write_bytes(content)
    assert only(tmp_path).images[0].grid is None
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("shape", "voxel"), [((2, 2), (1, 1, 1)), ((2, 2, 2), (0, 1, 1)), ((2, 2, 2), (float("nan"), 1, 1))]
)
def test_header_without_a_usable_grid_is_none(
    tmp_path: Path, shape: tuple[int, ...], voxel: tuple[float, float, float]
) -> None:
    """Two dimensions, or an affine that has no size."""
    put(tmp_path, SCANS["t1w-mercuri"])
    write_image(next(tmp_path.rglob("*.nii.gz")), shape, voxel)
    assert only(tmp_path).images[0].grid is None


@pytest.mark.parametrize("content", ["", "[1, 2]", "{not json", '"text"', "[" * 100_000])
def test_sidecar_that_is_no_object_tells_nothing(tmp_path: Path, content: str) -> None:
    """Empty, a list, broken, too deep."""
    put(tmp_path, SCANS["t1w-mercuri"])
    next(tmp_path.rglob("*.json")).write_text(content)
    assert only(tmp_path).number("EchoTime") == Unknown("EchoTime is missing")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (5, 5.0),
        ([5.0, 5.0, 5.0], 5.0),
        ([5.0, 6.0], Unknown("FlipAngle differs along the series")),
        ("5", Unknown("FlipAngle is no number")),
        (True, Unknown("FlipAngle is no number")),
        (None, Unknown("FlipAngle is no number")),
        ([], Unknown("FlipAngle is no number")),
        (float("nan"), Unknown("FlipAngle is no number")),
        (float("inf"), Unknown("FlipAngle is no number")),
        (10**400, Unknown("FlipAngle is no number")),
        ([5.0, None], Unknown("FlipAngle is no number")),
    ],
)
def test_number_is_a_number_or_unknown(tmp_path: Path, value: object, found: object) -> None:
    """A list of equal numbers, as other converters write it, is one; text and truth values are none."""
    put(tmp_path, SCANS["t1w-mercuri"])
    next(tmp_path.rglob("*.json")).write_text(json.dumps({"FlipAngle": value}))
    assert only(tmp_path).number("FlipAngle") == found


def test_images_that_disagree_make_a_number_unknown(tmp_path: Path) -> None:
    """Water with one flip angle and fat with another: neither is taken; the same for words and grids."""
    put(tmp_path, SCANS["vendor-2-point-dixon"].imaged("FAT", FlipAngle=9.0, MRAcquisitionType="2D"))
    write_image(next(tmp_path.rglob("*_FAT.nii.gz")), (4, 4, 3), (3.0, 3.0, 6.0))
    found = only(tmp_path)
    assert found.number("FlipAngle") == Unknown("FlipAngle differs between images")
    assert found.words("MRAcquisitionType") == Unknown("MRAcquisitionType differs between images")
    assert found.measured("the affine", lambda g: g.in_plane_mm) == Unknown("the affine differs between images")
    assert found.only(Suffix.FAT).number("FlipAngle") == 9.0


def test_number_of_echoes_comes_from_the_header_where_the_sidecar_does_not_tell(tmp_path: Path) -> None:
    """The fourth axis; unknown only when both are silent."""
    put(tmp_path, multi_echo([1.0, 2.0, 3.0]))
    for path in tmp_path.rglob("*.json"):
        path.write_text("{}")
    assert only(tmp_path).echo_count == 3.0
    for path in tmp_path.rglob("*.nii.gz"):
        path.write_bytes(b"")
    assert only(tmp_path).echo_count == Unknown("the fourth axis is missing")


def test_inversion_is_a_time_above_0(tmp_path: Path) -> None:
    """0 and absent are no inversion."""
    scan = SCANS["oedema-stir"]
    times = {"a": 220.0, "b": 0.0, "c": None}
    found = {n: only(put(tmp_path / n, scan.having(InversionTime=t))).inverted for n, t in times.items()}
    assert found == {"a": True, "b": False, "c": False}


def test_data_set_is_only_read(tmp_path: Path) -> None:
    """Every file has the bytes it had."""
    put(tmp_path, Scan({"T1w": {}}, {}))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    acquisitions(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
