"""Initial weights for a study."""

from __future__ import annotations

from pathlib import Path

import pytest

from myofed_node.initial_model import NAMES, architecture_for, draft_architecture, draw
from myofed_schemas.errors import MyofedError


@pytest.mark.parametrize("text", [None, "{", "study_id: x", "architecture: {name: os.system}", "[]"])
def test_draft_without_an_allowed_architecture_is_refused(tmp_path: Path, text: str | None) -> None:
    """Only networks of the allow-list, by name."""
    path = tmp_path / "study.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(MyofedError) as caught:
        draft_architecture(path)
    assert caught.value.code == "DRAFT_INVALID"


def test_unknown_muscle_is_refused() -> None:
    """Ids are those of muscles.tsv."""
    with pytest.raises(MyofedError) as caught:
        architecture_for("VL,biceps")
    assert caught.value.code == "MUSCLE_UNKNOWN"


def test_network_off_the_list_is_refused() -> None:
    """By its name, with those that are there."""
    with pytest.raises(MyofedError) as caught:
        architecture_for("VL", name="monai-unet-4d")
    assert caught.value.code == "ARCHITECTURE_UNKNOWN"


@pytest.mark.parametrize("name", NAMES)
def test_every_network_of_the_list_can_be_drawn(name: str) -> None:
    """With the classes that the muscles ask for."""
    architecture = architecture_for("VL,RF", name=name)
    assert (architecture.name, architecture.out_channels) == (name, 3)
    assert draw(architecture, seed=0).parameters > 10_000


def test_muscles_decide_the_classes() -> None:
    """Background and one class a muscle; the thigh's eleven where none is named."""
    assert architecture_for("VL, RF").out_channels == 3
    assert architecture_for("").out_channels == 12


def test_same_seed_draws_the_same_bytes(tmp_path: Path) -> None:
    """And another seed others."""
    path = tmp_path / "study.yaml"
    path.write_text(
        "architecture: {name: monai-unet-2d, in_channels: 1, out_channels: 2, channels: [4, 8], strides: [2],"
        " num_res_units: 0, norm: instance}"
    )
    architecture = draft_architecture(path)
    first = draw(architecture, seed=1)
    assert first == draw(architecture, seed=1)
    assert first.weights != draw(architecture, seed=2).weights
    assert first.parameters > first.tensors > 0
