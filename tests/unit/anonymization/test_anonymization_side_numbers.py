"""The numbers that leave Siemens' private blobs."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from anonymization_factories import enhanced, file_bytes, mr
from csa_factories import IMAGE, PLANTED, PROTOCOL, SERIES, Tag, csa1, csa2, with_csa, with_xa_protocol
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_sequence
from pydicom.tag import BaseTag
from pydicom.uid import ImplicitVRLittleEndian

from myofed_anonymization import side_numbers as module
from myofed_anonymization.side_numbers import MAX_BYTES, SideNumbers, allowed, side_numbers

EXPECTED = {
    "PhaseEncodingDirectionPositive": (1.0,),
    "SliceNormalVector": (0.0, 0.6, -0.8),
    "RealDwellTime": (30000.0,),
    "ReadoutOS": (2.0,),
    "lContrasts": (2.0,),
    "ucReadOutMode": (2.0,),
    "alTE": (2460.0, 4920.0),
    "sSliceArray.alSliceAcqOrder": (0.0, 2.0, 1.0),
    "adFlipAngleDegree": (15.0,),
}
Build = Callable[[tuple[Tag, ...]], bytes]
PROTOCOL_NAMES = set(allowed()["ascconv"])


def reread(dataset: Dataset, **options: str) -> FileDataset:
    return dcmread(BytesIO(file_bytes(dataset, **options)))


def of_image(*tags: Tag) -> SideNumbers:
    return side_numbers(reread(with_csa(mr(), image=csa2(tags))))


@pytest.mark.parametrize("build", [csa1, csa2])
@pytest.mark.parametrize("block", [0x10, 0x11, 0xFF])
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", ImplicitVRLittleEndian])
def test_numbers_of_the_list_are_told_and_nothing_planted(build: Build, block: int, syntax: str) -> None:
    """Both forms, any block, explicit and implicit: exactly the listed numbers; no name, serial, UID, weight or date."""
    told = side_numbers(
        reread(with_csa(mr(), block=block, image=build(IMAGE), series=build(SERIES)), transfer_syntax=syntax)
    )
    assert told == SideNumbers(EXPECTED)
    assert [planted for planted in PLANTED if planted in repr(told)] == []


def test_numbers_of_xa_are_found_in_the_shared_functional_groups() -> None:
    """The protocol lies two sequences deep; at the top level it is read as well."""
    expected = {name: numbers for name, numbers in EXPECTED.items() if name in PROTOCOL_NAMES}
    for syntax in ("1.2.840.10008.1.2.1", ImplicitVRLittleEndian):
        assert side_numbers(reread(with_xa_protocol(enhanced()), transfer_syntax=syntax)) == SideNumbers(expected)
    unknown = with_xa_protocol(enhanced())
    groups = unknown.SharedFunctionalGroupsSequence[0]
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, True
    write_sequence(stream, groups[0x0021, 0x10FE], ["iso8859"])
    groups.add_new((0x0021, 0x10FE), "UN", stream.getvalue())
    assert side_numbers(reread(unknown)) == SideNumbers(expected)
    top = mr()
    top.add_new((0x0021, 0x0012), "LO", "SIEMENS MR SDR 01")
    top.add_new((0x0021, 0x1219), "OB", PROTOCOL.encode() + b"\0" * (len(PROTOCOL) % 2))
    assert side_numbers(reread(top)) == SideNumbers(expected)


def test_deeper_than_siemens_puts_it_nothing_is_looked_for() -> None:
    """A protocol in a wrapper in the wrapper is not told: nesting cannot keep the reader busy."""
    dataset = with_xa_protocol(Dataset())
    wrapper = dataset.SharedFunctionalGroupsSequence[0][0x0021, 0x10FE].value
    wrapper[0] = with_xa_protocol(Dataset()).SharedFunctionalGroupsSequence[0]
    assert side_numbers(dataset) == SideNumbers({})


def test_the_same_bytes_under_another_creator_are_not_read() -> None:
    """Only the private creator says what an element is; a creator that is no text says nothing."""
    dataset = with_csa(mr(), image=csa2(IMAGE))
    dataset[0x0029, 0x0010].value = "SIEMENS MEDCOM HEADER"
    assert side_numbers(reread(dataset)) == SideNumbers({})
    dataset[0x0029, 0x0010].value = None
    assert side_numbers(dataset) == SideNumbers({})
    del dataset[0x0029, 0x0010]
    assert side_numbers(dataset) == SideNumbers({})


def test_a_file_without_blobs_tells_nothing() -> None:
    """Nor does an empty blob; neither is damage."""
    assert side_numbers(reread(mr())) == SideNumbers({})
    assert side_numbers(reread(enhanced())) == SideNumbers({})
    assert side_numbers(reread(with_csa(mr(), image=b"", series=b""))) == SideNumbers({})


def test_a_damaged_blob_tells_nothing_and_the_others_do() -> None:
    """Damage is said and is no error of the file; the other blob's numbers stay."""
    told = side_numbers(reread(with_csa(mr(), image=csa2(IMAGE)[:-40], series=csa2(SERIES))))
    assert told.damaged
    assert set(told.values) == {"ReadoutOS"} | (PROTOCOL_NAMES & set(EXPECTED))
    cut = (Tag("MrPhoenixProtocol", (PROTOCOL.replace("### ASCCONV END", ""),), "UN"),)
    assert side_numbers(reread(with_csa(mr(), series=csa2(cut)))) == SideNumbers({}, damaged=True)
    assert side_numbers(with_csa(mr(), series=csa2(SERIES) + bytes(MAX_BYTES))).damaged


