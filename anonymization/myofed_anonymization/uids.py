"""New UIDs: `2.25.` and a UUID made from the site key and the old UID (PS3.5 B.2, ITU-T X.667)."""

from __future__ import annotations

import re
import uuid
from functools import lru_cache

from pydicom.uid import UID

from myofed_anonymization.keys import SiteKeys

_UID = re.compile(r"[0-2](?:\.(?:0|[1-9]\d*))+")
DICOM_ROOT = "1.2.840.10008."
"""UIDs below it are registered by the standard (SOP classes, transfer syntaxes) and name no person or thing."""


def new_uid(keys: SiteKeys, uid: str) -> str:
    """The one new UID that stands for `uid` at this site: valid, at most 44 characters, the same in any process.

    Registered UIDs stay as they are; the empty string stays empty.

    Args:
        keys: The site's key.
        uid: The old UID, without padding.

    Returns:
        `2.25.` and a decimal number of 128 bits (a UUID of version 4 form).
    """
    if not uid or is_registered(uid):
        return uid
    return f"2.25.{uuid.UUID(bytes=keys.mac('uid', uid)[:16], version=4).int}"


def is_uid(text: str) -> bool:
    """Whether the text has the form of a UID (PS3.5 9.1)."""
    return len(text) <= 64 and _UID.fullmatch(text) is not None


@lru_cache(maxsize=4096)
def is_registered(uid: str) -> bool:
    """Whether PS3.6 lists the UID; one that only lies below the standard's root may be made up and hold anything."""
    return uid.startswith(DICOM_ROOT) and UID(uid).name != uid
