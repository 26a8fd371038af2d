"""DICOM SEG in and out."""

from __future__ import annotations

import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from label_factories import LEFT, RIGHT, SHAPE, drawn, source_files
from mids_factories import NOW, affine_ras
from pydicom import Dataset, dcmread
from pydicom.filewriter import dcmwrite
from pydicom.sr.codedict import codes

from myofed_node.label_exchange.refusal import LabelRefusedError
from myofed_node.label_exchange.seg_codes import coded_segment, type_code
from myofed_node.label_exchange.seg_read import read_segmentation
from myofed_node.label_exchange.seg_source import source_slices
from myofed_node.label_exchange.seg_write import SegKind, SegOrigin, segmentation_bytes
from myofed_node.label_map import DrawnMap, canonical_map
from myofed_schemas.anatomy import Side
from myofed_schemas.label_schemes import LabelSide
from myofed_schemas.muscle_sets import structures

BY_HAND = SegOrigin("manual", "table")
UNABLE = ("Information Object Not found", "SegmentNumber of 0")
"""What dciodvfy of 2022 says of any LABELMAP: it does not know the SOP class, nor its background segment."""


def written(
    tmp_path: Path, item: DrawnMap, *, kind: SegKind = "LABELMAP", multi_frame: bool = False
) -> tuple[Path, str]:
    files = source_files(tmp_path / "source", multi_frame=multi_frame)
    uid = str(files[0].SeriesInstanceUID)
    slices = source_slices(tmp_path / "source", item.affine_ras, item.values.shape, series_uids=[uid])
    path = tmp_path / "seg.dcm"
    path.write_bytes(segmentation_bytes(item, slices, origin=BY_HAND, now=NOW, kind=kind))
    return path, uid


def read_back(path: Path, uid: str, affine: np.ndarray | None = None, shape: tuple[int, ...] = SHAPE) -> DrawnMap:
    affine = affine_ras() if affine is None else affine
    seg = read_segmentation(path, affine, shape, series_uids=[uid])
    return canonical_map(seg.values, affine, seg.translation)


def changed(path: Path, **values: object) -> Path:
    dataset = dcmread(path)
    for keyword, value in values.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dcmwrite(path, dataset, enforce_file_format=True)
    return path


def refusal_of(path: Path, uid: str) -> str:
    with pytest.raises(LabelRefusedError) as refusal:
        read_back(path, uid)
    return refusal.value.code


PAIR = {LEFT: 7101, RIGHT: 7102}


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"SegmentationType": "FRACTIONAL"}, "SEG_FRACTIONAL"),
        ({"SegmentationType": None}, "SEG_FRACTIONAL"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"}, "LABEL_FILE_UNREADABLE"),
        ({"SOPClassUID": None}, "LABEL_FILE_UNREADABLE"),
        ({"ReferencedSeriesSequence": None}, "SEG_OTHER_SERIES"),
        ({"PerFrameFunctionalGroupsSequence": None}, "LABEL_FILE_UNREADABLE"),
        ({"PixelData": b"\0"}, "LABEL_FILE_UNREADABLE"),
        ({"SegmentSequence": []}, "LABEL_VALUE_UNKNOWN"),
        ({"PixelPaddingValue": 255}, "SEG_BACKGROUND"),
    ],
)
def test_seg_that_is_none_of_ours_to_read_is_refused(tmp_path: Path, values: dict[str, object], code: str) -> None:
    """A fraction, another object, no series named, no positions, too few pixels, no segments."""
    path, uid = written(tmp_path, drawn(PAIR))
    assert refusal_of(changed(path, **values), uid) == code


def test_seg_of_another_series_is_refused_and_the_sites_key_translates(tmp_path: Path) -> None:
    """The image's sidecar names the new UID; an original one needs the key."""
    path, uid = written(tmp_path, drawn(PAIR))
    assert refusal_of(path, "2.25.1") == "SEG_OTHER_SERIES"
    seg = read_segmentation(
        path, affine_ras(), SHAPE, series_uids=["2.25.1"], new_uid_of=lambda old: "2.25.1" if old == uid else old
    )
    assert np.count_nonzero(seg.values) == 2


def test_file_that_is_no_dicom_is_refused(tmp_path: Path) -> None:
    """Whatever it is."""
    (tmp_path / "x.dcm").write_bytes(b"no image")
    assert refusal_of(tmp_path / "x.dcm", "2.25.1") == "LABEL_FILE_UNREADABLE"


