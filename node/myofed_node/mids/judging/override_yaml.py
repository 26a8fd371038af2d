"""Strict YAML: no key twice, no alias; every place has its line, so that an error can name it without what stands there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml

Place = tuple[str | int, ...]
"""Keys and positions from the top to a value."""


class YamlRefusedError(ValueError):
    """The text is not read; the message names a line and never what stands there."""


@dataclass(frozen=True)
class Document:
    """What the text says.

    Attributes:
        value: Mappings, sequences, texts and numbers.
        lines: Line of each place, counted from 1.
    """

    value: object
    lines: dict[Place, int]

    def line(self, place: Sequence[str | int]) -> int:
        """Line of the place, or of what it should stand in."""
        outward = (tuple(place[:length]) for length in range(len(place), -1, -1))
        return next((self.lines[known] for known in outward if known in self.lines), 1)


def read_yaml(text: str) -> Document:
    """The one document of this text.

    Raises:
        YamlRefusedError: No YAML, several documents, a key twice, an alias, or a key that is no plain text.
    """
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        lines = {} if node is None else dict(_places(node, (), set()))
        return Document(None if node is None else loader.construct_document(node), lines)
    except yaml.MarkedYAMLError as error:
        line = 1 if error.problem_mark is None else error.problem_mark.line + 1
        raise YamlRefusedError(f"line {line}: no YAML") from None
    except YamlRefusedError:
        raise
    except (yaml.YAMLError, OverflowError, RecursionError, ValueError):  # ValueError: a date that is none
        raise YamlRefusedError("line 1: no YAML") from None


def _places(node: yaml.Node, place: Place, seen: set[int]) -> Iterator[tuple[Place, int]]:
    line = node.start_mark.line + 1
    if id(node) in seen:
        raise YamlRefusedError(f"line {line}: an alias")
    seen.add(id(node))
    yield place, line
    if isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            yield from _places(item, (*place, position), seen)
    elif isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value in keys:
                raise YamlRefusedError(f"line {key.start_mark.line + 1}: a key twice, or one that is no text")
            keys.add(key.value)
            yield from _places(value, (*place, key.value), seen)
