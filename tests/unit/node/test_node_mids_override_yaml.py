"""Strict YAML with lines."""

from __future__ import annotations

import pytest

from myofed_node.mids.judging.override_yaml import YamlRefusedError, read_yaml


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: [\n", 3),
        ("a: 1\n---\nb: 2\n", 2),
        ("a: 1\nb: 2\na: 3\n", 3),
        ("a: &x [1]\nb: *x\n", 1),
        ("a: 1\n? [1, 2]\n: 3\n", 2),
        ("a: !!python/object:os.system 1\n", 1),
        ("a: \x00\n", 1),
        ("a: 2001-99-99\n", 1),
        ("[" * 5000, 1),
    ],
)
def test_what_is_not_read_is_named_by_its_line_and_never_repeated(text: str, line: int) -> None:
    """Broken YAML, a second document, a key twice, an alias, a key that is no text, a type of another language."""
    with pytest.raises(YamlRefusedError) as refusal:
        read_yaml(text)
    assert str(refusal.value).startswith(f"line {line}:")
    assert "os.system" not in str(refusal.value)


def test_every_place_has_its_line() -> None:
    """Errors of the content are named by these."""
    document = read_yaml("rules:\n  - match:\n      protocol_name: x\n    suffix: T1w\n")
    assert document.value == {"rules": [{"match": {"protocol_name": "x"}, "suffix": "T1w"}]}
    assert document.line(("rules", 0, "suffix")) == 4
    assert document.line(("rules", 0, "match", "series_description")) == 3
    assert document.line(("elsewhere",)) == 1


def test_empty_text_is_nothing() -> None:
    """And has no line but the first."""
    document = read_yaml("# nothing\n")
    assert (document.value, document.line(("rules",))) == (None, 1)
