"""Made-up values: random words, numbers, dates and UIDs, unique in their corpus and too long to occur by chance."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from planted.plants import Kind

UID_ROOT = "1.3.12.2.1107.5.99."
"""A made-up device below a vendor's root, as scanners write them."""
_CONSONANTS, _VOWELS = "bdfgklmnprstvwz", "aeiou"
_EXTRA = {
    "ISO_IR 100": "äöüéèñøß",
    "ISO_IR 192": "äéñłżςδяч",
    r"\ISO 2022 IR 87": "",
    r"\ISO 2022 IR 149": "",
    "": "",
}
_SCRIPTS = {
    r"\ISO 2022 IR 87": (0x4E8C, "山川田中村上本木林森東西南北高橋藤井原野島崎沢津浦岡谷池"),
    r"\ISO 2022 IR 149": (0, "김이박최정강조윤장임한오서신권황안송류홍민수영철현우진성"),
}
CHARSETS = tuple(_EXTRA)


@dataclass(frozen=True, slots=True)
class Value:
    """A value to write, how it is found, and by what."""

    written: object
    kind: Kind
    needles: tuple[str | bytes, ...]


@dataclass(slots=True)
class MadeUp:
    """A seeded source of values that never repeats itself."""

    rng: random.Random
    used: set[str] = field(default_factory=set)

    def word(self, charset: str = "") -> str:
        """Nine letters that are no word of any language, capitalised; some of the charset's own alphabet."""
        letters = "".join(self.rng.choice(_CONSONANTS) + self.rng.choice(_VOWELS) for _ in range(4))
        extra = _EXTRA[charset]
        letters += self.rng.choice(extra) if extra and self.rng.random() < 0.5 else self.rng.choice(_CONSONANTS)
        return self._once(letters, lambda: self.word(charset)).capitalize()

    def ideographs(self, charset: str) -> str:
        """Four characters of the charset's own script."""
        letters = "".join(self.rng.choice(_SCRIPTS[charset][1]) for _ in range(4))
        return self._once(letters, lambda: self.ideographs(charset))

    def digits(self, length: int = 10) -> str:
        """A number that begins with no zero."""
        number = str(self.rng.randrange(10 ** (length - 1), 10**length))
        return self._once(number, lambda: self.digits(length))

    def uid(self) -> str:
        """A UID of a made-up device, all of one length."""
        return UID_ROOT + self.digits(24)

    def date(self, year: int) -> dt.date:
        """A day in the first eleven months of the year, so that a shift by a year or more reaches no other."""
        return dt.date(year, 1, 1) + dt.timedelta(days=self.rng.randrange(330))

    def noise(self, length: int) -> bytes:
        """Random bytes; the first 16 of them are the needle."""
        return self.rng.randbytes(length)

    def _once(self, value: str, again: Callable[[], str]) -> str:
        if value in self.used:
            return again()
        self.used.add(value)
        return value

    def name(self, charset: str = "") -> Value:
        """A person name; with ideographs where the charset has them (PS3.5 6.2.1.1)."""
        family, given = self.word(charset), self.word(charset)
        if charset in _SCRIPTS:
            other = self.ideographs(charset), self.ideographs(charset)
            return Value(f"{family}^{given}={other[0]}^{other[1]}", Kind.TEXT, (family, given, *other))
        return Value(f"{family}^{given}", Kind.TEXT, (family, given))

    def value(self, vr: str, *, year: int, charset: str = "") -> Value:  # noqa: PLR0911  one case a VR
        """A value of this VR that identifies somebody; dates lie in `year`."""
        match vr:
            case "PN":
                return self.name(charset)
            case "UI":
                uid = self.uid()
                return Value(uid, Kind.TEXT, (uid,))
            case "DA":
                day = f"{self.date(year):%Y%m%d}"
                return Value(day, Kind.DATE, (day,))
            case "DT":
                day = f"{self.date(year):%Y%m%d}"
                return Value(f"{day}{self._clock()}", Kind.DATE, (day,))
            case "TM":
                clock = self._clock()
                return Value(clock, Kind.SAME, (clock,))
            case "AS":
                age = f"{self.rng.randrange(91, 109):03d}Y"
                return Value(age, Kind.SAME, (age,))
            case "DS":
                number = f"{self.rng.randrange(10, 80)}.{self.digits(9)}"
                return Value(number, Kind.TEXT, (number,))
            case "OB" | "OW" | "UN":
                noise = self.noise(32)
                return Value(noise, Kind.BYTES, (noise[:16],))
            case "UR":
                word = self.word().lower()
                return Value(f"https://{word}.example/record", Kind.TEXT, (word,))
            case "AE" | "CS":
                word = self.word().upper()
                return Value(word, Kind.TEXT, (word,))
            case _:
                return self._text(vr, charset)

    def _clock(self) -> str:
        seconds = self.rng.randrange(86_400)
        clock = f"{seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}"
        return f"{clock}.{self.rng.randrange(10**6):06d}"

    def _text(self, vr: str, charset: str) -> Value:
        """An identifier or a word; long VRs hold a short sentence."""
        if vr == "SH":
            text = self.digits() if self.rng.random() < 0.5 else self.word(charset)
            return Value(text, Kind.TEXT, (text,))
        one, number = self.word(charset), self.digits()
        if vr == "LO":
            return Value(
                *(
                    (f"{one} {number}", Kind.TEXT, (one, number))
                    if self.rng.random() < 0.5
                    else (one, Kind.TEXT, (one,))
                )
            )
        return Value(f"Reported to {one}, file {number}", Kind.TEXT, (one, number))
