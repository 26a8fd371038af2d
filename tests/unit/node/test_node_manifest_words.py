"""A manifest in words: every field has a word, what leaves is told, and so is each change since the last approval."""

from __future__ import annotations

from site_factories import study

from myofed_node.manifest_words import FIELD_WORDS, SAME_IN_NO_TWO, difference_lines, manifest_lines
from myofed_schemas.study import StudyManifest, TensorSpec
from myofed_schemas.study_terms import DataUse, LegalBasis

LEGAL = LegalBasis(article_6="6(1)(e)", article_9="9(2)(j)", ethics_review="each-site", national_law="BDSG, section 27")
USE = DataUse(consent="broad-consent", model_licence="CC-BY-NC-4.0", commercial=False)


def text(manifest: StudyManifest) -> str:
    return "\n".join(manifest_lines(manifest))


def changes(newest: StudyManifest, approved: StudyManifest | None) -> list[str]:
    return list(difference_lines(newest, approved))


def test_every_field_of_a_manifest_has_a_word() -> None:
    """No change can hide because nobody thought of its field."""
    assert set(FIELD_WORDS) | SAME_IN_NO_TWO == set(StudyManifest.model_fields)


def test_legal_basis_and_use_are_told_and_so_is_their_absence() -> None:
    """People who decide see what the consortium says, or that it says nothing."""
    assert "legal basis: not stated" in text(study())
    assert "use of the models: not stated: consortium only" in text(study())
    told = text(study(legal_basis=LEGAL, data_use=USE))
    assert "Art. 6(1)(e) (task in the public interest), Art. 9(2)(j) (scientific research), BDSG, section 27" in told
    assert "consent: broad-consent; models under CC-BY-NC-4.0, no commercial use" in told


def test_what_leaves_is_told_in_tensors_and_bytes_without_those_that_stay() -> None:
    """A local tensor is not counted: 1024 x 1024 numbers of 4 bytes are 4 MiB."""
    tensors = (
        TensorSpec(name="big", shape=(1024, 1024), dtype="float32"),
        TensorSpec(name="own", shape=(1024, 1024), dtype="float32"),
    )
    named = study(
        state_dict=tensors, strategy="fedbn", strategy_options={"release": "aggregated"}, local_tensors=("own",)
    )
    assert "leaves this site: 1 tensors of weights a round (4.0 MiB at most)" in text(named)


def test_first_version_has_nothing_to_compare_with() -> None:
    """Without an earlier approval there is no list of changes."""
    assert changes(study(), None) == []


def test_each_change_is_told_with_both_values() -> None:
    """An option that appears or disappears is absent on one side; long values are cut, tensors counted."""
    old = study(legal_basis=LEGAL)
    new = study(version=2, rounds=9, data_use=USE, purpose="p" * 500, state_dict=(
        TensorSpec(name="other", shape=(1,), dtype="float32"),
    ))  # fmt: skip
    told = changes(new, old)
    assert told[0] == "  since version 1, approved here last: 5 changes"
    assert "    rounds: 10 -> 9" in told
    assert any(line.startswith("    legal basis: {") and line.endswith("-> absent") for line in told)
    assert any(line.startswith("    data use: absent -> {") for line in told)
    assert any(line.endswith("ppp...") for line in told)
    assert "    tensors that leave: 1 tensors before, 1 others now" in told
    assert changes(study(version=2), study())[0].endswith("0 changes")
