"""Damaged, incomplete and oddly ordered exports: every one comes out right or is refused with its code, never silently wrong."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import vendor_spoil as spoil
from vendor_judge import faults, name_of

from myofed_anonymization import Options, SiteKeys, default_policy, new_uid
from myofed_demo.vendor_matrix import STYLES
from myofed_node.ingest import IngestPolicy, ingest
from myofed_schemas.conversion import SeriesOutcome
from myofed_schemas.deid import WithheldCode
from myofed_schemas.mids import ImageName, Part

pytestmark = pytest.mark.functional
NOW = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
KEYS = SiteKeys(b"odd inputs of the vendor matrix.")
LOST = "no file came through"
COUNTED = "SERIES_INCOMPLETE_BY_HEADER"
STYLE = {f"{style.vendor} {style.form}": style for style in STYLES}
CLASSIC = ("siemens classic", "philips classic", "ge classic")


@dataclass(frozen=True)
class Odd:
    """One row of the table.

    Attributes:
        case: What is odd.
        vendors: At which scanners it is tried.
        how: What is done to the files.
        code: Of the refused series, `LOST` where none of its files can be read; None where all must come out right.
        files: Codes of files that are left out, with their number.
        series: Indices of the refused series of a visit: magnitude 0 and phase 1, or both in 0.
    """

    case: str
    vendors: tuple[str, ...]
    how: spoil.Spoil
    code: str | None = None
    files: tuple[tuple[str, int], ...] = ()
    series: tuple[int, ...] = (0, 1)


SIEMENS, PHILIPS, GE = (("siemens classic",), ("philips classic",), ("ge classic",))
PHILIPS_ENHANCED, GE_ENHANCED = ("philips enhanced",), ("ge enhanced",)
TABLE = (
    Odd("nothing", CLASSIC, spoil.same),
    Odd("shuffled file names", CLASSIC, spoil.shuffled_names),
    Odd("all echoes of a position first", SIEMENS + PHILIPS, spoil.renumbered(spoil.by_position)),
    Odd("all positions of an echo first", GE + PHILIPS, spoil.renumbered(spoil.by_echo)),
    Odd("last first", CLASSIC, spoil.renumbered(spoil.backwards)),
    Odd("a slice is missing in the middle", SIEMENS, spoil.lost_slice(1), "SLICES_UNEVEN"),
    Odd("a slice is missing in the middle and a header counts them", PHILIPS + GE, spoil.lost_slice(1), COUNTED),
    Odd("the first slice is missing and nothing counts them", SIEMENS, spoil.lost_slice(0)),
    Odd("the last slice is missing and nothing counts them", SIEMENS, spoil.lost_slice(-1)),
    Odd("the last slice is missing and (0020,1002) counts them", GE, spoil.lost_slice(-1), COUNTED),
    Odd("the first slice is missing and (2001,xx18) counts them", PHILIPS, spoil.lost_slice(0), COUNTED),
    Odd("one echo of a slice is missing", CLASSIC, spoil.lost_file, "POSITION_ECHO_INCOMPLETE", series=(0,)),
    Odd("a file twice", CLASSIC, spoil.copied),
    Odd(
        "a file twice with other bytes",
        CLASSIC,
        spoil.copied_with(spoil.other_bytes),
        "POSITION_ECHO_INCOMPLETE",
        (("DUPLICATE_CONFLICT", 2),),
        series=(0,),
    ),
    Odd(
        "a slice twice as two instances",
        CLASSIC,
        spoil.copied_with(spoil.new_instance),
        "REPEATED_POSITIONS",
        series=(0,),
    ),
    Odd(
        "a slice twice as two instances with other bytes",
        SIEMENS,
        spoil.copied_with(spoil.new_instance, spoil.other_bytes),
        "REPEATED_POSITIONS",
        series=(0,),
    ),
    Odd("(0018,1312) is missing", CLASSIC, spoil.without("InPlanePhaseEncodingDirection")),
    Odd("a private decimal string holds words", SIEMENS + GE, spoil.malformed_decimal),
    Odd("no preamble", CLASSIC, spoil.without_preamble, LOST, (("PREAMBLE_MISSING", 16),)),
    Odd("no preamble and no meta group", SIEMENS, spoil.without_meta_group, LOST, (("PREAMBLE_MISSING", 16),)),
    Odd("a file of zero bytes", SIEMENS, spoil.added("empty.dcm", b""), None, (("DICOM_DAMAGED", 1),)),
    Odd("a text among the images", GE, spoil.added("readme.txt", b"see the disc\r\n" * 40), None, (("NOT_DICOM", 1),)),
    Odd(
        "a DICOMDIR's head and nothing more",
        PHILIPS,
        spoil.added("DICOMDIR", bytes(128) + b"DICM"),
        None,
        (("TRANSFER_SYNTAX_REFUSED", 1),),
    ),
    Odd("RLE", CLASSIC, spoil.compressed(spoil.RLE)),
    Odd("JPEG-LS lossless", CLASSIC, spoil.compressed(spoil.JPEG_LS)),
    Odd("JPEG lossless", CLASSIC, spoil.jpeg_lossless),
    Odd("RLE in an enhanced object", PHILIPS_ENHANCED, spoil.compressed(spoil.RLE)),
    Odd("deflated", CLASSIC, spoil.deflated),
    Odd("big-endian", CLASSIC, spoil.big_endian),
    Odd("implicit VR", CLASSIC, spoil.implicit_vr),
    Odd("truncated", SIEMENS, spoil.truncated, "POSITION_ECHO_INCOMPLETE", (("PIXEL_LENGTH", 1),), series=(0,)),
    Odd(
        "all of the last slice truncated",
        SIEMENS,
        spoil.truncated_last_slice,
        "SERIES_INCOMPLETE",
        (("PIXEL_LENGTH", 2),),
        series=(0,),
    ),
    Odd("scanned twice", (*CLASSIC, "siemens enhanced", "philips enhanced", "ge enhanced"), spoil.scanned_twice),
    Odd("two visits of a patient", CLASSIC, spoil.second_visit),
    Odd("two patients in a folder", CLASSIC, spoil.second_patient),
    Odd(
        "two patients in a series",
        SIEMENS,
        spoil.one_file(spoil.setting(PatientID="another")),
        "SEVERAL_SUBJECTS",
        series=(0,),
    ),
    Odd("InstanceNumber repeats", CLASSIC, spoil.each(spoil.setting(InstanceNumber=1))),
    Odd("InstanceNumber is missing", CLASSIC, spoil.without("InstanceNumber")),
    Odd("EchoNumbers is missing", CLASSIC, spoil.without("EchoNumbers")),
    Odd("EchoNumbers repeats", CLASSIC, spoil.each(spoil.setting(EchoNumbers=1))),
    Odd("one EchoTime for all echoes", CLASSIC, spoil.each(spoil.setting(EchoTime="1.15")), "REPEATED_POSITIONS"),
    Odd(
        "EchoTime is missing in a file",
        SIEMENS,
        spoil.one_file(spoil.setting(EchoTime=None)),
        "ECHO_TIME_MISSING",
        series=(0,),
    ),
    Odd("orientation differs in a file", CLASSIC, spoil.one_file(spoil.tilted), "SEVERAL_ORIENTATIONS", series=(0,)),
    Odd("rows are not at right angles with columns", SIEMENS, spoil.each(spoil.skewed), "ORIENTATION_INVALID"),
    Odd("a slice lies aside", SIEMENS, spoil.one_file(spoil.nudged), "SLICES_SHEARED", series=(0,)),
    Odd(
        "pixels differ in size in a file",
        GE,
        spoil.one_file(spoil.setting(PixelSpacing=["2", "2"])),
        "SEVERAL_GRIDS",
        series=(0,),
    ),
    Odd(
        "TR differs in a file",
        PHILIPS,
        spoil.one_file(spoil.setting(RepetitionTime="99")),
        "PARAMETERS_VARY",
        series=(0,),
    ),
    Odd("position is missing", SIEMENS, spoil.without("ImagePositionPatient"), "GEOMETRY_MISSING"),
    Odd("phase without scale", PHILIPS, spoil.without("RescaleSlope", "RescaleIntercept"), "PHASE_SCALE_UNKNOWN"),
    Odd(
        "scale slope is missing in a file",
        PHILIPS,
        spoil.one_file(spoil.without_scale_slope, index=0),
        "SCALE_SLOPE_INCOMPLETE",
        series=(0,),
    ),
    Odd("Siemens phase without scale", SIEMENS, spoil.phase_without_scale, "PHASE_SCALE_UNKNOWN", series=(1,)),
    Odd("frames in any order", PHILIPS_ENHANCED + GE_ENHANCED, spoil.frames_in(spoil.mixed_up)),
    Odd("frames of a middle slice are missing", GE_ENHANCED, spoil.frames_in(lambda i: i[:4] + i[8:]), COUNTED),
    Odd("frames of the first slice are missing", GE_ENHANCED, spoil.frames_in(lambda i: i[4:]), COUNTED),
    Odd("frames of the last slice are missing", PHILIPS_ENHANCED, spoil.frames_in(lambda i: i[4:]), COUNTED),
    Odd("a frame is missing", PHILIPS_ENHANCED, spoil.frames_in(lambda i: i[:-1]), "POSITION_ECHO_INCOMPLETE"),
    Odd("only the private position", PHILIPS_ENHANCED, spoil.each(spoil.without_public_position), "GEOMETRY_MISSING"),
    Odd("NumberOfFrames is one more", PHILIPS_ENHANCED, spoil.each(spoil.one_frame_more), LOST, (("PIXEL_LENGTH", 1),)),
)
ROWS = [pytest.param(odd, vendor, id=f"{odd.case}-{vendor}") for odd in TABLE for vendor in odd.vendors]


@dataclass(frozen=True)
class Taken:
    """All rows of the table taken in at once, each with patients of its own: no row may spoil another.

    Attributes:
        out: The data set.
        visits: By row.
        outcomes: By old SeriesInstanceUID.
        left_out: Codes of files that did not come through de-identification, by row.
    """

    out: Path
    visits: dict[str, spoil.Visit] = field(repr=False)
    outcomes: dict[str, SeriesOutcome] = field(repr=False)
    left_out: dict[str, Counter[str]] = field(repr=False)


def key_of(odd: Odd, vendor: str) -> str:
    return f"{odd.case}, {vendor}"


@pytest.fixture(scope="session")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Taken:
    """Written, spoilt and taken in once; a row's folder is named by a number."""
    root = tmp_path_factory.mktemp("odd")
    visits, row_of = {}, {}
    for number, (odd, vendor) in enumerate((row, name) for row in TABLE for name in row.vendors):
        key = key_of(odd, vendor)
        visits[key] = spoil.visit(root / "in" / f"{number:03d}", STYLE[vendor], key)
        odd.how(visits[key])
        files = [path for path in visits[key].folder.rglob("*") if path.is_file()]
        row_of |= {hashlib.sha256(path.read_bytes()).hexdigest(): key for path in files}
    policy = IngestPolicy(default_policy(), options=Options(processes=2))
    report = ingest(root / "in", root / "out", keys=KEYS, policy=policy, now=NOW)
    left_out: dict[str, Counter[str]] = {key: Counter() for key in visits}
    for file in report.files:
        if file.code in list(WithheldCode):
            left_out[row_of[str(file.sha256)]][str(file.code)] += 1
    by_uid = {series.series_instance_uid: series for series in report.series}
    old = [truth.written.series_instance_uid for made in visits.values() for truth in made.truths]
    assert set(by_uid) <= {new_uid(KEYS, uid) for uid in old}
    outcomes = {uid: by_uid[new_uid(KEYS, uid)] for uid in old if new_uid(KEYS, uid) in by_uid}
    return Taken(root / "out", visits, outcomes, left_out)


