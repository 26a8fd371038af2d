from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myofed_anonymization.policy import default_policy
from myofed_anonymization.text import Vocabulary, tokens_of

VOCABULARY = Vocabulary.from_policy(default_policy())
NOBODY: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("gre_field_magph", "gre_field_magph"),
        ("pd+t2_tse_sag_ISO_1.8mm", "pd+t2_tse_sag_ISO_1.8mm"),
        ("t1 tse thigh Fantasia 12.03.65", "t1 tse thigh"),
        ("Ottilie 20210715 884422", ""),
        ("thigh 1965 07", "thigh"),
        ("Oberschenkel Müller", ""),
        ("t2\nthigh", "t2 thigh"),
        ("*tse2d2_5", "*tse2d2_5"),
        ("*tfl3d1_16ns", "*tfl3d1_16ns"),
        ("SIEMENS MR HEADER", "SIEMENS MR HEADER"),
        ("", ""),
    ],
)
def test_only_words_of_the_vocabulary_stay(text: str, kept: str) -> None:
    """Known words and numbers with a unit stay in their spelling; names, bare numbers and dates go."""
    assert VOCABULARY.clean(text, forbidden=NOBODY) == kept


def test_a_listed_word_goes_when_it_is_the_patients_name() -> None:
    """Mr Head's scan is not described as head."""
    assert VOCABULARY.clean("t1 head", forbidden=tokens_of("Head^John")) == "t1"
    assert VOCABULARY.clean("*tse2d2_5", forbidden=frozenset({"*tse2d2_5"})) == ""


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("syngo MR E11", "syngo MR E11"),
        ("DV24.0_R01_134.a", "DV24 0 R01"),
        ("5", "5"),
        ("syngo 20210715", "syngo"),
        ("syngo.Fantasia", "syngo"),
        ("1965.03.12", ""),
        ("12.03.65", ""),
    ],
)
def test_software_versions_may_hold_short_numbers(text: str, kept: str) -> None:
    """Versions stay, dates and names do not."""
    assert VOCABULARY.clean(text, forbidden=NOBODY, software=True) == kept


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40))
def test_cleaned_text_is_ascii_and_cleaning_again_changes_nothing(text: str) -> None:
    """Whatever comes in, only listed ASCII words come out, and they are stable."""
    cleaned = VOCABULARY.clean(text, forbidden=NOBODY)
    assert cleaned.isascii()
    assert VOCABULARY.clean(cleaned, forbidden=NOBODY) == cleaned


@pytest.mark.parametrize("text", ["ORIGINAL", "M_FFE", "ISO_IR 100", "ISO 2022 IR 87", "STATIC FIELD", "T2*", ""])
def test_code_strings_of_the_standard_stay(text: str) -> None:
    """A defined term is one word, or words of the vocabulary."""
    assert VOCABULARY.clean_code_string(text, forbidden=NOBODY) == text


@pytest.mark.parametrize("text", ["OTTILIE FANTASIA", "MRN_884422", "Größe", "X;Y", "FANTASIA"])
def test_code_strings_with_names_or_long_numbers_go(text: str) -> None:
    """A name, a number of six digits or a sign that CS does not allow removes the value."""
    assert VOCABULARY.clean_code_string(text, forbidden=tokens_of("Fantasia^Ottilie")) == ""


def test_a_vocabulary_without_forms_is_possible() -> None:
    """A site may switch all forms off."""
    policy = default_policy().model_copy(update={"word_forms": (), "software_forms": (), "value_forms": ()})
    assert Vocabulary.from_policy(policy).clean("t1 3mm", forbidden=NOBODY) == "t1"


@pytest.mark.parametrize("text", ["030 555 123 456", "483 920 117", "483-920-117", "203"])
@pytest.mark.parametrize("prefix", ["", "thigh "])
def test_an_identifier_or_telephone_number_in_groups_of_three_digits_goes(prefix: str, text: str) -> None:
    """Three digits alone are no scanner model: grouped they are anyone's number."""
    assert VOCABULARY.clean(prefix + text, forbidden=NOBODY) == prefix.strip()


@pytest.mark.parametrize("text", ["DISCOVERY MR750w", "Optima MR450w", "Optima 450w"])
def test_scanner_models_stay(text: str) -> None:
    """A model's number has letters beside it."""
    assert VOCABULARY.clean(text, forbidden=NOBODY) == text


