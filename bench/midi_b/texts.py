"""Texts compared by the benchmark's rule: as numbers, as a whole, or word by word, without case."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"(?=\.?\d)\d*\.?\d*")
_WORD = re.compile(r"""\.{2,}|--|(?:[^\s;@#$%&?!*()\[\]{}<>":,.-]|[:,](?=\d)|\.(?!\.)|-(?!-))+""")
_PARTS = re.compile(r"(?P<stem>.+?)(?P<suffix>n't|'(?:s|m|d|ll|re|ve))")
"""A word and its contraction (patient's, don't) are two words."""
_FUNCTION_WORDS = (
    "a an the and or but nor if as at by for from in into of off on onto out over to up with without about above after again "
    "against before below between down during further once than then through under until while is am are was were be been "
    "being has have had having do does did doing can could will would shall should may might must not no only own same so too "
    "very just now here there this that these those i me my we us our you your he him his she her it its they them their what "
    "which who whom when where why how all any both each few more most other some such"
)
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
"""English words that say nothing: they are not looked for. Our own list; the published script takes NLTK's."""


def keeps(text: str, answer: str) -> bool | None:
    """Whether the attribute's text still holds the answer; None when the answer has no word to look for."""
    return _judged(text, answer, keep=True)


def removes(text: str, answer: str) -> bool | None:
    """Whether no word of the answer is left in the attribute's text; None when the answer has no word to look for."""
    return _judged(text, answer, keep=False)


def _judged(text: str, answer: str, *, keep: bool) -> bool | None:
    text, answer = _plain(text), _plain(answer)
    if _NUMBER.fullmatch(text) and _NUMBER.fullmatch(answer):
        return (float(text) == float(answer)) is keep
    if answer in text:
        return keep
    words = words_of(answer)
    if not words:
        return None
    return all((word in text) is keep for word in words)


def _plain(text: str) -> str:
    return text.replace("<", "").replace(">", "").lower()


def words_of(text: str) -> list[str]:
    """The words that are looked for: hyphens, slashes and carets stay inside a word; signs and function words are left out."""
    words: list[str] = []
    for word in _WORD.findall(re.sub(r"(?<!\.)\.\s*$", "", text)):
        parts = _PARTS.fullmatch(word)
        words += parts.group("stem", "suffix") if parts else [word.strip("'")]
    return [word for word in words if word not in FUNCTION_WORDS and (len(word) > 1 or word.isalnum())]


def values_of(text: str) -> list[str]:
    r"""The values of a multi-valued text, written with `\` or as a list: ['1', '2']."""
    listed = text.strip()
    if listed.startswith("[") and listed.endswith("]"):
        listed = listed[1:-1].replace(",", "\\")
    return [value for part in listed.split("\\") if (value := part.strip(" '\""))]
