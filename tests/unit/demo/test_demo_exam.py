"""Exams and their UIDs."""

from __future__ import annotations

import numpy as np
from pydicom.uid import UID

from myofed_demo.exam import Exam
from myofed_demo.identities import make_hospital_identity, make_patient_identity


def exam(key: str) -> Exam:
    """An exam of a made-up patient."""
    hospital = make_hospital_identity(np.random.default_rng(0))
    return Exam(hospital, make_patient_identity(hospital, np.random.default_rng(1)), key)


def test_uids_are_valid_repeatable_and_distinct() -> None:
    """The same key and name give the same UID; another key or name another one."""
    first = exam("1|a|0")
    assert UID(first.uid("study")).is_valid
    assert first.uid("study") == exam("1|a|0").uid("study")
    assert len({first.uid("study"), first.uid("series 1"), exam("1|a|1").uid("study")}) == 3


def test_every_uid_given_out_is_remembered() -> None:
    """They are identifiers, so the list of planted strings needs them."""
    made = exam("k")
    values = [made.uid("study"), made.uid("x"), made.uid("study")]
    assert list(made.uids.values()) == values[:2]
