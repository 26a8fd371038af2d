"""Canonical JSON and digests."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myofed_schemas.canonical import MAX_SAFE_INTEGER, canonical_json, digest

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcé", max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text("abcé", max_size=3), json_values, max_size=5))
def test_canonical_json_reads_back_and_does_not_depend_on_order(document: dict[str, object]) -> None:
    """The bytes mean the document, and a document has one byte string whatever the order of its keys."""
    written = canonical_json(document)
    assert json.loads(written) == json.loads(json.dumps(document))
    assert canonical_json(dict(reversed(document.items()))) == written
    assert digest(document) == digest(json.loads(written))


@pytest.mark.parametrize(
    "bad",
    [{"a": float("nan")}, {"a": [float("inf")]}, {"a": 2**53}, {1: "a"}, {"a": b"bytes"}, {"a": {"b": {2: 1}}}],
    ids=["nan", "infinity", "large", "key", "bytes", "nested-key"],
)
def test_value_that_readers_disagree_on_is_refused(bad: dict[str, object]) -> None:
    """What two JSON readers could take for different values is never signed."""
    with pytest.raises(ValueError, match=r"canonical JSON|Out of range|JSON compliant"):
        canonical_json(bad)


def test_one_changed_byte_changes_the_digest() -> None:
    """The digest stands for the whole document."""
    assert digest({"rounds": 10}) != digest({"rounds": 11})


def test_digest_is_sha256_of_the_utf8_bytes() -> None:
    """Another implementation can check it (value from `printf '{"a":1}' | sha256sum`)."""
    assert digest({"a": 1}) == "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
