"""Networks come from the allow-list and are the same on every machine."""

from __future__ import annotations

import pytest
import torch
from learning_factories import architecture
from pydantic import ValidationError

from myofed_node.learning.models import build, initial_weights, state_dict_spec
from myofed_schemas.errors import MyofedError


def test_network_off_the_allow_list_is_refused() -> None:
    """A manifest cannot name any other network."""
    with pytest.raises(ValidationError):
        architecture(name="os.system")


def test_strides_that_do_not_fit_the_channels_are_refused() -> None:
    """A network that cannot be built has a code."""
    with pytest.raises(MyofedError) as refusal:
        build(architecture(strides=(2, 2)))
    assert refusal.value.code == "ARCHITECTURE_INVALID"


def test_same_seed_gives_the_same_bytes_and_leaves_global_randomness_alone() -> None:
    """Initial weights depend on architecture and seed only, and no other draw of the process changes."""
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    first, second = initial_weights(architecture(), seed=5), initial_weights(architecture(), seed=5)
    assert first == second != initial_weights(architecture(), seed=6)
    assert torch.equal(torch.rand(3), expected)


def test_spec_lists_each_tensor_with_its_own_shape_and_dtype() -> None:
    """The manifest's list is the state dict: also the integers of batch norm."""
    for norm in ("instance", "batch"):
        state = build(architecture(norm=norm)).state_dict()
        listed = {t.name: (t.shape, t.dtype) for t in state_dict_spec(architecture(norm=norm))}
        assert listed == {n: (tuple(v.shape), str(v.dtype).removeprefix("torch.")) for n, v in state.items()}


def test_network_gives_one_logit_per_class_and_pixel() -> None:
    """(n, 1, h, w) becomes (n, classes, h, w)."""
    assert build(architecture())(torch.zeros(2, 1, 16, 24)).shape == (2, 3, 16, 24)
