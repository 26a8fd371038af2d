"""Private elements and Siemens' blobs: numbers that must stay, and names, UIDs and dates that must not."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from pydicom.dataset import Dataset

from planted.draft import Draft
from planted.images import Study, classic, enhanced
from planted.made_up import MadeUp, Value
from planted.plants import Category, Kind, Place

PHILIPS, PHILIPS_1, PHILIPS_5 = "Philips Imaging DD 001", "Philips MR Imaging DD 001", "Philips MR Imaging DD 005"
SIEMENS, GE_PARM, GE_SERIES = "SIEMENS MR HEADER", "GEMS_PARM_01", "GEMS_SERS_01"
UNKNOWN_CREATORS = ("WOLKENSTEIN PACS 1.0", "SPI-P Release 1", "AGFA_ADC_Compact", "MITRA LINKED ATTRIBUTES 1.0")
PRIVATE_VRS = ("LO", "PN", "SH", "LT", "UT", "DA", "UI", "UN", "OB", "ST", "DT", "UC")


def safe_numbers(draft: Draft, vendor: str, *, into: Dataset | None = None, at: Place = ()) -> None:
    """The numbers of this vendor that quantitative MRI needs (PS3.15 Table E.3.10-1 and conformance statements)."""
    rng = draft.made.rng
    rows: dict[str, tuple[tuple[int, str, str, object], ...]] = {
        "philips": (
            (0x20010003, "FL", PHILIPS, 600.0),
            (0x20010014, "SL", PHILIPS, 6),
            (0x20010018, "SL", PHILIPS, 24),
            (0x20010022, "FL", PHILIPS, 1.5),
            (0x2005000D, "FL", PHILIPS_1, 0.25),
            (0x2005000E, "FL", PHILIPS_1, rng.randrange(1, 4000) / 4096),
            (0x20050009, "DS", PHILIPS_5, "-12.5"),
            (0x2005000A, "DS", PHILIPS_5, f"{rng.uniform(0.5, 9):.5f}"),
        ),
        "siemens": (
            (0x0019000A, "US", SIEMENS, 32),
            (0x0019000C, "IS", SIEMENS, str(rng.randrange(50, 1000))),
            (0x0019000E, "FD", SIEMENS, [0.5, 0.25, rng.uniform(-1, 1)]),
            (0x00190018, "IS", SIEMENS, "3400"),
            (0x00190027, "FD", SIEMENS, [rng.uniform(0, 900) for _ in range(6)]),
            (0x00190028, "FD", SIEMENS, 27.174),
            (0x00190029, "FD", SIEMENS, [0.0, 52.5, 105.0]),
        ),
        "ge": (
            (0x00250007, "SL", GE_SERIES, 48),
            (0x0043002F, "SS", GE_PARM, rng.randrange(4)),
            (0x00430039, "IS", GE_PARM, [str(rng.randrange(50, 1000)), "8", "0", "0"]),
        ),
    }
    for tag, vr, creator, value in rows[vendor]:
        draft.safe_number(tag, vr, value, creator=creator, into=into, at=at)


def text_in_safe_blocks(draft: Draft, *, count: int) -> None:
    """Neighbours of the safe numbers hold texts, and some safe places hold a text where a number belongs.

    Those texts have 24 characters: in implicit VR, where nothing says what a value is, they could be binary numbers.
    """
    for number in range(count):
        creator, group = ((PHILIPS, 0x2001), (PHILIPS_5, 0x2005), (SIEMENS, 0x0019), (GE_PARM, 0x0043))[number % 4]
        _private(draft, group, creator, 0xD0 + number, PRIVATE_VRS[number % len(PRIVATE_VRS)])
    places = (
        (0x2001, PHILIPS, 0x03, "LO"),
        (0x0043, GE_PARM, 0x39, "LO"),
        (0x2005, PHILIPS_5, 0x0A, "LO"),
        (0x0019, SIEMENS, 0x0E, "LT"),
    )
    for group, creator, byte, vr in places:
        word, digits = draft.made.word(), draft.made.digits(14)
        block = draft.dataset.private_block(group, creator, create=True)
        text = Value(f"{word} {digits}", Kind.TEXT, (word, digits))
        draft.plant(block.get_tag(byte), Category.PRIVATE, vr=vr, value=text)


def unknown_private(draft: Draft, *, count: int, into: Dataset | None = None, at: Place = ()) -> None:
    """Blocks of creators that nobody listed hold values of every VR."""
    for number in range(count):
        creator = UNKNOWN_CREATORS[number % len(UNKNOWN_CREATORS)]
        _private(
            draft,
            0x0031 + 2 * (number % 3),
            creator,
            number % 0xF0,
            PRIVATE_VRS[number % len(PRIVATE_VRS)],
            into=into,
            at=at,
        )


def _private(
    draft: Draft, group: int, creator: str, byte: int, vr: str, *, into: Dataset | None = None, at: Place = ()
) -> None:
    block = (draft.dataset if into is None else into).private_block(group, creator, create=True)
    draft.plant(block.get_tag(byte), Category.PRIVATE, into=into, at=at, vr=vr)


def creator_names(draft: Draft) -> None:
    """The private creator itself and an element without any creator hold a name."""
    draft.plant(0x00510010, Category.PRIVATE, vr="LO")
    draft.dataset.add_new(0x00511001, "IS", "4")
    draft.plant(0x00531001, Category.PRIVATE, vr="LO")


def csa(draft: Draft) -> None:
    """Both CSA headers and the protocol text in them hold names, UIDs and dates beside numbers."""
    made = draft.made
    word, text, uid, when = made.word(), made.word(), made.uid(), f"{made.date(draft.year):%Y%m%d}"
    image = sv10(
        {
            "B_value": ("IS", ["600"]),
            "DiffusionGradientDirection": ("FD", ["0.5", "0.25", "0.83"]),
            "MosaicRefAcqTimes": ("FD", ["0.0", "52.5"]),
            "PhaseEncodingDirectionPositive": ("IS", ["1"]),
            "BandwidthPerPixelPhaseEncode": ("FD", [text]),
            "ImageComments4MultistepMR": ("LT", [word]),
            "ReferencedImageSequence": ("UI", [uid]),
        }
    )
    draft.dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    draft.dataset.add_new(0x00291008, "CS", "IMAGE NUM 4")
    draft.plant(0x00291009, Category.CSA, vr="LO")
    _blob(draft, 0x00291010, image, (word,), (text,), (uid,))
    names = [made.word() for _ in range(5)]
    uids, number = [made.uid() for _ in range(2)], made.digits()
    protocol = phoenix(names, uids, number, when)
    series = sv10(
        {
            "UsedPatientWeight": ("IS", ["71"]),
            "SequenceFileOwner": ("CS", [names[3]]),
            "MrPhoenixProtocol": ("UN", [protocol]),
        }
    )
    draft.dataset.add_new(0x00291018, "CS", "MR")
    _blob(draft, 0x00291020, series, *((needle,) for needle in (*names, *uids, number)))
    draft.note(Category.CSA, Value(when, Kind.DATE, (when,)), place=(0x00291020,))
    plain = made.word()
    draft.dataset.private_block(0x0021, "SIEMENS MR SDS 01", create=True)
    text = phoenix([plain, *(made.word() for _ in range(4))], [made.uid(), made.uid()], made.digits(), when)
    draft.dataset.add_new(0x00211019, "OB", text.encode("latin-1"))
    draft.note(Category.CSA, Value(plain, Kind.TEXT, (plain,)), place=(0x00211019,))


def _blob(draft: Draft, tag: int, content: bytes, *needles: tuple[str, ...]) -> None:
    draft.dataset.add_new(tag, "OB", content)
    for each in needles:
        draft.note(Category.CSA, Value(content, Kind.TEXT, each), place=(tag,))


def sv10(entries: dict[str, tuple[str, Sequence[str]]]) -> bytes:
    """A CSA header of version 2: name, VM, VR and items of text, padded to four bytes (nibabel's description)."""
    content = b"SV10\4\3\2\1" + struct.pack("<2I", len(entries), 77)
    for name, (vr, items) in entries.items():
        content += name.encode().ljust(64, b"\0") + struct.pack(
            "<i4s3i", len(items), vr.encode().ljust(4, b"\0"), 0, len(items), 77
        )
        for item in items:
            value = item.encode("latin-1") + b"\0"
            content += struct.pack("<4i", len(value), len(value), 77, len(value)) + value.ljust(
                -(-len(value) // 4) * 4, b"\0"
            )
    return content


def phoenix(names: Sequence[str], uids: Sequence[str], number: str, date: str) -> str:
    """A protocol in Siemens' text form: an XProtocol part and an ASCCONV part."""
    return (
        f'<XProtocol>\n{{\n <ParamString."PatientName"> {{ "{names[0]}" }}\n'
        f' <ParamString."PatientID"> {{ "{number}" }}\n'
        f' <ParamString."PatientBirthDay"> {{ "{date}" }}\n <ParamString."FrameOfReference"> {{ "{uids[0]}" }}\n}}\n'
        f'### ASCCONV BEGIN ###\ntProtocolName = ""{names[1]}_t1""\ntReferenceImage0 = ""{uids[1]}""\n'
        f'sProtConsistencyInfo.tMeasuredBy = ""{names[2]}""\nalTE[0] = 5190\nalTE[1] = 7650\n'
        f'alTE[2] = ""{names[4]}""\nalTR[0] = 400000\n'
        "sSliceArray.lSize = 24\nucMultiSliceMode = 0x2\n### ASCCONV END ###\n"
    )


def make_vendor(made: MadeUp, *, scale: float, charset: str, number: int) -> list[Draft]:
    """Siemens-, Philips- and GE-like files with private values at all depths."""
    count = max(4, round(24 * scale))
    name = f"vendor/{number:03d}"
    studies = [Study.of(made, charset=charset) for _ in range(5)]
    siemens, philips, ge, unknown = (
        classic(made, study, name=f"{name}-{n}.dcm") for n, study in enumerate(studies[:4])
    )
    deep = enhanced(made, studies[4], name=f"{name}-enhanced.dcm")
    philips.dataset.Manufacturer, philips.dataset.ManufacturerModelName = "Philips Medical Systems", "Ingenia"
    ge.dataset.Manufacturer, ge.dataset.ManufacturerModelName = "GE MEDICAL SYSTEMS", "DISCOVERY MR750"
    safe_numbers(siemens, "siemens")
    csa(siemens)
    safe_numbers(philips, "philips")
    safe_numbers(ge, "ge")
    text_in_safe_blocks(unknown, count=count)
    unknown_private(unknown, count=2 * count)
    creator_names(unknown)
    for frame_number, frame in enumerate(deep.dataset.PerFrameFunctionalGroupsSequence):
        at: Place = (0x52009230, frame_number)
        block = frame.private_block(0x2005, PHILIPS_5, create=True)
        group, group_at = deep.item(block.get_tag(0x0F), into=frame, at=at)
        safe_numbers(deep, "philips", into=group, at=group_at)
        _private(deep, 0x2005, PHILIPS_5, 0x70, "LO", into=group, at=group_at)
        unknown_private(deep, count=count // 2, into=frame, at=at)
        safe_numbers(deep, "siemens", into=frame, at=at)
    return [siemens, philips, ge, unknown, deep]
