from __future__ import annotations

import re

from myofed_anonymization.keys import SiteKeys
from myofed_anonymization.pseudonyms import pseudonym

KEY, OTHER = SiteKeys(b"a" * 32), SiteKeys(b"b" * 32)


def test_a_pseudonym_is_keyed_and_has_eighty_bits() -> None:
    """16 base32 characters, the same again, another with another key, issuer or patient."""
    label = pseudonym(KEY, issuer="", patient_id="42")
    assert re.fullmatch(r"[A-Z2-7]{16}", label)
    assert label == pseudonym(KEY, issuer="", patient_id="42")
    others = {
        pseudonym(OTHER, issuer="", patient_id="42"),
        pseudonym(KEY, issuer="H", patient_id="42"),
        pseudonym(KEY, issuer="", patient_id="43"),
    }
    assert len(others | {label}) == 4


def test_padding_does_not_make_another_patient() -> None:
    """DICOM pads text to even length with a space."""
    assert pseudonym(KEY, issuer=" H ", patient_id="42 ") == pseudonym(KEY, issuer="H", patient_id="42")