def test_seg_on_another_grid_is_refused(tmp_path: Path) -> None:
    """Half a voxel beside."""
    path, uid = written(tmp_path, drawn(PAIR))
    beside = affine_ras()
    beside[:3, 3] += beside[:3, 0] / 2
    with pytest.raises(LabelRefusedError) as refusal:
        read_back(path, uid, beside)
    assert refusal.value.code == "LABEL_GRID"


def test_segments_that_overlap_are_refused(tmp_path: Path) -> None:
    """One voxel is one muscle's."""
    path, uid = written(tmp_path, drawn({LEFT: 7101, (3, 1, 1): 7111}), kind="BINARY")
    dataset = dcmread(path)
    frame = dataset.pixel_array.shape[1] * dataset.pixel_array.shape[2]
    bits = np.ones(2 * frame, dtype=np.uint8)
    dataset.PixelData = np.packbits(bits, bitorder="little").tobytes()
    dcmwrite(path, dataset, enforce_file_format=True)
    assert refusal_of(path, uid) == "SEG_OVERLAP"


def test_muscle_numbered_zero_is_refused(tmp_path: Path) -> None:
    """It would be lost as background."""
    path, uid = written(tmp_path, drawn(PAIR))
    dataset = dcmread(path)
    dataset.SegmentSequence[0].SegmentLabel = "left soleus"
    dcmwrite(path, dataset, enforce_file_format=True)
    assert refusal_of(path, uid) == "SEG_BACKGROUND"


def test_unknown_segment_is_counted_and_dropped_by_consent_only(tmp_path: Path) -> None:
    """Neither its code nor its name is known."""
    path, uid = written(tmp_path, drawn({LEFT: 7101, (3, 1, 1): 7111}))
    dataset = dcmread(path)
    item = next(i for i in dataset.SegmentSequence if i.SegmentNumber == 2)
    item.SegmentLabel = "Artefact"
    item.SegmentedPropertyTypeCodeSequence[0].CodeValue = "1"
    dcmwrite(path, dataset, enforce_file_format=True)
    assert refusal_of(path, uid) == "LABEL_NAME_UNKNOWN"
    seg = read_segmentation(path, affine_ras(), SHAPE, series_uids=[uid], ignored=["Artefact"])
    assert canonical_map(seg.values, affine_ras(), seg.translation).labels == (7101,)


@pytest.mark.parametrize("missing", ["FrameOfReferenceUID", "StudyInstanceUID"])
def test_source_without_what_a_reference_needs_is_refused(tmp_path: Path, missing: str) -> None:
    """A SEG could not say where it belongs."""
    files = source_files(tmp_path, **{missing: None})
    with pytest.raises(LabelRefusedError) as refusal:
        source_slices(tmp_path, affine_ras(), SHAPE, series_uids=[str(files[0].SeriesInstanceUID)])
    assert refusal.value.code == "SEG_SOURCE_MISSING"


def test_source_with_a_slice_too_few_or_of_another_series_is_refused(tmp_path: Path) -> None:
    """Every slice of the map has its image; a text beside them does not matter."""
    uid = str(source_files(tmp_path)[0].SeriesInstanceUID)
    (tmp_path / "report.json").write_text("{}")
    assert len(source_slices(tmp_path, affine_ras(), SHAPE, series_uids=[uid])) == 3
    for number in (0, 1):
        (tmp_path / f"{number}.dcm").unlink()
    for uids in ([uid], ["2.25.1"]):
        with pytest.raises(LabelRefusedError) as refusal:
            source_slices(tmp_path, affine_ras(), SHAPE, series_uids=uids)
        assert refusal.value.code == "SEG_SOURCE_MISSING"


def test_source_on_another_grid_is_refused(tmp_path: Path) -> None:
    """The map is not of these images."""
    uid = str(source_files(tmp_path)[0].SeriesInstanceUID)
    with pytest.raises(LabelRefusedError) as refusal:
        source_slices(tmp_path, affine_ras() @ np.diag([1, 1, 1.1, 1]), SHAPE, series_uids=[uid])
    assert refusal.value.code == "LABEL_GRID"


def test_map_without_labels_becomes_no_seg(tmp_path: Path) -> None:
    """An object without a segment is none."""
    with pytest.raises(LabelRefusedError) as refusal:
        segmentation_bytes(drawn({}), (), origin=BY_HAND, now=NOW)
    assert refusal.value.code == "LABELS_EMPTY"


