"""What no validator should meet: pipes, loops of links, bombs, deep JSON, names that break terminals. None stops it."""

from __future__ import annotations

import gzip
import json
import os
import socket
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest

import myofed_node.mids.validation.dataset_tree as tree
from broken.good import FOLDER, LABELS, STEM, voxels
from broken.nifti_writer import Fields, header_bytes, nifti, write
from myofed_node.mids.validation.bounded_read import MOST_TEXT_BYTES
from myofed_node.mids.validation.nifti_scan import MOST_VOXEL_BYTES
from myofed_node.mids.validation.validate import validate
from myofed_node.mids.validation.validation_page import validation_page

IMAGE = FOLDER / f"{STEM}_T2w.nii.gz"
SIDECAR = FOLDER / f"{STEM}_T2w.json"
pytestmark = pytest.mark.timeout(60)


def found(dataset: Path) -> dict[str, str]:
    """Code -> message; the report can be written in both forms."""
    report = validate(dataset)
    assert report.model_dump_json()
    assert validation_page(report)
    return {finding.code: finding.message for finding in report.findings}


def unreadable(dataset: Path, content: bytes) -> str:
    """Why the image with these bytes is refused, when that is all that is found."""
    (dataset / IMAGE).write_bytes(content)
    (one,) = found(dataset).items()
    assert one[0] == "IMAGE_UNREADABLE"
    return one[1].rsplit(", found ", maxsplit=1)[1]


@pytest.mark.parametrize("ending", [".nii.gz", ".json"])
def test_pipe_in_the_place_of_a_file_is_not_waited_for(dataset: Path, ending: str) -> None:
    """Opening a pipe waits for a writer who never comes."""
    path = dataset / FOLDER / f"{STEM}_T2w{ending}"
    path.unlink()
    os.mkfifo(path)
    assert "NOT_A_FILE" in found(dataset)


def test_socket_and_link_to_a_device_are_no_files(dataset: Path) -> None:
    """/dev/zero never ends."""
    with socket.socket(socket.AF_UNIX) as made:
        here = Path.cwd()
        os.chdir(dataset)  # the path of a socket has 108 bytes at most
        try:
            made.bind("s")
        finally:
            os.chdir(here)
        (dataset / "zeros").symlink_to("/dev/zero")
        assert {"NOT_A_FILE", "LINK_INVALID"} == set(found(dataset))


def test_file_that_becomes_a_pipe_between_listing_and_reading_is_refused(dataset: Path) -> None:
    """What counts is what is opened."""
    from myofed_node.mids.validation.bounded_read import UnreadableError, read_text
    from myofed_node.mids.validation.nifti_header import DamagedNiftiError
    from myofed_node.mids.validation.nifti_scan import read_preamble, scan_voxels

    os.mkfifo(dataset / "x")
    with pytest.raises(UnreadableError, match="no regular file"):
        read_text(dataset / "x")
    for read in (read_preamble, scan_voxels):
        with pytest.raises(DamagedNiftiError, match="no regular file"):
            read(dataset / "x")


def test_folder_in_the_place_of_an_image_is_walked_and_not_read(dataset: Path) -> None:
    """A folder may be called like a file."""
    (dataset / IMAGE).unlink()
    (dataset / IMAGE).mkdir()
    assert set(found(dataset)) == {"IMAGE_MISSING"}


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nowhere", "nowhere"),
        ("loop", "nowhere"),
        ("../sub-A", "folder"),
        ("..", "folder"),
        ("../../..", "leaves"),
        ("/", "leaves"),
    ],
)
def test_link_that_is_no_file_of_the_data_set_is_told_and_not_followed(dataset: Path, target: str, said: str) -> None:
    """Loops end, and nothing outside is read."""
    (dataset / "sub-A" / "loop").symlink_to(target)
    codes = found(dataset)
    assert set(codes) == {"LINK_INVALID"}
    assert said in codes["LINK_INVALID"]


