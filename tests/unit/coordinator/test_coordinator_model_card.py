"""A model's card: what keeps a model inside the consortium first, then what the card says and where it is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from coordinator_factories import NOW, FakeSite, make_manifest, make_weights

from myofed_coordinator.models.card import card_of, expected_training, privacy_figures, release_of
from myofed_coordinator.models.card_page import markdown, release_line
from myofed_coordinator.models.cards import CardsService
from myofed_coordinator.services import Services, open_runs
from myofed_coordinator.studies.leads import Doer
from myofed_schemas.canonical import canonical_json
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import FinalEvaluation, RoundReport, RunStatus
from myofed_schemas.model import ModelStatement
from myofed_schemas.model_card import ModelCard
from myofed_schemas.study import StudyManifest

Enrol = Callable[[str], FakeSite]
SITES = ("hospital-a", "hospital-b")
SPLIT = {"test_percent": 25, "validation_percent": 10, "salt": "salt"}
USE = {"consent": "each-site", "model_licence": "CC-BY-4.0", "commercial": False}
RUN = "run-0a1b2c3d"


def a_manifest(**changes: object) -> StudyManifest:
    return make_manifest(
        make_weights(), sites=SITES, **{"min_subjects": 40, "split": SPLIT, "data_use": USE, **changes}
    )


def a_statement(manifest: StudyManifest, *, rounds: int = 2) -> ModelStatement:
    return ModelStatement(
        sha256="a" * 64,
        size_bytes=10,
        study_id=manifest.study_id,
        manifest_digest=manifest.digest(),
        run_id=RUN,
        rounds=rounds,
        registered_at="2026-11-22T12:00:00Z",
    )


def a_run(manifest: StudyManifest, *, dice: float | None = 0.7) -> RunStatus:
    """Two rounds; the reports score the weights that came in, the final evaluation those of the last round."""
    rounds = tuple(
        RoundReport(
            round=number,
            started_at="2026-11-22T12:00:00Z",
            seconds=1.0,
            sites=SITES[:number],
            errors=(),
            loss=0.5,
            dice=0.3 * number,
            dice_per_site={},
            weights_sha256="a" * 64,
        )
        for number in (1, 2)
    )
    return RunStatus(
        run_id=RUN,
        study_id=manifest.study_id,
        manifest_digest=manifest.digest(),
        state="completed",
        code="OK",
        rounds=rounds,
        final=None if dice is None else FinalEvaluation(dice=dice, dice_per_site={}, errors=()),
    )


def a_card(manifest: StudyManifest, status: RunStatus | None = None, *, rounds: int = 2) -> ModelCard:
    return card_of(a_statement(manifest, rounds=rounds), manifest, status)


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"demo": True}, ("demo-policy",)),
        ({"data_use": None}, ("consortium-licence",)),
        ({"data_use": {**USE, "model_licence": "LicenseRef-consortium-only"}}, ("consortium-licence",)),
        ({"min_subjects": 39}, ("few-training-subjects",)),
        ({"split": {**SPLIT, "test_percent": 26}}, ("few-training-subjects",)),
        ({"demo": True, "min_subjects": 3}, ("demo-policy", "few-training-subjects")),
    ],
)
def test_model_of_few_or_of_a_demonstration_stays_inside(changes: dict[str, object], reasons: tuple[str, ...]) -> None:
    """The mark counts subjects that train, not those that are labelled, and says what speaks against a release."""
    card = a_card(a_manifest(**changes))
    assert (card.release.mark, card.release.reasons) == ("consortium-only", reasons)
    assert "**Release: stays inside the consortium: " in markdown(card)


def test_model_of_forty_labelled_subjects_a_site_may_be_released() -> None:
    """26 of 40 train with the usual split: the default of a site's policy is enough."""
    manifest = a_manifest()
    assert expected_training(manifest) == 26
    assert release_of(manifest).mark == "may-be-released"
    assert release_line(a_card(manifest)).startswith("may be released")


def test_card_tells_rounds_with_the_dice_of_their_own_models() -> None:
    """A round's report scores what came in; on the card a Dice stands beside the round that made the model."""
    card = a_card(a_manifest(), a_run(a_manifest()))
    assert [(r.round, r.sites, r.dice) for r in card.rounds] == [(1, 1, 0.6), (2, 2, 0.7)]
    assert (card.dice, card.sites, card.training_subjects_expected) == (0.7, 2, 20)
    assert a_card(a_manifest(), a_run(a_manifest()), rounds=1).dice == 0.6
    unscored = a_card(a_manifest(), a_run(a_manifest(), dice=None))
    assert unscored.dice is None
    assert "| Dice | not scored |" in markdown(unscored)
    assert not any(site in markdown(card) for site in SITES)


def test_card_of_a_run_whose_folder_is_gone_says_so() -> None:
    """What is not known is not made up."""
    card = a_card(a_manifest())
    assert (card.rounds, card.dice, card.sites) == ((), None, 0)
    assert "its rounds are not known here" in markdown(card)
    assert "| sites that trained | not known here |" in markdown(card)
    none_yet = a_run(a_manifest()).model_copy(update={"rounds": ()})
    assert a_card(a_manifest(), none_yet).rounds == ()


def test_card_says_what_privacy_the_updates_had() -> None:
    """Off, or the budget that no site could pass."""
    assert "Privacy off" in markdown(a_card(a_manifest()))
    asked = {"level": "update", "clip_norm": 1.0, "noise_multiplier": 8.0, "delta": 1e-5, "epsilon": 4.0}
    card = a_card(a_manifest(privacy=asked))
    assert card.privacy is not None
    assert "at most epsilon 4 at delta 1e-05" in markdown(card)


def test_card_cites_the_packaged_figures_and_marks_a_missed_target() -> None:
    """Every figure of the last bench, with its interval, none left out."""
    card = a_card(a_manifest())
    assert card.figures == privacy_figures().figures
    page = markdown(card)
    rows = [line for line in page.splitlines() if line.startswith(("| inversion", "| membership"))]
    assert len(rows) == len(card.figures)
    for row, figure in zip(rows, card.figures, strict=True):
        assert f"{figure.value:.3f}" in row
        assert ("(missed)" in row) is (figure.value > figure.target)


def test_free_text_of_a_study_makes_no_markup() -> None:
    """A title is a title."""
    page = markdown(a_card(a_manifest(title="<b>x</b> | [y](z) `c`")))
    assert "# Model card: &lt;b&gt;x&lt;/b&gt; \\| \\[y](z) \\`c\\`" in page


def test_card_of_a_registered_model_is_put_together(services: Services, enrol: Enrol, tmp_path: Path) -> None:
    """Registry, study and run; an unknown model has no card."""
    for site in SITES:
        enrol(site)
    signed = services.studies.create(a_manifest(), make_weights(), actor=Doer("lead"), now=NOW)
    path = tmp_path / "final.safetensors"
    path.write_bytes(make_weights(seed=9))
    record = services.models.register(RUN, path, manifest_digest=signed.digest, rounds=2, now=NOW)
    cards = CardsService(services.models, services.studies, open_runs(services))
    card = cards.show(record.statement.sha256[:12])
    assert (card.model, card.manifest_digest, card.rounds) == (record.statement, signed.digest, ())
    assert ModelCard.model_validate_json(canonical_json(card)) == card
    with pytest.raises(MyofedError, match="MODEL_UNKNOWN"):
        cards.show("0" * 64)
