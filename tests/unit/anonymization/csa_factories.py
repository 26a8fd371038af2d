"""Synthetic Siemens CSA headers (both forms) and protocols, with made-up identifiers where real ones have them."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

NAME, SERIAL, PATIENT_UID = "Fantasia^Ottilie", "167067", "1.3.12.2.1107.5.2.99.4711.19610214"
WEIGHT, PATIENT_NUMBER = "71.5", "88442219"
PLANTED = (NAME, SERIAL, PATIENT_UID, WEIGHT, PATIENT_NUMBER, "Fantasia", "Wolkenstein", "19610214")


@dataclass(frozen=True)
class Tag:
    """One tag: its name, values, and what the header claims of it."""

    name: str
    values: tuple[str, ...] = ()
    vr: str = "IS"
    multiplicity: int = 1
    empty_items: int = 0


IMAGE = (
    Tag("UsedChannelString", ("XX",), "UT"),
    Tag("PhaseEncodingDirectionPositive", ("1",), empty_items=5),
    Tag("SliceNormalVector", ("0.0", "0.6", "-0.8"), "FD", 3, empty_items=3),
    Tag("RealDwellTime", ("30000",), empty_items=5),
    Tag("ImageHistory", (NAME, "", "Klinikum Wolkenstein"), "LO", 0),
    Tag("B_value", (), "IS", 1, empty_items=6),
)
PROTOCOL = f"""<XProtocol>
{{
  <ParamString."PatientName">  {{ "{NAME}"  }}
  <ParamString."SerialNumber">  {{ "{SERIAL}"  }}
### ASCCONV BEGIN object=MrProtDataImpl@MrProtocolData version=51130001 ###
ulVersion\t = \t51130001
tProtocolName\t = \t""Klinikum Wolkenstein""
tReferenceImage0\t = \t""{PATIENT_UID}""
lProtID\t = \t{PATIENT_NUMBER}
flUsedPatientWeight\t = \t{WEIGHT}
sProtConsistencyInfo.tSerialNumber\t = \t""{SERIAL}""
lContrasts\t = \t2
ucReadOutMode\t = \t0x2
alTE.__attribute__.size\t = \t128
alTE[0]\t = \t2460
alTE[1]\t = \t4920
sSliceArray.alSliceAcqOrder[1]\t = \t2
sSliceArray.alSliceAcqOrder[2]\t = \t1
adFlipAngleDegree[0]\t = \t1.5e1
### ASCCONV END ###"
}}
"""
SERIES = (
    Tag("UsedPatientWeight", (WEIGHT,), "DS", empty_items=5),
    Tag("ReadoutOS", ("2.00000000",), "FD", empty_items=5),
    Tag("PatReinPattern", (f"1;HFS;{WEIGHT};21.00;3;0;2;{PATIENT_NUMBER}",), "ST"),
    Tag("MrPhoenixProtocol", (PROTOCOL,), "UN", empty_items=5),
)


def csa2(tags: tuple[Tag, ...], *, declared: int | None = None) -> bytes:
    """An SV10 header; the second of an item's four words is its length."""
    start = b"SV10\4\3\2\1" + struct.pack("<2I", len(tags) if declared is None else declared, 77)
    return start + b"".join(_tag(tag) + b"".join(_item(value, surplus=0) for value in _items(tag)) for tag in tags)


def csa1(tags: tuple[Tag, ...]) -> bytes:
    """The form without magic; an item's first word is its length plus the number of items of the first tag."""
    surplus = len(_items(tags[0]))
    start = struct.pack("<2I", len(tags), 77)
    return start + b"".join(
        _tag(tag) + b"".join(_item(value, surplus=surplus) for value in _items(tag)) for tag in tags
    )


def _items(tag: Tag) -> tuple[str, ...]:
    return (*tag.values, *[""] * tag.empty_items)


def _tag(tag: Tag) -> bytes:
    name = tag.name.encode() + b"\0 <Visible>"
    return struct.pack("<64si4s3i", name, tag.multiplicity, tag.vr.encode(), 6, len(_items(tag)), 77)


def _item(value: str, *, surplus: int) -> bytes:
    content = value.encode("latin-1") + b"\0" if value else b""
    return (
        struct.pack("<4i", len(content) + surplus, len(content), 77, len(content))
        + content
        + b"\0" * (-len(content) % 4)
    )


def with_csa(dataset: Dataset, *, block: int = 0x10, **blobs: bytes) -> Dataset:
    """The data set with the blobs `image` and `series` under SIEMENS CSA HEADER in this block of group 0029."""
    dataset.add_new((0x0029, block), "LO", "SIEMENS CSA HEADER")
    for kind, content in blobs.items():
        byte = {"image": 0x10, "series": 0x20}[kind]
        dataset.add_new((0x0029, (block << 8) | byte), "OB", content + b"\0" * (len(content) % 2))
    return dataset


def with_xa_protocol(dataset: Dataset, protocol: str = PROTOCOL) -> Dataset:
    """The data set with the protocol where XA has it: two sequences deep, in the shared functional groups."""
    inner = Dataset()
    inner.add_new((0x0021, 0x0010), "LO", "SIEMENS MR SDS 01")
    inner.add_new((0x0021, 0x1019), "OB", protocol.encode() + b"\0" * (len(protocol) % 2))
    groups = Dataset()
    groups.add_new((0x0021, 0x0010), "LO", "SIEMENS MR SDS 01")
    groups.add_new((0x0021, 0x10FE), "SQ", Sequence([inner]))
    dataset.SharedFunctionalGroupsSequence = Sequence([groups])
    return dataset
