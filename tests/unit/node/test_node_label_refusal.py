"""Every refusal of a label map says in its own words what was expected and found."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from myofed_node.label_exchange.refusal import WORDS, LabelRefusedError
from myofed_schemas.exit_codes import ExitCode


def bare_codes(folder: Path) -> set[str]:
    """Codes of `LabelRefusedError(CODE)` without words of its own."""
    calls = [
        node
        for path in sorted(folder.rglob("*.py"))
        if "LabelRefusedError(" in (text := path.read_text())
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "LabelRefusedError"
    ]
    firsts = [call.args[0] for call in calls if len(call.args) + len(call.keywords) == 1]
    return {str(first.value) for first in firsts if isinstance(first, ast.Constant)}


def test_every_code_that_is_raised_without_words_has_its_own(repository: Path) -> None:
    """No sentence stands for two codes, and none is written for a code that needs none."""
    assert bare_codes(repository / "node") <= set(WORDS)
    assert len({message for message, _ in WORDS.values()}) == len(WORDS)


@pytest.mark.parametrize("code", sorted(WORDS))
def test_words_say_what_was_expected_what_was_found_and_what_to_do(code: str) -> None:
    """As every error does."""
    error = LabelRefusedError(code)
    assert error.message.startswith("expected ")
    assert ", found " in error.message
    assert error.hint
    assert error.exit_code == ExitCode.WITHHELD


def test_words_of_the_place_that_refuses_go_first() -> None:
    """It knows how many, and in which row."""
    error = LabelRefusedError("LABEL_GRID", "expected 3 slices, found 4", hint="cut one off")
    assert (error.message, error.hint) == ("expected 3 slices, found 4", "cut one off")
    assert LabelRefusedError("SEG_OVERLAP", "expected one, found two").hint == "docs/label-maps.md lists the codes"