def test_a_middle_initial_does_not_remove_the_defined_term_of_one_letter() -> None:
    """The M of ImageType says magnitude, whoever the patient is."""
    assert VOCABULARY.clean_code_string("M", forbidden=tokens_of("Smith^John^M")) == "M"


@pytest.mark.parametrize("text", ["OTTILIEFANTASIA", "FANTASIAOTTILIE", "FANTASIA1965", "ND_OTTILIEFANTASIA", "LI"])
def test_names_without_their_space_go_from_code_strings(text: str) -> None:
    """A chain of the patient's own words is no defined term."""
    assert VOCABULARY.clean_code_string(text, forbidden=tokens_of("Fantasia^Ottilie^Li")) == ""


@pytest.mark.parametrize("text", ["17-MAR-1945", "17.3.1945", "17_3_45", "1945-3-17"])
def test_dates_go_from_code_strings(text: str) -> None:
    """No defined term is a date."""
    assert VOCABULARY.clean_code_string(text, forbidden=NOBODY) == ""


def test_a_longer_word_that_begins_with_a_name_stays_in_code_strings() -> None:
    """ORIGINAL stays for Mr Origin, PRIMARY for Ms Prima."""
    for text in ("ORIGINAL", "PRIMARY"):
        assert VOCABULARY.clean_code_string(text, forbidden=tokens_of("Origin^Prima")) == text


def test_a_device_text_keeps_one_short_number_at_most() -> None:
    """Dates and telephone numbers stand in groups of digits."""
    clean = VOCABULARY.clean
    assert clean("syngo MR E11", forbidden=NOBODY, software=True) == "syngo MR E11"
    assert clean("release 5", forbidden=NOBODY, software=True) == "release 5"
    assert clean("MR 27/06/2002", forbidden=NOBODY, software=True) == "MR"
    assert clean("MR +92 55 46", forbidden=NOBODY, software=True) == "MR"


def test_a_uid_in_a_text_becomes_its_new_one() -> None:
    """Chains of numbers that are no UIDs go, as before."""
    kept = VOCABULARY.clean("mean of 1.3.12.2.1107.5.2 and 1.2.3.4", forbidden=NOBODY, uid_of=lambda uid: f"<{uid}>")
    assert kept == "mean of <1.3.12.2.1107.5.2> and"
    assert VOCABULARY.clean("mean of 1.3.12.2.1107.5.2", forbidden=NOBODY) == "mean of"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("thigh B2596_2378_52", "thigh"),
        ("v7300.8015.28 thigh", "thigh"),
        ("t2_te50_20210715", "t2"),
        ("t2_tse_te50 thigh", "t2_tse_te50 thigh"),
        ("te50 20210715", "te50"),
    ],
)
def test_a_number_beside_one_that_had_to_go_goes_too(text: str, kept: str) -> None:
    """What no space divides may be one identifier in pieces."""
    assert VOCABULARY.clean(text, forbidden=NOBODY) == kept


@pytest.mark.parametrize("unit", ["1/s", "Hz", "ms", "%", "US", "Z_EFF", "10^-6 mm2/s", ""])
def test_a_unit_stays_whole(unit: str) -> None:
    assert VOCABULARY.clean_unit(unit, forbidden=NOBODY) == unit


@pytest.mark.parametrize("text", ["0.1 ms", "ms Fantasia", "ms/2", "HU HU", "19580207"])
def test_what_is_no_unit_is_unspecified_never_a_part_of_it(text: str) -> None:
    """`0.1 ms` reduced to `ms` would be a map wrong by ten."""
    assert VOCABULARY.clean_unit(text, forbidden=NOBODY) == "US"


def test_a_unit_that_is_the_patients_name_goes() -> None:
    assert VOCABULARY.clean_unit("Rad", forbidden=tokens_of("Rad^Ottilie")) == "US"


def test_only_defined_character_sets_stay() -> None:
    """Any other term makes a file unreadable; our texts are ASCII and right in UTF-8."""
    assert VOCABULARY.clean_character_set("ISO 2022 IR 87") == "ISO 2022 IR 87"
    assert VOCABULARY.clean_character_set("ISO_IR 999") == "ISO_IR 192"
    assert VOCABULARY.clean_character_set("") == ""


@pytest.mark.parametrize("version", ["5.6.1", "5.6.1.0", "V6.0SP0105", "syngo MR XA50"])
def test_versions_of_each_vendor_stay(version: str) -> None:
    """They tell which software made an image."""
    assert VOCABULARY.clean(version, forbidden=NOBODY, software=True) == version
