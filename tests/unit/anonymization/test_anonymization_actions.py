from __future__ import annotations

import pytest
from anonymization_factories import policy_with
from pydicom.datadict import tag_for_keyword

from myofed_anonymization.actions import Verb, age, dummy, fallback_of, number_text, plan_of, short_label
from myofed_anonymization.elements import NUMBER_BYTES, standard_vr
from myofed_anonymization.policy import default_policy
from myofed_anonymization.profile import load_profile


def planned(keyword: str, **settings: object) -> tuple[Verb, str]:
    tag = tag_for_keyword(keyword)
    assert tag is not None
    profile = load_profile()
    plan = plan_of(
        tag,
        vr=standard_vr(tag),
        row=profile.confidentiality.get(tag),
        attribute_type=profile.type_of(tag, parent=0, iod="mr"),
        policy=policy_with(**settings) if settings else default_policy(),
    )
    return plan.verb, plan.fallback


@pytest.mark.parametrize(
    ("basic", "attribute_type", "action"),
    [
        ("X", "3", "X"),
        ("X", "1", "D"),
        ("X", "2", "Z"),
        ("Z", "3", "Z"),
        ("Z/D", "1", "D"),
        ("Z/D", "2", "Z"),
        ("D", "2", "D"),
        ("X/Z/D", "3", "X"),
        ("X/Z", "2", "Z"),
        ("U", "3", "X"),
        ("D", "3", "D"),
    ],
)
def test_compound_codes_are_resolved_by_the_type(basic: str, attribute_type: str, action: str) -> None:
    """No Type 1 attribute is lost, no Type 2 attribute missing (PS3.15 Table E.1-1a)."""
    assert fallback_of(basic, attribute_type=attribute_type) == action


@pytest.mark.parametrize(
    ("keyword", "verb", "fallback"),
    [
        ("PatientName", Verb.PSEUDONYM, "D"),
        ("PatientBirthDate", Verb.BASIC, "Z"),
        ("PatientAge", Verb.AGE, "X"),
        ("PatientComments", Verb.CLEAN, "X"),
        ("InstitutionName", Verb.BASIC, "X"),
        ("StudyDate", Verb.SHIFT, "Z"),
        ("SOPInstanceUID", Verb.UID, "D"),
        ("EchoTime", Verb.NUMBER_TEXT, "Z"),
        ("Rows", Verb.NUMBER_BYTES, "D"),
        ("Manufacturer", Verb.DEVICE, "Z"),
        ("StackID", Verb.LABEL, "X"),
        ("VOILUTSequence", Verb.BASIC, "X"),
        ("ReferencedImageSequence", Verb.ITEMS, "X"),
        ("PixelData", Verb.BASIC, "D"),
    ],
)
def test_the_default_policy_plans_by_table_and_vr(keyword: str, verb: Verb, fallback: str) -> None:
    """Each kind of attribute has its verb, and what follows when nothing can stay."""
    assert planned(keyword) == (verb, fallback)


@pytest.mark.parametrize(
    ("keyword", "setting"),
    [
        ("StudyDate", "retain_modified_dates"),
        ("SeriesDescription", "clean_descriptors"),
        ("Manufacturer", "retain_device_identity"),
        ("PatientAge", "retain_patient_characteristics"),
    ],
)
def test_an_option_switched_off_leaves_the_basic_profile(keyword: str, setting: str) -> None:
    """Without the option the basic action is all that happens."""
    assert planned(keyword, **{setting: False})[0] is Verb.BASIC


@pytest.mark.parametrize(
    ("value", "kept"), [("060Y", "060Y"), ("099Y", "090Y"), ("0Y", "000Y"), ("011M", "011M"), ("sixty", ""), ("", "")]
)
def test_ages_are_capped(value: str, kept: str) -> None:
    """Ages above the cap become the cap; what is no age goes."""
    assert age(value, cap_years=90) == kept


def test_numbers_and_labels_that_are_none_go() -> None:
    """Text in a number's place does not stay."""
    assert (number_text("-1.5e3"), number_text("Fantasia"), short_label("1"), short_label("Fantasia")) == (
        "-1.5e3",
        "",
        "1",
        "",
    )


@pytest.mark.parametrize(
    "vr", [*NUMBER_BYTES, "LO", "PN", "DA", "TM", "DT", "AS", "DS", "IS", "OB", "OW", "OB or OW", "UR"]
)
def test_every_vr_has_a_dummy(vr: str) -> None:
    """Action D has a value of nonzero length for every VR."""
    assert dummy(vr)
    assert len(dummy(vr)) == NUMBER_BYTES.get(vr, len(dummy(vr)))