def test_link_to_a_file_of_the_data_set_is_that_file(dataset: Path) -> None:
    """DataLad keeps content in a hidden folder of the data set."""
    (dataset / ".git").mkdir()
    (dataset / IMAGE).rename(dataset / ".git" / "object")
    (dataset / IMAGE).symlink_to(dataset / ".git" / "object")
    assert found(dataset) == {}


def test_data_set_behind_a_link_is_validated(dataset: Path, tmp_path: Path) -> None:
    """The folder itself may be reached over a link."""
    (tmp_path / "there").symlink_to(dataset)
    assert validate(tmp_path / "there").findings == ()


def test_folder_that_cannot_be_listed_is_told(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root can list every folder, so that the refusal is made here; the rest is validated."""
    scandir = os.scandir

    def refusing(folder: Path) -> object:
        if folder.name == "labels":
            raise PermissionError(13, "denied")
        return scandir(folder)

    monkeypatch.setattr(tree.os, "scandir", refusing)
    assert set(found(dataset)) == {"NOT_A_FILE"}


def test_root_that_cannot_be_listed_never_conforms(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing seen is not nothing wrong."""

    def refusing(folder: Path) -> object:
        raise PermissionError(13, "denied")

    monkeypatch.setattr(tree.os, "scandir", refusing)
    assert {"NOT_A_FILE", "DATASET_EMPTY"} <= set(found(dataset))


def test_bomb_with_a_header_that_lies_is_refused_before_it_is_unpacked(dataset: Path) -> None:
    """32,767 x 32,767 x 32,767 voxels in some hundred bytes."""
    header = header_bytes(np.zeros(1, np.int16), Fields(shape=(32767, 32767, 32767)))
    assert "than the file can hold" in unreadable(dataset, gzip.compress(header + bytes(100)))


def test_bomb_that_can_hold_what_it_says_is_refused_by_its_size(dataset: Path) -> None:
    """Nine gigabytes of zeros pack into nine megabytes; they are not unpacked."""
    header = gzip.compress(header_bytes(np.zeros(1, np.int16), Fields(shape=(32767, 32767, 5))))
    assert MOST_VOXEL_BYTES < 32767 * 32767 * 10
    assert "more than 8 GiB" in unreadable(dataset, header + bytes(11 * 2**20))


def test_bomb_behind_the_voxels_is_not_unpacked(dataset: Path) -> None:
    """A quarter of a gigabyte behind a small image: the first surplus byte ends it, in little memory."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    content = packer.compress(nifti(voxels(3)))
    for _ in range(16):
        content += packer.compress(bytes(2**24))
    tracemalloc.start()
    assert "bytes after the last voxel" in unreadable(dataset, content + packer.flush())
    assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    tracemalloc.stop()


def test_large_image_is_seen_in_pieces(dataset: Path) -> None:
    """96 MB of voxels, a quarter of it in memory at most."""
    values = np.random.default_rng(1).integers(0, 1000, (400, 400, 300), dtype=np.int16)
    values[:, :, 10:] = 7
    write(dataset / IMAGE, values)
    del values
    tracemalloc.start()
    assert found(dataset) == {}
    assert tracemalloc.get_traced_memory()[1] < 24 * 2**20
    tracemalloc.stop()


def test_extension_that_never_ends_is_not_unpacked(dataset: Path) -> None:
    """vox_offset may state gigabytes."""
    lying = header_bytes(voxels(3), Fields(vox_offset=2e9))
    assert "begin nowhere" in unreadable(dataset, gzip.compress(lying + bytes(4096)))


def test_thousands_of_empty_gzip_members_end(dataset: Path) -> None:
    """Each costs something; an image may stand in several."""
    inside = nifti(voxels(3))
    parts = gzip.compress(inside[:100]) + gzip.compress(b"") * 50_000 + gzip.compress(inside[100:])
    (dataset / IMAGE).write_bytes(parts + bytes(1000))
    assert found(dataset) == {}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cut off"),
        (b"no gzip at all", "damaged gzip"),
        (gzip.compress(b"too short"), "shorter than its header"),
        (gzip.compress(bytes(400)), "no NIfTI header"),
        (gzip.compress(struct.pack("<i", 540) + bytes(600)), "NIfTI-2"),
        (gzip.compress(nifti(voxels(3))) + b"more", "damaged gzip"),
        (gzip.compress(nifti(voxels(3)))[:-4] + b"1234", "damaged gzip"),
        (gzip.compress(nifti(voxels(3), Fields(magic=b"ni1\0"))), "another file"),
        (gzip.compress(nifti(voxels(3), Fields(magic=b"n+9\0"))), "no NIfTI magic"),
        (gzip.compress(nifti(voxels(3).astype(np.complex64))), "no real numbers"),
        (gzip.compress(nifti(voxels(3))[:-1]), "fewer voxels"),
        (gzip.compress(nifti(voxels(3)) + b"x"), "after the last voxel"),
        (gzip.compress(nifti(voxels(3), Fields(shape=(4, 0, 3)))), "dimensions"),
        (gzip.compress(nifti(voxels(3), Fields(slope=2.0, inter=float("nan")))), "scaling"),
        (gzip.compress(nifti(voxels(3), Fields(vox_offset=352.5))), "begin nowhere"),
        (gzip.compress(nifti(voxels(3), Fields(vox_offset=float("nan")))), "begin nowhere"),
    ],
    ids=[f"image{number}" for number in range(16)],
)
def test_image_that_is_none_is_refused_with_its_reason(dataset: Path, content: bytes, said: str) -> None:
    """And with nothing else: what cannot be read is not judged."""
    assert said in unreadable(dataset, content)


def test_label_map_and_magnitude_that_cannot_be_read_are_told_once(dataset: Path) -> None:
    """What depends on them is not asked."""
    (dataset / LABELS / f"{STEM}_T1w_dseg.nii.gz").write_bytes(b"x")
    (dataset / FOLDER / f"{STEM}_MEGRE.nii.gz").write_bytes(b"x")
    assert set(found(dataset)) == {"IMAGE_UNREADABLE"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[" * 1_000_000, "nested too deep"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "nested too deep"),
        (b'{"a": ' + b"1" * 10_000 + b"}", "thousands of digits"),
        (b'{"a": "\xff\xfe"}', "no UTF-8"),
        (b'{"a": 1}' + b" " * MOST_TEXT_BYTES, "16 MiB"),
        (b'{"a": 1', "no JSON (line 1)"),
        (b"", "no JSON"),
        (b"null", "another JSON value"),
    ],
)
def test_sidecar_that_is_none_is_refused_with_its_reason(dataset: Path, content: bytes, said: str) -> None:
    """And nothing of what it might have said is missed."""
    (dataset / SIDECAR).write_bytes(content)
    (one,) = found(dataset).items()
    assert one[0] == "SIDECAR_INVALID"
    assert said in one[1]


def test_hundred_levels_are_read_to_the_last(dataset: Path) -> None:
    """Depth is the file's choice; a name at the bottom is found."""
    content: object = {"PatientName": "Fantasia", "Day": "20261122"}
    for _ in range(100):
        content = [{"Deeper": content}]
    sidecar = json.loads((dataset / SIDECAR).read_text())
    (dataset / SIDECAR).write_text(json.dumps(sidecar | {"Top": content}))
    assert set(found(dataset)) == {"IDENTIFYING_KEY", "DATE_FOUND"}


@pytest.mark.parametrize(
    "value",
    [
        1e999,
        True,
        "12",
        None,
        [],
        {},
        [None],
        [1e999],
        10**400,
        ["x"] * 1000,
        {"Bone": [10**400]},
        "\ud800",
        "\u202e\x1b[31m",
    ],
)
@pytest.mark.parametrize("stem", ["T1w", "MEGRE", "MESE", "DESS", "part-phase_MEGRE"])
def test_any_value_under_any_key_gives_a_report(dataset: Path, stem: str, value: object) -> None:
    """A list where a word should be, a number of four hundred digits, half a character: findings, never an exception."""
    path = dataset / FOLDER / f"{STEM}_{stem}.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(dict.fromkeys(content, value) | {"Labels": value, "\ud800": value}))
    assert found(dataset)


@pytest.mark.parametrize(
    "labels", [{"²": "x", "1" * 400: "y", "-1": "z", "7101": 5}, "all", 7, ["Background", None], [[]]]
)
def test_labels_of_any_form_give_a_report(dataset: Path, labels: object) -> None:
    """Superscript two is a digit and no number."""
    path = dataset / LABELS / f"{STEM}_T1w_dseg.json"
    path.write_text(json.dumps({"Labels": labels}))
    assert found(dataset)


def test_names_that_break_terminals_are_made_harmless(dataset: Path) -> None:
    """Bytes that are no UTF-8, colours, line ends and scripts in the name of a file."""
    for name in (b"\xff\xfe.txt", b"\x1b[31mred.txt", b"two\nlines.txt", b"<script>alert(1)<.txt"):
        (dataset / os.fsdecode(name)).write_text("x")
    report = validate(dataset)
    assert {finding.code for finding in report.findings} == {"FILE_NOT_OF_PROFILE"}
    assert len(report.findings) == 4
    assert all(finding.path.isprintable() for finding in report.findings)
    assert "<script" not in validation_page(report).decode()


def test_a_name_that_is_not_made_of_entities_is_shown_by_its_place(dataset: Path) -> None:
    """It is often the patient's; a folder so named hides what lies below it no less."""
    (dataset / "DOE^JOHN.dcm").write_text("x")
    (dataset / "sub-A" / "Doe John").mkdir()
    (dataset / "sub-A" / "Doe John" / "dj.nii.gz").write_text("x")
    report = validate(dataset)
    shown = {finding.path for finding in report.findings}
    assert {"[name 1].dcm", "sub-A/[name 1]/[name 1].nii.gz"} <= shown
    assert "doe" not in report.model_dump_json().lower()


def test_keys_are_escaped_on_the_page(dataset: Path) -> None:
    """The names of keys are the data set's choice."""
    sidecar = json.loads((dataset / SIDECAR).read_text())
    (dataset / SIDECAR).write_text(json.dumps({**sidecar, "PatientName<script>": "x"}))
    page = validation_page(validate(dataset)).decode()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_key_of_a_million_letters_and_a_million_keys_stay_short(dataset: Path) -> None:
    """A finding is a line, whatever the file holds."""
    sidecar = json.loads((dataset / SIDECAR).read_text())
    many = {f"PatientName{number}": 1 for number in range(20_000)} | {"PatientName" + "e" * 1_000_000: 1}
    (dataset / SIDECAR).write_text(json.dumps(sidecar | many))
    messages = found(dataset)
    assert set(messages) == {"IDENTIFYING_KEY"}
    assert "and 19991 more" in messages["IDENTIFYING_KEY"]
    assert len(messages["IDENTIFYING_KEY"]) < 3000


def test_dicom_under_any_name_is_forbidden(dataset: Path) -> None:
    """Known by its content; also below derivatives."""
    for path in ("IM0001", "derivatives/labels/x.txt", "sub-A/DICOMDIR"):
        (dataset / path).write_bytes(bytes(128) + b"DICM" + bytes(10))
    report = validate(dataset)
    assert [finding.code for finding in report.findings] == ["FORBIDDEN_FILE"] * 3


def test_file_that_vanishes_while_it_is_read_is_told(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk error, too, is a finding and not the end."""
    import myofed_node.mids.validation.bounded_read as reading

    real = os.open

    def failing(path: Path, flags: int) -> int:
        if str(path).endswith(("T2w.nii.gz", "T2w.json", "sub-A_sessions.tsv", "README.md")):
            raise FileNotFoundError(2, "gone")
        return real(path, flags)

    monkeypatch.setattr(reading.os, "open", failing)
    messages = found(dataset)
    assert set(messages) == {"IMAGE_UNREADABLE", "SIDECAR_INVALID", "SESSIONS_MISMATCH"}
    assert "cannot be opened (gone)" in messages["IMAGE_UNREADABLE"]