@pytest.mark.parametrize("kind", ["LABELMAP", "BINARY"])
@pytest.mark.parametrize("multi_frame", [False, True])
def test_map_comes_back_voxel_by_voxel(tmp_path: Path, kind: SegKind, *, multi_frame: bool) -> None:
    """Muscles, a head that UBERON does not tell, groups, and sets without a public code; classic and Enhanced sources."""
    fibulares, gastrocnemius = structures()["fibulares"].value, structures()["gastrocnemius"].value
    item = drawn(
        {**PAIR, (3, 1, 1): 7181, (3, 1, 2): fibulares, (4, 2, 2): gastrocnemius, (4, 3, 0): 18011, (3, 3, 0): 7191}
    )
    path, uid = written(tmp_path, item, kind=kind, multi_frame=multi_frame)
    back = read_back(path, uid)
    assert np.array_equal(back.values, item.values)
    assert np.array_equal(back.affine_ras, item.affine_ras)
    assert back.labels == item.labels


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    structure_ids=st.lists(st.sampled_from(sorted(structures())), min_size=1, max_size=12, unique=True),
    side=st.sampled_from(list(Side)),
    order=st.permutations(range(3)),
    flips=st.tuples(*[st.booleans()] * 3),
)
def test_any_labels_on_any_axes_come_back(
    tmp_path: Path, structure_ids: list[str], side: Side, order: list[int], flips: tuple[bool, ...]
) -> None:
    """Any subset of labels; any order and direction of the array's axes."""
    voxels = {
        (n % 5, (n // 5) % 4, n % 3): structures()[name].label_value(side) for n, name in enumerate(structure_ids)
    }
    item = drawn(voxels)
    flipped_axes = [axis for axis, flip in enumerate(flips) if flip]
    values, affine = np.flip(item.values.transpose(order), flipped_axes), affine_ras()[:, [*order, 3]]
    for axis in flipped_axes:
        affine[:, 3] += affine[:, axis] * (values.shape[axis] - 1)
        affine[:, axis] *= -1
    turned = DrawnMap(values, affine, item.labels, item.values_present)
    path, uid = written(tmp_path, turned)
    back = read_back(path, uid, affine, values.shape)
    assert np.array_equal(back.values, values)


def test_map_of_one_slice_comes_back(tmp_path: Path) -> None:
    """There is no spacing between slices."""
    files = source_files(tmp_path / "source", slices=1)
    uid, shape = str(files[0].SeriesInstanceUID), (5, 4, 1)
    item = drawn(PAIR)
    one = DrawnMap(item.values[:, :, 1:2], affine_ras(), (7101,), (7101,))
    slices = source_slices(tmp_path / "source", affine_ras(), shape, series_uids=[uid])
    (tmp_path / "seg.dcm").write_bytes(segmentation_bytes(one, slices, origin=BY_HAND, now=NOW))
    assert np.array_equal(read_back(tmp_path / "seg.dcm", uid, shape=shape).values, one.values)


def test_same_map_at_the_same_time_gives_the_same_bytes(tmp_path: Path) -> None:
    """And carries that time, not the machine's."""
    path, _ = written(tmp_path, drawn(PAIR))
    first = path.read_bytes()
    assert written(tmp_path, drawn(PAIR))[0].read_bytes() == first
    dataset = dcmread(BytesIO(first))
    assert (dataset.ContentDate, dataset.InstanceCreationDate) == ("20261122", "20261122")


def test_program_is_named_where_no_person_drew(tmp_path: Path) -> None:
    """By the scheme that its values came with; what kind of program it is nobody told."""
    files = source_files(tmp_path / "source")
    uid = str(files[0].SeriesInstanceUID)
    slices = source_slices(tmp_path / "source", affine_ras(), SHAPE, series_uids=[uid])
    for origin, expected in (("automatic", "AUTOMATIC"), ("edited", "SEMIAUTOMATIC"), ("manual", "MANUAL")):
        content = segmentation_bytes(drawn(PAIR), slices, origin=SegOrigin(origin, "musclemap"), now=NOW)
        item = dcmread(BytesIO(content)).SegmentSequence[-1]
        assert item.SegmentAlgorithmType == expected
        assert item.get("SegmentAlgorithmName") == (None if origin == "manual" else "musclemap")
        assert "SegmentationAlgorithmIdentificationSequence" not in item


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed: make system-deps")
@pytest.mark.parametrize("kind", ["LABELMAP", "BINARY"])
def test_dciodvfy_finds_no_error_that_is_ours(tmp_path: Path, kind: SegKind) -> None:
    """BINARY holds all modules that we fill and has none; of LABELMAP only what the tool is too old for."""
    path, _ = written(tmp_path, drawn({**PAIR, (3, 1, 1): 7181, (3, 1, 2): structures()["fibulares"].value}), kind=kind)
    told = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False).stderr
    errors = [line for line in told.splitlines() if line.startswith("Error")]
    if kind == "BINARY":
        assert errors == []
    else:
        assert all(any(part in line for part in UNABLE) for line in errors)


def segment(scheme: str, value: str, *, label: str = "Region 1", side: str | None = None) -> Dataset:
    item, code = Dataset(), Dataset()
    item.SegmentNumber, item.SegmentLabel = 3, label
    code.CodingSchemeDesignator, code.CodeValue = scheme, value
    if side:
        modifier = Dataset()
        modifier.CodeValue = side
        code.SegmentedPropertyTypeModifierCodeSequence = [modifier]
    item.SegmentedPropertyTypeCodeSequence = [code]
    return item


@pytest.mark.parametrize(
    "item",
    [
        segment("UBERON", "UBERON:9999999"),
        segment("MDC", "7:816", side="7771000"),
        segment("MDC", "7:999"),
        segment("99MYOFED", "1"),
        segment("99MYOFED", "x"),
        segment("SCT", "102292000", label="Muscle of lower limb"),
        Dataset(),
    ],
)
def test_segment_with_unknown_code_and_name_has_no_target(item: Dataset) -> None:
    """A code of two muscles or of a whole limb tells none of them."""
    item.SegmentNumber = 3
    assert coded_segment(item).target is None


@pytest.mark.parametrize(
    ("item", "structure", "side"),
    [
        (segment("UBERON", "UBERON:0001379", side="7771000"), "VL", LabelSide.LEFT),
        (segment("UBERON", "0001379", side="24028007"), "VL", LabelSide.RIGHT),
        (segment("FMA", "22431", label="VL left"), "VL", LabelSide.LEFT),
        (segment("MDC", "7:840"), "VL", LabelSide.BOTH),
        (segment("MDC", "7:841"), "VL", LabelSide.LEFT),
        (segment("MDC", "842"), "VL", LabelSide.RIGHT),
        (segment("SCT", "68455001", side="24028007"), "iliopsoas", LabelSide.RIGHT),
        (segment("SCT", "68455001", side="51440002"), "iliopsoas", LabelSide.BOTH),
        (segment("SCT", "78333006", label="gluteus minimus left"), "GMED", LabelSide.LEFT),
        (segment("XYZ", "1", label="Right soleus"), "SOL", LabelSide.RIGHT),
        (segment("XYZ", "1", label="Soleus", side="24028007"), "SOL", LabelSide.RIGHT),
    ],
)
def test_code_goes_before_the_name(item: Dataset, structure: str, side: LabelSide) -> None:
    """The side is the code's own, then its modifier's, then the label's."""
    found = coded_segment(item)
    assert found.target is not None
    assert (found.number, found.target.structure, found.target.side) == (3, structure, side)


def test_code_of_a_type_is_public_where_it_names_the_structure_alone() -> None:
    """UBERON, else FMA, ISO 11073, SNOMED CT; else ours."""
    codes = {name: type_code(structures()[name]) for name in ("VL", "VI", "BFL", "iliopsoas", "fibulares")}
    assert [(c.scheme_designator, c.value) for c in codes.values()] == [
        ("UBERON", "UBERON:0001379"), ("MDC", "7:844"), ("MDC", "7:876"), ("MDC", "7:792"), ("99MYOFED", "28041"),
    ]  # fmt: skip


def test_codes_of_iso_11073_are_those_of_dicom() -> None:
    """CID 3031 as pydicom has it: every code of the table exists, with its left and right one."""
    listed = {codes.CID3031.__getattr__(name).value for name in codes.CID3031.dir()}
    for structure in structures().values():
        if structure.mdc != "n/a":
            number = int(structure.mdc)
            assert {f"7:{number}", f"7:{number + 1}", f"7:{number + 2}"} <= listed, structure.id