def test_a_damaged_sequence_is_for_others_to_judge() -> None:
    """A functional group that cannot be decoded holds no numbers; de-identification withholds such a file."""
    dataset = Dataset()
    tag = BaseTag(0x52009229)
    dataset[tag] = RawDataElement(tag, "SQ", 3, b"\xfe\xff\0", 0, is_implicit_VR=False, is_little_endian=True)
    assert side_numbers(dataset) == SideNumbers({})


def test_elements_stay_as_they_lie_in_the_file() -> None:
    """Looking decodes nothing: what is written later is what was read."""
    dataset = reread(with_csa(mr(), image=csa2(IMAGE), series=csa2(SERIES)))
    side_numbers(dataset)
    assert all(isinstance(dataset.get_item(tag), RawDataElement) for tag in (0x00290010, 0x00291010, 0x00291020))


@pytest.mark.parametrize(
    "tag",
    [
        Tag("RealDwellTime", ("20210715",)),
        Tag("RealDwellTime", ("1e999",)),
        Tag("RealDwellTime", ("-1",)),
        Tag("RealDwellTime", ("Fantasia",), "LO"),
        Tag("RealDwellTime", ("1", "2"), multiplicity=2),
        Tag("RealDwellTime", ()),
        Tag("SliceNormalVector", ("0", "", "1"), "FD", 3),
        Tag("MosaicRefAcqTimes", ("49155648.0", "49155700.0"), "FD", 2),
    ],
)
def test_a_value_beyond_its_bound_is_left_out_whole(tag: Tag) -> None:
    """Too large, too many, none, negative, no number, a gap, a time of day: nothing of the name, everything else."""
    assert of_image(tag, Tag("ProtocolSliceNumber", ("3",))) == SideNumbers({"ProtocolSliceNumber": (3.0,)})


def test_first_of_two_blobs_counts() -> None:
    """A second block of the same creator replaces nothing."""
    dataset = with_csa(mr(), image=csa2((Tag("RealDwellTime", ("1",)),)))
    with_csa(dataset, block=0x20, image=csa2((Tag("RealDwellTime", ("2",)),)))
    assert side_numbers(reread(dataset)).values == {"RealDwellTime": (1.0,)}


