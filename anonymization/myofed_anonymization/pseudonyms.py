"""Pseudonyms of patients, keyed: who does not hold the key cannot test a guess."""

from __future__ import annotations

import base64

from myofed_anonymization.keys import SiteKeys
from myofed_schemas.ids import SubjectLabel

LABEL_LENGTH = 16
"""Base32 characters: 80 bits, so that a million patients collide with a probability below 1e-12."""


def pseudonym(keys: SiteKeys, *, issuer: str, patient_id: str) -> SubjectLabel:
    """The subject label of this patient at this site, the same in any process, order and year.

    Args:
        keys: The site's key.
        issuer: IssuerOfPatientID (0010,0021), or the empty string; surrounding spaces do not count.
        patient_id: PatientID (0010,0020); surrounding spaces do not count.

    Returns:
        16 upper-case letters and digits 2 to 7 (RFC 4648 base32), 80 bits.
    """
    code = keys.mac("pid", issuer.strip(), patient_id.strip())
    return base64.b32encode(code).decode()[:LABEL_LENGTH]
