"""One image: header, voxels, sidecar, complex parts, label maps."""

from __future__ import annotations

import dataclasses
import gzip
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from reading_factories import (
    AFFINE_RAS,
    MEGRE,
    PHASE,
    SHAPE,
    T1W,
    small_dataset,
    voxels,
    write_image,
    write_labels,
)

from myofed_node.mids import open_dataset
from myofed_node.mids.image import Image, LabelMap
from myofed_node.mids.nifti import nifti_bytes
from myofed_schemas.anatomy import Side
from myofed_schemas.errors import MyofedError
from myofed_schemas.mids import Part, Suffix


def code(ask: object) -> str:
    with pytest.raises(MyofedError) as refusal:
        ask()
    assert "sub-" not in str(refusal.value)
    return refusal.value.code


def megre(root: Path) -> Image:
    return open_dataset(root).images(suffix=Suffix.MEGRE, part=None)[0]


@pytest.mark.parametrize("cut", [10, 200, -40])
def test_damaged_file_is_refused(tmp_path: Path, cut: int) -> None:
    """Header or voxels: one code."""
    path = write_image(tmp_path, MEGRE, voxels())
    path.write_bytes(path.read_bytes()[:cut])
    assert code(lambda: megre(tmp_path).values()) == "IMAGE_UNREADABLE"


def test_file_that_is_no_nifti_is_refused(tmp_path: Path) -> None:
    """Though it is gzip."""
    path = write_image(tmp_path, MEGRE, voxels())
    path.write_bytes(gzip.compress(b"no image" * 100))
    assert code(lambda: megre(tmp_path).shape) == "IMAGE_UNREADABLE"


def test_image_that_does_not_say_where_it_lies_is_refused(tmp_path: Path) -> None:
    """An affine is made up by nibabel where sform and qform are not set."""
    path = write_image(tmp_path, MEGRE, voxels())
    nib.save(nib.Nifti1Image(voxels(), None), path)
    image = megre(tmp_path)
    assert image.shape == (5, 4, 3, 2)
    assert code(lambda: image.affine_ras) == code(lambda: image.spacing_mm) == "IMAGE_WITHOUT_GEOMETRY"


@pytest.mark.parametrize(("name", "volume"), [(MEGRE, 2), (MEGRE, -1), (T1W, 1)])
def test_volume_that_is_not_there_is_refused(tmp_path: Path, name: object, volume: int) -> None:
    """A negative index does not count from the end."""
    small_dataset(tmp_path)
    assert code(lambda: open_dataset(tmp_path).image(name.image).values(volume)) == "IMAGE_NO_SUCH_VOLUME"


@pytest.mark.parametrize("content", ["{", "[]", '{"EchoTime": 1}', None])
def test_sidecar_of_another_maker_is_no_sidecar_of_the_profile(tmp_path: Path, content: str | None) -> None:
    """Typed keys need the profile."""
    write_image(tmp_path, MEGRE, voxels())
    (tmp_path / MEGRE.sidecar).unlink() if content is None else (tmp_path / MEGRE.sidecar).write_text(content)
    assert code(lambda: megre(tmp_path).sidecar) == "SIDECAR_INVALID"


def test_damaged_sidecar_is_refused_by_the_tolerant_view_too(tmp_path: Path) -> None:
    """No JSON object is damage; absence is not."""
    write_image(tmp_path, MEGRE, voxels())
    for content in ("{", "[]"):
        (tmp_path / MEGRE.sidecar).write_text(content)
        assert code(lambda: megre(tmp_path).keys) == "SIDECAR_INVALID"
    (tmp_path / MEGRE.sidecar).unlink()
    assert dict(megre(tmp_path).keys) == {}


