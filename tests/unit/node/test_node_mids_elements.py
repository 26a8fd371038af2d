"""Values of DICOM elements."""

from __future__ import annotations

import random
import warnings
from pathlib import Path

import pytest
from mids_factories import NOW, Kind, classic, write_changed, write_deidentified
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from myofed_node.mids.convert import convert
from myofed_node.mids.dicom_input.elements import element_value, items_of, private_value
from myofed_node.mids.refusal import SeriesRefusedError


def test_element_that_cannot_be_decoded_is_refused() -> None:
    """An unknown VR is damage, and a code says so."""
    dataset = Dataset()
    dataset[0x00180081] = RawDataElement(Tag(0x00180081), "Zx", 2, b"1 ", 0, False, True)
    with pytest.raises(SeriesRefusedError) as refusal:
        element_value(dataset, "EchoTime")
    assert refusal.value.code == "HEADER_INVALID"


@pytest.mark.parametrize("seed", range(12))
def test_changed_bytes_never_stop_the_run(tmp_path: Path, seed: int) -> None:
    """Whatever is damaged in one file, its series has one outcome and the report is made; nothing is printed."""
    rng = random.Random(seed)
    folder = write_deidentified(tmp_path / "clean", classic(Kind(slices=2)))

    def damage(content: bytes) -> bytes:
        changed = bytearray(content)
        for _ in range(3):
            changed[rng.randrange(200, len(changed))] = rng.choice([0, 46, 92, 120, 255])
        return bytes(changed)

    write_changed(folder, damage)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = convert(folder, tmp_path / "mids", now=NOW)
    assert len(report.series) == 1


def test_sequence_that_is_absent_has_no_items() -> None:
    """Absent and empty are the same; a text is no sequence of items."""
    dataset = Dataset()
    dataset.PatientID = "A"
    assert items_of(dataset, "SharedFunctionalGroupsSequence") == ()
    assert items_of(dataset, "PatientID") == ()


def test_private_element_is_found_in_the_second_block_of_its_creator() -> None:
    """The creator's block number is the file's choice (PS3.5 7.8.1)."""
    dataset = Dataset()
    dataset.private_block(0x0043, "OTHER", create=True).add_new(0x2F, "SS", 7)
    dataset.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x2F, "SS", [3, 4])
    assert private_value(dataset, 0x0043, "GEMS_PARM_01", 0x2F) == 3
    assert private_value(dataset, 0x0043, "GEMS_PARM_01", 0x30) is None
    assert private_value(dataset, 0x0043, "NOBODY", 0x2F) is None
