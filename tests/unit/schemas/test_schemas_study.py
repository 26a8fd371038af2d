"""The study manifest refuses what does not fit together."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from wire_examples import DECISION, manifest

from myofed_schemas.canonical import canonical_json, digest
from myofed_schemas.study import StudyDecision, StudyManifest


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"muscles": ("VL", "XX")}, "not in muscles.tsv"),
        ({"muscles": ("VL", "VL")}, "named twice"),
        ({"sites": ("hospital-a", "hospital-a")}, "named twice"),
        ({"muscles": ("VL", "RF", "VM")}, "out_channels is 3, expected 4"),
        ({"min_sites": 3}, "only 2 sites"),
        ({"study_id": "../x"}, "study_id"),
        ({"strategy": "anything"}, "strategy"),
        ({"title": "Thigh\x1b[2J muscles"}, "title"),
        ({"purpose": "line\nleaves this site: nothing"}, "purpose"),
        ({"image": {"kind": "in-phase-magnitude", "spacing_mm": 2.0, "size_px": (96, 10**6)}}, "size_px"),
    ],
)
def test_manifest_that_does_not_fit_together_is_refused(change: dict[str, object], says: str) -> None:
    """A manifest that could not be run as written never exists."""
    with pytest.raises(ValidationError, match=says):
        manifest(**change)


def test_digest_follows_every_field() -> None:
    """A site that approved one manifest has approved no other."""
    assert manifest().digest() == manifest().digest()
    assert manifest(rounds=11).digest() != manifest().digest()
    assert manifest(purpose="Another purpose").digest() != manifest().digest()


def test_manifest_of_the_first_release_has_the_digest_it_had() -> None:
    """More networks and options were added since; what sites approved before is what they approved."""
    first = "69a2a7f30d4cc0892638a17a7ad708f104db4cdf056d42b0be80c6c7093958bf"
    assert manifest().digest() == first
    again = StudyManifest.model_validate_json(canonical_json(manifest()))
    assert again.digest() == first


@pytest.mark.parametrize(
    "number", [float("nan"), float("inf"), -1.0, "1e-3x", True and [1]], ids=["nan", "inf", "negative", "text", "list"]
)
def test_hyper_parameter_that_is_no_sensible_number_is_refused(number: object) -> None:
    """NaN compares as false with every bound, and is refused all the same."""
    training = manifest().training.model_dump()
    for name in ("learning_rate", "learning_rate_end", "weight_decay"):
        with pytest.raises(ValidationError, match=name):
            manifest(training={**training, name: number})


CHANNELS = {"kind": "channels", "channels": ("in-phase", "fat"), "dropout": 0.2, "spacing_mm": 2.0, "size_px": (96, 96)}


def test_input_of_several_channels_names_each_once() -> None:
    """In the order of the network's input; the first release's image has one."""
    network = manifest().architecture.model_copy(update={"in_channels": 2})
    asked = manifest(image=CHANNELS, architecture=network)
    assert asked.image.channel_names == ("in-phase", "fat")
    assert manifest().image.channel_names == ("in-phase",)
    with pytest.raises(ValidationError, match="a channel is named twice"):
        manifest(image=CHANNELS | {"channels": ("fat", "fat")}, architecture=network)


def test_decision_under_a_demo_policy_says_so_and_others_say_nothing() -> None:
    """An unmarked decision has the bytes of the first release."""
    assert "demo" not in DECISION.model_dump(mode="json")
    marked = DECISION.model_copy(update={"demo": True})
    assert marked.model_dump(mode="json")["demo"] is True
    assert digest(marked) != digest(DECISION)
    with pytest.raises(ValidationError):
        StudyDecision.model_validate(DECISION.model_dump() | {"demo": False})


def channels_of(*names: str, **changes: object) -> dict[str, object]:
    return {
        "kind": "channels",
        "channels": names,
        "dropout": 0.3,
        "spacing_mm": 2.0,
        "size_px": (96, 96),
        **changes,
    }


@pytest.mark.parametrize(
    "image",
    [
        channels_of(),
        channels_of("water", "water"),
        channels_of("water", "t2w"),
        channels_of("water", dropout=1.0),
        channels_of("water", kind="in-phase-magnitude"),
        channels_of("water", kind="volumes"),
    ],
)
def test_channels_that_are_none_of_ours_are_refused(image: dict[str, object]) -> None:
    """None, one twice, an unknown one, a dropout of everything, another kind of input."""
    with pytest.raises(ValidationError):
        manifest(image=image)


def test_channels_keep_the_order_of_the_manifest() -> None:
    """The network's first input is the first channel named; a study of one channel has the in-phase one."""
    assert manifest(image=channels_of("t1w", "in-phase")).image.channel_names == ("t1w", "in-phase")
    assert manifest().image.channel_names == ("in-phase",)