@pytest.mark.parametrize(("odd", "vendor"), ROWS)
def test_odd_input_comes_out_right_or_is_refused_with_its_code(taken: Taken, odd: Odd, vendor: str) -> None:
    """Whatever is converted is right in space, value, echo time and name; nothing is lost without a code."""
    made = taken.visits[key_of(odd, vendor)]
    assert taken.left_out[key_of(odd, vendor)] == Counter(dict(odd.files))
    for index, truth in enumerate(made.truths):
        outcome = taken.outcomes.get(truth.written.series_instance_uid)
        if odd.code is not None and index in odd.series:
            assert (outcome.code if outcome else LOST) == odd.code
            continue
        assert outcome is not None, "lost where it must come out right"
        assert outcome.code is None
        written = {(image.suffix, image.part or Part.MAG): image for image in outcome.images}
        assert sorted(written) == sorted(name_of(image) for image in truth.images)
        for image in truth.images:
            found = written[name_of(image)]
            assert faults(image, taken.out / found.path, sidecar=taken.out / found.sidecar) == []
            assert ImageName.parse(Path(found.path).name.removesuffix(".nii.gz")).run == made.runs[index]


@pytest.mark.parametrize(
    ("case", "subjects"), [("two visits of a patient", 1), ("two patients in a folder", 2)], ids=["visits", "patients"]
)
def test_each_visit_is_a_session(taken: Taken, case: str, subjects: int) -> None:
    """Two visits of a patient are two sessions of one subject, two patients are two subjects."""
    for vendor in CLASSIC:
        uids = [truth.written.series_instance_uid for truth in taken.visits[f"{case}, {vendor}"].truths]
        series = [taken.outcomes[uid] for uid in uids]
        assert len({found.subject for found in series}) == subjects
        assert len({(found.subject, found.session) for found in series}) == 2