def test_keys_take_what_is_there(tmp_path: Path) -> None:
    """Types that do not fit are not told."""
    write_image(tmp_path, MEGRE, voxels())
    document = {"EchoTime": [1, 2.5], "A": True, "B": "x", "C": [1, "x"], "D": 3, "E": None}
    (tmp_path / MEGRE.sidecar).write_text(json.dumps(document))
    keys = megre(tmp_path).keys
    assert keys.numbers("EchoTime") == (1.0, 2.5)
    assert (keys.number("A"), keys.number("B"), keys.number("D")) == (None, None, 3.0)
    assert (keys.numbers("C"), keys.numbers("D"), keys.numbers("E")) == ((), (3.0,), ())
    assert (keys.text("B"), keys.text("D"), keys["B"], len(keys)) == ("x", None, "x", 6)


def test_voxels_come_as_they_are_stored_in_native_order(tmp_path: Path) -> None:
    """Big-endian files, too; one echo is the volume of all."""
    path = write_image(tmp_path, MEGRE, voxels())
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(np.int16)
    nib.save(nib.Nifti1Image(voxels(), AFFINE_RAS, header), path)
    assert nib.load(path).header.endianness == ">"
    image = megre(tmp_path)
    assert image.values().dtype == np.dtype(np.int16)
    assert np.array_equal(image.values(), voxels())
    assert np.array_equal(image.values(1), voxels()[..., 1])
    small_dataset(tmp_path / "b")
    plain = open_dataset(tmp_path / "b").images(suffix=Suffix.T1W)[0]
    assert np.array_equal(plain.values(0), plain.values())


def test_missing_part_is_refused_by_name(tmp_path: Path) -> None:
    """Magnitude alone is not complex."""
    write_image(tmp_path, MEGRE, voxels())
    with pytest.raises(MyofedError, match="found mag") as refusal:
        megre(tmp_path).complex_values()
    assert refusal.value.code == "COMPLEX_PART_MISSING"


@pytest.mark.parametrize(
    "changes",
    [
        {"values": voxels("float32")[..., :1] / 100},
        {"values": voxels("float32")[:4] / 100},
        {"affine_ras": AFFINE_RAS + np.eye(4)[:, [3, 0, 1, 2]] * 0.1},
        {"EchoTime": (2.3, 4.7)},
    ],
)
def test_parts_that_differ_are_not_joined(tmp_path: Path, changes: dict[str, object]) -> None:
    """Shape, place or echo times."""
    write_image(tmp_path, MEGRE, voxels())
    values = changes.pop("values", voxels("float32") / 100)
    write_image(tmp_path, PHASE, values, scaling="phase-radians", **changes)
    assert code(lambda: megre(tmp_path).complex_values()) == "COMPLEX_PARTS_DIFFER"


@pytest.mark.parametrize(("units", "factor"), [("arbitrary", 0.01), ("rad", 1.0)])
def test_phase_in_another_unit_is_refused(tmp_path: Path, units: str, factor: float) -> None:
    """By its sidecar, or because a voxel lies beyond half a turn."""
    write_image(tmp_path, MEGRE, voxels())
    write_image(tmp_path, PHASE, (voxels() * factor).astype(np.float32), Units=units)
    assert code(lambda: megre(tmp_path).complex_values()) == "PHASE_UNIT"


def test_magnitude_and_phase_are_joined_from_either(tmp_path: Path) -> None:
    """As magnitude * exp(i * phase)."""
    small_dataset(tmp_path)
    image = megre(tmp_path)
    phase = image.parts[Part.PHASE]
    joined = image.complex_values()
    assert np.allclose(np.abs(joined), image.values(), rtol=1e-6)
    assert np.allclose(np.angle(joined), phase.values(), atol=1e-6)
    assert np.array_equal(phase.complex_values(), joined)


def test_real_and_imaginary_are_joined(tmp_path: Path) -> None:
    """Where there is no pair of magnitude and phase; another run is another image."""
    for part, sign in ((Part.REAL, 1), (Part.IMAG, -1)):
        write_image(tmp_path, dataclasses.replace(MEGRE, part=part), (voxels() * sign).astype(np.int16))
    write_image(tmp_path, dataclasses.replace(PHASE, run=2), voxels("float32") / 100)
    image = open_dataset(tmp_path).images(part=Part.REAL)[0]
    assert sorted(image.parts) == [Part.IMAG, Part.REAL]
    assert np.array_equal(image.complex_values(), voxels() * (1 - 1j))


