"""What the intake reads of an instance before it keeps it: the UIDs that say where it belongs, and nothing else."""

from __future__ import annotations

import re
from io import BytesIO

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID

from myofed_node.intake.received import Place

SOP_INSTANCE, STUDY, SERIES = Tag(0x00080018), Tag(0x0020000D), Tag(0x0020000E)
UID_FORM = re.compile(r"[0-9.]{1,64}")


class UnreadableInstanceError(Exception):
    """No such data set: it does not parse, or a UID is missing or has no UID's form."""


def place_of(content: bytes, *, transfer_syntax: UID) -> Place:
    """Where an instance belongs.

    Args:
        content: The data set as it was sent, without file meta information.
        transfer_syntax: In which it was sent; not a deflated one (a few bytes of it fill the memory).

    Raises:
        UnreadableInstanceError: See there.
    """
    try:
        found = read_dataset(
            BytesIO(content),
            is_implicit_VR=transfer_syntax.is_implicit_VR,
            is_little_endian=transfer_syntax.is_little_endian,
            stop_when=_behind_series,
            specific_tags=[SOP_INSTANCE, STUDY, SERIES],
        )
        return Place(study=_uid(found, STUDY), series=_uid(found, SERIES), instance=_uid(found, SOP_INSTANCE))
    except UnreadableInstanceError:
        raise
    except Exception as error:  # pydicom raises many kinds on damaged data; the sender is told, nothing is kept
        raise UnreadableInstanceError from error


def _behind_series(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return bool(tag > SERIES)


def _uid(dataset: Dataset, tag: BaseTag) -> str:
    element = dataset.get(tag)
    value = str(element.value) if element is not None else ""
    if UID_FORM.fullmatch(value) is None:
        raise UnreadableInstanceError
    return value
