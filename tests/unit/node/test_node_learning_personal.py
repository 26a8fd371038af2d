"""A personal model is the federated one trained on at home, unless the site's own validation subjects say otherwise."""

from __future__ import annotations

import pytest
import torch
from learning_factories import initial, manifest, stripes

from myofed_node.learning import personal
from myofed_node.learning.personal import personal_model
from myofed_node.learning.train import TrainingData
from myofed_schemas.errors import MyofedError

CPU = torch.device("cpu")
STUDY = manifest(rounds=2)
DATA = TrainingData([stripes(seed=1), stripes(seed=2)], [stripes(seed=3)])


def test_nobody_to_train_on_is_refused() -> None:
    """The federated model is not handed back as if it were a personal one."""
    with pytest.raises(MyofedError) as refusal:
        personal_model(initial(), TrainingData([], DATA.validation), manifest=STUDY, device=CPU)
    assert refusal.value.code == "NO_TRAINING_SUBJECTS"


def test_training_that_helps_is_kept_and_gives_the_same_bytes_again() -> None:
    """From untrained weights it helps; twice the steps of a run."""
    weights, metrics = personal_model(initial(), DATA, manifest=STUDY, device=CPU)
    assert metrics.steps == 2 * 2 * 4
    assert weights != initial()
    assert personal_model(initial(), DATA, manifest=STUDY, device=CPU) == (weights, metrics)


@pytest.mark.parametrize(("validation", "kept"), [(DATA.validation, False), ((), True)])
def test_training_that_does_not_help_is_thrown_away_where_somebody_validates(
    validation: list[object], kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal is no better. Without validation subjects there is nothing to choose by."""
    monkeypatch.setattr(personal, "_validated", lambda *_given, **_named: 0.5)
    data = TrainingData(DATA.train, validation)  # type: ignore[arg-type]
    weights, metrics = personal_model(initial(), data, manifest=STUDY, device=CPU)
    assert (weights != initial()) is kept
    assert metrics.steps == (16 if kept else 0)


def test_validation_dice_rises_with_training_and_is_none_of_nobody() -> None:
    """What the choice is made by."""
    trained, _ = personal_model(initial(), DATA, manifest=manifest(rounds=10), device=CPU)
    before, after = (personal._validated(w, DATA, manifest=STUDY, device=CPU) for w in (initial(), trained))
    assert 0.0 <= before < after <= 1.0
    assert personal._validated(initial(), TrainingData(DATA.train), manifest=STUDY, device=CPU) == 0.0
