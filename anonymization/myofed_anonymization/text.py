"""Free text by allow-list (PS3.15 E.3.4, Clean Descriptors): only words of the policy's vocabulary stay."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from myofed_anonymization.policy import Policy

_TOKEN = re.compile(r"\*?[^\W_]+(?:\.[^\W_]+)*")
_DIGIT = re.compile(r"\d")
_UID = re.compile(r"[0-2]\.(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){3,}")
UID_LENGTH = 14
"""A shorter chain of numbers is a version or a date; every root of a vendor or a hospital is longer with its instance."""
_DATE_LIKE = re.compile(r"\d{1,2}\.\d{1,2}\.\d{2,4}|\d{4}\.\d{1,2}\.\d{1,2}")
_CODE_STRING = re.compile(r"[A-Za-z0-9 _.+*/-]{0,64}")
CHARACTER_SETS = frozenset(
    {f"ISO_IR {number}" for number in (100, 101, 109, 110, 144, 127, 126, 138, 148, 203, 13, 166, 192)}
    | {
        f"ISO 2022 IR {number}"
        for number in (6, 100, 101, 109, 110, 144, 127, 126, 138, 148, 203, 13, 166, 87, 159, 149, 58)
    }
    | {"GB18030", "GBK"}
)
"""Defined terms of SpecificCharacterSet (PS3.3 C.12.1.1.2), the only ones with spaces and numbers."""
UNITS = frozenset(
    {
        "od",
        "hu",
        "us",
        "mgml",
        "z_eff",
        "ed",
        "edw",
        "hu_mod",
        "pct",
        "%",
        "percent",
        "normalized",
        "ppm",
        "hz",
        "hertz",
    }
    | {
        "ms",
        "msec",
        "milliseconds",
        "s",
        "1/s",
        "1/ms",
        "s-1",
        "ms-1",
        "/s",
        "rad",
        "deg",
        "mm2/s",
        "10^-3 mm2/s",
        "10^-6 mm2/s",
    }
)
"""RescaleType (0028,1054): the defined terms of PS3.3 C.11.1.1.2 and the units scanners write for maps."""
UNSPECIFIED_UNIT = "US"
"""Defined term of PS3.3 C.11.1.1.2."""
_LONG_NUMBER = re.compile(r"\d{6}")
_DATE_IN_CODE = re.compile(
    r"(?<!\d)(?:\d{1,2}([ _.+*/-])(?:\d{1,2}|[A-Za-z]{3})\1(?:\d{4}|\d{2})|\d{4}([ _.-])\d{1,2}\2\d{1,2})(?!\d)"
)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The policy's words and forms, ready for use; words are compared in lower case."""

    words: frozenset[str]
    forms: re.Pattern[str]
    software_forms: re.Pattern[str]
    values: frozenset[str]
    value_forms: re.Pattern[str]

    @classmethod
    def from_policy(cls, policy: Policy) -> Self:
        """The vocabulary that this policy describes."""
        return cls(
            words=policy.words(),
            forms=_any_of(policy.word_forms),
            software_forms=_any_of((*policy.word_forms, *policy.software_forms)),
            values=frozenset(policy.values),
            value_forms=_any_of(policy.value_forms),
        )

    def clean(
        self,
        text: str,
        *,
        forbidden: frozenset[str],
        software: bool = False,
        uid_of: Callable[[str], str] | None = None,
    ) -> str:
        """The text reduced to allowed words; itself when nothing had to go, otherwise the words joined by one space.

        Args:
            text: One value of a text element.
            forbidden: Lower-case words of the patient's own names and identifiers: they go even when listed.
            software: Whether version numbers may stay too.
            uid_of: Gives the new UID for a UID that stands in the text; without it UIDs go.

        Returns:
            ASCII text; empty when no word may stay.
        """
        if text in self.values or (self.value_forms.fullmatch(text.lower()) and not tokens_of(text) & forbidden):
            return text
        forms = self.software_forms if software else self.forms
        tokens = _TOKEN.findall(text)
        chunks = [
            [(one, self._allowed(one, forms, forbidden, uid_of)) for one in _TOKEN.findall(part)]
            for part in text.split()
        ]
        kept = [word for chunk in chunks for _, words in (chunk if software else self._whole(chunk)) for word in words]
        if software and sum(word.isdigit() for word in kept) > 1:  # a date or a telephone number, group by group
            kept = [word for word in kept if not word.isdigit()]
        return text if kept == tokens and text.isascii() and text.isprintable() else " ".join(kept)

    def _whole(self, chunk: list[tuple[str, list[str]]]) -> list[tuple[str, list[str]]]:
        """Of what no space divides: where a part with digits had to go, all other numbers go too (B2596_2378_52)."""
        broken = any(words != [one] and not _UID.fullmatch(one) and _DIGIT.search(one) for one, words in chunk)
        return [(one, [word for word in words if not broken or self._is_listed(word)]) for one, words in chunk]

    def _is_listed(self, word: str) -> bool:
        return word.lower() in self.words or not _DIGIT.search(word)

    def _allowed(
        self, token: str, forms: re.Pattern[str], forbidden: frozenset[str], uid_of: Callable[[str], str] | None
    ) -> list[str]:
        if uid_of is not None and len(token) >= UID_LENGTH and _UID.fullmatch(token):
            return [uid_of(token)]
        if _DATE_LIKE.fullmatch(token):
            return []
        if self._is_word(token, forms, forbidden):
            return [token]
        parts = token.split(".") if "." in token and not token[0].isdigit() else []
        return [part for part in parts if self._is_word(part, forms, forbidden)]

    def _is_word(self, token: str, forms: re.Pattern[str], forbidden: frozenset[str]) -> bool:
        word = token.lower()
        return token.isascii() and word not in forbidden and (word in self.words or bool(forms.fullmatch(word)))

    @staticmethod
    def clean_unit(text: str, *, forbidden: frozenset[str]) -> str:
        """The unit as it is when it is a listed one and no word of the patient's own, else `US`: never a part of it."""
        known = " ".join(text.lower().split()) in UNITS and text.lower() not in forbidden
        return text if known or not text else UNSPECIFIED_UNIT

    @staticmethod
    def clean_character_set(text: str) -> str:
        """The defined term; where it is none, the one that all our texts (ASCII) are right in."""
        return text if text in CHARACTER_SETS or not text else "ISO_IR 192"

    def clean_code_string(self, text: str, *, forbidden: frozenset[str]) -> str:
        """The CS value when it has that form, no long number, no date and no unlisted word of the patient's own; else empty.

        A defined term is one word (PS3.3 writes LINEAR_EXACT); of a value with spaces every word must be listed. A word made
        of the patient's own words alone (a name without its space) is one of them. One letter is a defined term, never a
        name: the M of ImageType stays in the files of John M. Smith.
        """
        if text in CHARACTER_SETS:
            return text
        if not _CODE_STRING.fullmatch(text) or _LONG_NUMBER.search(text) or _DATE_IN_CODE.search(text):
            return ""
        own = names_in(forbidden) - self.words
        names = any(_made_of(token.lower(), own) for token in _TOKEN.findall(text.replace("_", " ")))
        listed = " " not in text or self.clean(text, forbidden=frozenset()) == text
        return text if listed and not names else ""


def _any_of(forms: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{form})" for form in forms) or r"(?!)")


def names_in(forbidden: frozenset[str]) -> frozenset[str]:
    """The words that can be told from a code: two characters or more."""
    return frozenset(word for word in forbidden if len(word) > 1)


def _made_of(token: str, words: frozenset[str]) -> bool:
    """Whether the token is a chain of these words and nothing else, digits after it aside."""
    letters = token.rstrip("0123456789")
    ends = {0}
    for start in range(len(letters)):
        ends |= {start + len(word) for word in words if start in ends and letters.startswith(word, start)}
    return token in words or (bool(letters) and len(letters) in ends)


def tokens_of(text: str) -> frozenset[str]:
    """The words of a name or an identifier, in lower case, and the whole of it."""
    return frozenset({text.lower(), *(token.lower() for token in _TOKEN.findall(text.replace("_", " ")))}) - {""}