def label_map(root: Path, values: np.ndarray | None = None, labels: object = None, **affine: np.ndarray) -> LabelMap:
    small_dataset(root)
    drawn = np.zeros(SHAPE, np.int16) if values is None else values
    write_labels(root, MEGRE, drawn, labels or {"7101": "left vastus lateralis"}, **affine)
    return megre(root).labels()


def test_image_without_a_label_map_says_so(tmp_path: Path) -> None:
    """`labels` refuses, `find_labels` answers."""
    small_dataset(tmp_path)
    image = open_dataset(tmp_path).images(suffix=Suffix.T1W)[0]
    assert code(image.labels) == code(lambda: megre(tmp_path).labels("other")) == "LABELS_MISSING"
    assert image.find_labels() is None


@pytest.mark.parametrize("far", [False, True])
def test_label_map_on_another_grid_gives_no_mask(tmp_path: Path, far: bool) -> None:
    """Another shape, or the same shape 2 um away at its corner."""
    affine = AFFINE_RAS.copy()
    affine[0, 3] += 0.002 * far
    found = label_map(tmp_path, np.zeros(SHAPE if far else (5, 4, 2), np.int16), affine_ras=affine)
    assert code(found.on_image_grid) == "LABEL_GRID"


def test_label_map_with_broken_numbers_gives_no_mask(tmp_path: Path) -> None:
    """1.5 is no label."""
    assert code(label_map(tmp_path, np.full(SHAPE, 1.5, np.float32)).on_image_grid) == "LABEL_NOT_INTEGER"


def test_label_map_without_its_image_says_so(tmp_path: Path) -> None:
    """The grid of what it was drawn on is not known."""
    small_dataset(tmp_path)
    (tmp_path / MEGRE.image).unlink()
    (found,) = open_dataset(tmp_path).label_maps()
    assert code(lambda: found.image) == "LABELS_WITHOUT_IMAGE"


@pytest.mark.parametrize("labels", [{"VL": 1}, {}, [], "x", 3])
def test_label_map_without_names_is_refused(tmp_path: Path, labels: object) -> None:
    """A value without a name is no label."""
    small_dataset(tmp_path)
    write_labels(tmp_path, MEGRE, np.zeros(SHAPE, np.int16), labels)
    assert code(lambda: megre(tmp_path).labels().names) == "SIDECAR_INVALID"


def test_mask_of_a_muscle_that_is_not_named_is_refused(tmp_path: Path) -> None:
    """It is not background: the reader may not have drawn it at all."""
    found = label_map(tmp_path)
    assert code(lambda: found.mask(7102)) == code(lambda: found.muscle_mask("VL", Side.RIGHT)) == "LABEL_NOT_LISTED"
    assert code(lambda: found.muscle_mask("XX", Side.LEFT)) == "LABEL_NOT_LISTED"


def test_named_muscle_that_was_not_drawn_is_an_empty_mask(tmp_path: Path) -> None:
    """Named and absent is known to be absent."""
    found = label_map(tmp_path)
    assert not found.muscle_mask("VL", Side.LEFT).any()
    assert found.image == megre(tmp_path)
    assert found.origin == "manual"


def test_draft_array_of_labels_is_read(tmp_path: Path) -> None:
    """Item 0 is grey level 0."""
    drawn = np.zeros(SHAPE, np.int16)
    drawn[0, 0, 0] = 2
    found = label_map(tmp_path, drawn, ["Background", "SOL", "VM"])
    assert dict(found.names) == {1: "SOL", 2: "VM"}
    assert [int(mask.sum()) for _, mask in found.masks()] == [0, 1]


def test_label_map_of_an_absent_header_is_refused(tmp_path: Path) -> None:
    """A file that lost its end."""
    found = label_map(tmp_path)
    found.file.write_bytes(nifti_bytes(np.zeros(SHAPE, np.int16), AFFINE_RAS)[:100])
    assert code(LabelMap(found.root, found.path, found.name, found.dataset).on_image_grid) == "IMAGE_UNREADABLE"
