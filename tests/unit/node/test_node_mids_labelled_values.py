"""An image on which somebody drew keeps its voxels."""

from __future__ import annotations

from pathlib import Path

import pytest
from mids_factories import write_deidentified
from test_node_mids_convert_again import again, codes, draw_on, one_echo, said, tree

from myofed_node.mids.judging.overrides import Overrides


def scaled(scale: float, **more: object) -> Overrides:
    return said({"suffix": "T2", "unit": "ms", "scale": scale, **more})


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    write_deidentified(tmp_path / "clean", one_echo(image_type=("DERIVED", "PRIMARY", "T2 MAP")))
    again(tmp_path, scaled(0.1))
    return tmp_path / "mids"


def image_of(dataset: Path) -> Path:
    (path,) = dataset.glob("sub-*/**/*.nii.gz")
    return path


def test_scale_that_changed_leaves_a_labelled_image_as_it_is(dataset: Path, tmp_path: Path) -> None:
    """The series waits for a person; not one file of the session is another."""
    draw_on(dataset, str(image_of(dataset).relative_to(dataset)))
    before = tree(dataset)
    report = again(tmp_path, scaled(0.2))
    assert codes(report) == ["EARLIER_IMAGE_LABELLED"]
    assert {k: v for k, v in tree(dataset).items() if k in before} == before
    assert not list(dataset.rglob("*.tmp"))


def test_scale_that_changed_writes_an_image_without_labels_again(dataset: Path, tmp_path: Path) -> None:
    """As ever."""
    before = image_of(dataset).read_bytes()
    assert codes(again(tmp_path, scaled(0.2))) == [None]
    assert image_of(dataset).read_bytes() != before


def test_labelled_image_of_the_same_voxels_is_written_again(dataset: Path, tmp_path: Path) -> None:
    """The sidecar may learn something new; how the file was compressed does not count."""
    import gzip

    image = image_of(dataset)
    draw_on(dataset, str(image.relative_to(dataset)))
    image.write_bytes(gzip.compress(gzip.decompress(image.read_bytes()), 9))
    assert codes(again(tmp_path, scaled(0.1))) == [None]
    assert codes(again(tmp_path, scaled(0.1))) == [None]


def test_labelled_image_that_cannot_be_read_is_left_alone(dataset: Path, tmp_path: Path) -> None:
    """Whether its voxels would change, nobody can tell."""
    image = image_of(dataset)
    draw_on(dataset, str(image.relative_to(dataset)))
    image.write_bytes(b"damaged")
    assert codes(again(tmp_path, scaled(0.1))) == ["EARLIER_IMAGE_LABELLED"]
    assert image.read_bytes() == b"damaged"