def test_an_old_protocol_is_read_where_there_is_no_phoenix() -> None:
    """Software before VB calls it MrProtocol."""
    series = csa1((Tag("MrProtocol", (PROTOCOL,), "UN"),))
    assert side_numbers(reread(with_csa(mr(), series=series))).values["alTE"] == (2460.0, 4920.0)


def test_the_series_blob_is_parsed_once() -> None:
    """It is the same in all files of a series; and what is handed out is the caller's own."""
    module._series.cache_clear()
    dataset = with_csa(mr(), image=csa2(IMAGE), series=csa2(SERIES))
    side_numbers(reread(dataset)).values.clear()
    assert side_numbers(reread(dataset)).values == EXPECTED
    assert module._series.cache_info().misses == 1


def test_every_row_of_the_table_is_well_formed() -> None:
    """The head's count, one row a name over all sources, names that a side record takes, and no room for eight digits."""
    lines = (
        Path(module.__file__).with_name("tables").joinpath("side_numbers.tsv").read_text(encoding="utf-8").splitlines()
    )
    rows = [line.split("\t") for line in lines[2:]]
    assert lines[0].endswith(f"rows {len(rows)}")
    assert {row[0] for row in rows} == set(allowed())
    assert len({row[1] for row in rows}) == len(rows) == sum(len(names) for names in allowed().values())
    for row in rows:
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_.\[\]]{0,63}", row[1])
        assert 1 <= int(row[2]) <= 1024
        assert -1e7 < float(row[3]) < float(row[4]) < 1e7
        assert row[5]


@settings(max_examples=200, deadline=2000)
@given(st.binary(max_size=300), st.integers(0, 4000), st.integers(0, 255), st.booleans())
def test_no_blob_is_an_error_and_nothing_unlisted_is_told(content: bytes, position: int, byte: int, grow: bool) -> None:
    """Random bytes and mutated headers: listed names with numbers within their bounds, or nothing."""
    image, series = bytearray(csa2(IMAGE)), bytearray(csa1(SERIES))
    image[position % len(image)] = byte
    series[position % len(series)] = byte
    told = side_numbers(with_csa(Dataset(), image=bytes(image) if grow else content, series=bytes(series)))
    bounds = {name: bound for names in allowed().values() for name, bound in names.items()}
    assert all(bounds[name].admits(numbers) for name, numbers in told.values.items())


@pytest.mark.real_data
def test_real_scans_tell_numbers_and_no_more(shared_data: Path) -> None:
    """What the three real Siemens series and the XA file tell is known from their headers; other vendors tell nothing."""
    told = {
        folder.name: side_numbers(dcmread(min(folder.iterdir())))
        for folder in (shared_data / "dicom").iterdir()
        if folder.is_dir()
    }
    assert not any(numbers.damaged for numbers in told.values())
    assert {name for name, numbers in told.items() if numbers.values} == {name for name in told if "siemens" in name}
    gradient_echo = told["siemens_gre_2echo_mag"].values
    assert gradient_echo["alTE"] == (5190.0, 7650.0)
    assert (gradient_echo["ucReadOutMode"], gradient_echo["RealDwellTime"]) == ((1.0,), (30000.0,))
    assert told["siemens_xa30_enh_t1w"].values["alTI"][0] == 900000.0


@pytest.mark.real_data
@pytest.mark.parametrize(("series", "calls"), [("siemens_gre_2echo_mag", 3000), ("ge_gre_anat", 25)])
def test_real_scan_is_read_in_few_steps(shared_data: Path, series: str, calls: int) -> None:
    """Calls, which do not depend on the machine, at most twice those of 2026-12-01; a file without a blob costs almost nothing."""
    dataset = dcmread(min((shared_data / "dicom" / series).iterdir()))
    side_numbers(dataset)
    assert 0 < _calls_of(lambda: side_numbers(dataset)) <= calls


def _calls_of(work: Callable[[], object]) -> int:
    """How many functions, of Python or C, `work` calls."""
    counted = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return counted
