"""Acquisition profiles as data (what a biomarker needs of a sequence, with unit, source and certainty), and what a check found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from myofed_schemas.ids import Sha256, SiteId
from myofed_schemas.mids import Suffix
from myofed_schemas.protocol_quantities import QUANTITIES, Quantity

EDGE = 1e-9
"""A value that equals a limit but for rounding lies within it."""
DIXON_PRODUCTS: Final = (Suffix.WAT, Suffix.FAT, Suffix.INPH, Suffix.OUTPH, Suffix.FF)
"""Images of one acquisition that the vendor reconstructed; they are judged together."""
ProfileName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{2,47}$")]
Month = Annotated[str, StringConstraints(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")]
Origin = Literal["shipped", "site"]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class Certainty(StrEnum):
    """How sure a limit's numbers are."""

    SURE = "sure"
    """Physics or a standard."""
    LITERATURE = "literature"
    """Published; not measured by us."""
    EXPERT_OPINION = "expert opinion"
    """Common practice; nobody has shown that exactly this number matters."""
    MEASURED_HERE = "measured here"
    """From images or a phantom of this project."""


class Range(_Document):
    """Values from low to high, both included; an absent end is open."""

    low: float | None = None
    high: float | None = None

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.low is not None and self.high is not None and self.low > self.high:
            msg = "low is above high"
            raise ValueError(msg)
        return self

    @property
    def bounded(self) -> bool:
        """At least one end is closed."""
        return self.low is not None or self.high is not None

    def contains(self, value: float) -> bool:
        """The value lies between the ends."""
        return (self.low is None or value >= self.low - EDGE) and (self.high is None or value <= self.high + EDGE)

    def overlaps(self, other: Self) -> bool:
        """Some value lies in both."""
        starts_below = self.low is None or other.high is None or self.low <= other.high
        return starts_below and (other.low is None or self.high is None or other.low <= self.high)


class _Limit(_Document):
    """What all limits say: which quantity, at which field, why it matters, who says so and how sure that is."""

    key: str = Field(pattern=r"^[a-z][a-z0-9_]{2,47}$")
    quantity: Quantity
    at_tesla: Range | None = None
    """The limit holds at these field strengths only."""
    why: str = Field(min_length=10)
    """What goes wrong outside."""
    source: str = Field(min_length=5)
    certainty: Certainty


class RangeLimit(_Limit):
    """Within a range of `pass` it passes, within one of `warn` it warns, else it fails.

    Attributes:
        unit: That of the quantity; written so that nobody has to guess, and checked.
        target: What to set at the scanner.
    """

    kind: Literal["range"]
    unit: str
    target: float | None = None
    passes: tuple[Range, ...] = Field(alias="pass", min_length=1)
    warns: tuple[Range, ...] = Field(default=(), alias="warn")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        kind = QUANTITIES[self.quantity]
        if kind.words or (self.quantity is Quantity.T1_BIAS) != isinstance(self, T1BiasLimit):
            msg = f"{self.quantity} needs another kind of limit"
            raise ValueError(msg)
        if self.unit != kind.unit:
            msg = f"{self.quantity} is told in {kind.unit}"
            raise ValueError(msg)
        if not all(one.bounded for one in self.passes):
            msg = "a pass range without an end lets everything pass"
            raise ValueError(msg)
        if self.target is not None and self.judge(self.target) != "pass":
            msg = "the target lies outside pass"
            raise ValueError(msg)
        return self

    def judge(self, value: float) -> Literal["pass", "warn", "fail"]:
        """The verdict on a value in the limit's unit."""
        if any(one.contains(value) for one in self.passes):
            return "pass"
        return "warn" if any(one.contains(value) for one in self.warns) else "fail"


class T1Times(_Document):
    """T1 of water in muscle and of fat at one field strength."""

    at_tesla: Range
    water_ms: float = Field(gt=0)
    fat_ms: float = Field(gt=0)
    source: str = Field(min_length=5)

    @model_validator(mode="after")
    def _fat_is_shorter(self) -> Self:
        if self.fat_ms >= self.water_ms:
            msg = "fat has the shorter T1"
            raise ValueError(msg)
        return self


class T1BiasLimit(RangeLimit):
    """By how much T1 weighting moves a stated fat fraction, from repetition time, flip angle and the T1 at the field."""

    kind: Literal["t1_bias"]  # type: ignore[assignment]  # the union is told apart by it
    quantity: Literal[Quantity.T1_BIAS]
    true_fat_fraction_percent: float = Field(gt=0, lt=100)
    t1: tuple[T1Times, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_a_most(self) -> Self:
        if any(one.high is None or one.high <= 0 for one in self.passes):
            msg = "a T1 bias passes up to a number above 0"
            raise ValueError(msg)
        return self

    def t1_at(self, tesla: float) -> T1Times | None:
        """The T1 at this field strength, None where the profile has none."""
        return next((times for times in self.t1 if times.at_tesla.contains(tesla)), None)


class ChoiceLimit(_Limit):
    """A word of `pass` passes, a word of `warn` warns, any other fails."""

    kind: Literal["choice"]
    passes: tuple[str, ...] = Field(alias="pass", min_length=1)
    warns: tuple[str, ...] = Field(default=(), alias="warn")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        words = QUANTITIES[self.quantity].words
        if not words:
            msg = f"{self.quantity} is a number and needs a range"
            raise ValueError(msg)
        unknown = {*self.passes, *self.warns} - set(words)
        if unknown:
            msg = f"{self.quantity} can be: {', '.join(words)}"
            raise ValueError(msg)
        if set(self.passes) == set(words):
            msg = "a limit that everything passes says nothing"
            raise ValueError(msg)
        return self

    def judge(self, value: str) -> Literal["pass", "warn", "fail"]:
        """The verdict on a word."""
        if value in self.passes:
            return "pass"
        return "warn" if value in self.warns else "fail"


Limit = Annotated[RangeLimit | T1BiasLimit | ChoiceLimit, Field(discriminator="kind")]


class EchoRange(_Document):
    """Numbers of echoes, both ends included."""

    low: int = Field(ge=1)
    high: int | None = None


class Applies(_Document):
    """Which acquisitions a profile is for.

    Attributes:
        suffixes: Of the images.
        echoes: Of stacked echoes only; absent means any number.
        inverted: Whether the sidecar has an InversionTime; absent means either.
    """

    suffixes: tuple[Suffix, ...] = Field(min_length=1)
    echoes: EchoRange | None = None
    inverted: bool | None = None

    def meets(self, other: Self) -> bool:
        """Some acquisition belongs to both."""
        if not set(self.suffixes) & set(other.suffixes):
            return False
        if None not in (self.inverted, other.inverted) and self.inverted != other.inverted:
            return False
        mine, theirs = (_as_range(one.echoes) for one in (self, other))
        return mine.overlaps(theirs)


def _as_range(echoes: EchoRange | None) -> Range:
    return Range(low=float(echoes.low), high=None if echoes.high is None else float(echoes.high)) if echoes else Range()


class Purpose(StrEnum):
    """What images of a profile are for."""

    FAT_FRACTION = "fat fraction"
    WATER_T2 = "water T2"
    FAT_GRADING = "visual grading of fat"
    OEDEMA_GRADING = "visual grading of oedema"


class Profile(_Document):
    """What one purpose needs of one kind of acquisition.

    Attributes:
        name: Of the sheet; a site's profile replaces the shipped one of this name.
        about: One or two sentences for who stands at the scanner.
        caution: What a conforming acquisition still does not give; shown with every result.
        advice: Lines of the sheet that no header can prove.
    """

    format: Literal["myofed-protocol-1"]
    name: ProfileName
    title: str = Field(min_length=5, max_length=80)
    purpose: Purpose
    applies: Applies
    about: str = Field(min_length=10)
    caution: str = ""
    advice: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _keys_differ(self) -> Self:
        twice = [key for key, count in Counter(limit.key for limit in self.limits).items() if count > 1]
        if twice:
            msg = f"keys that stand twice: {', '.join(twice)}"
            raise ValueError(msg)
        return self


LimitVerdict = Literal["pass", "warn", "fail", "unknown"]
SeriesVerdict = Literal["pass", "warn", "fail", "unknown", "not checked"]


class LimitFinding(_Document):
    """One limit asked of one acquisition; `unknown` where sidecar and header do not tell, which is never a pass."""

    key: str
    quantity: Quantity
    verdict: LimitVerdict
    expected: str
    found: str
    value: float | str | None
    unit: str
    why: str
    source: str
    certainty: Certainty


class SeriesCheck(_Document):
    """One acquisition: the parts of a multi-echo series, or the products of a Dixon reconstruction, count as one.

    Attributes:
        name: Path without part, suffix and ending.
        images: NIfTI files, relative to the data set.
        verdict: The worst of its limits, where `unknown` counts as `warn`; `unknown` where nothing could be asked.
        reason: Why it was not checked, or could not be.
    """

    name: str
    images: tuple[str, ...] = Field(min_length=1)
    suffixes: tuple[str, ...]
    profile: ProfileName | None
    purpose: Purpose | None
    verdict: SeriesVerdict
    reason: str
    caution: str
    findings: tuple[LimitFinding, ...]


class ProfileUsed(_Document):
    """A profile that was at hand, with the digest of its content."""

    name: ProfileName
    origin: Origin
    digest: Sha256


class ProtocolReport(_Document):
    """What a check of a data set found."""

    format: Literal["myofed-protocol-check-1"] = "myofed-protocol-check-1"
    profiles: tuple[ProfileUsed, ...]
    series: tuple[SeriesCheck, ...]

    def count(self, verdict: SeriesVerdict) -> int:
        """Acquisitions with this verdict."""
        return sum(one.verdict == verdict for one in self.series)

    @property
    def checked(self) -> int:
        """Acquisitions that a profile applied to."""
        return len(self.series) - self.count("not checked")

    @property
    def conforms(self) -> bool:
        """At least one acquisition was checked, and all of them passed or warned."""
        return self.checked > 0 and self.count("fail") == self.count("unknown") == 0


class Tally(_Document):
    """How many acquisitions came out how."""

    passed: int = Field(default=0, ge=0)
    warned: int = Field(default=0, ge=0)
    failed: int = Field(default=0, ge=0)
    unknown: int = Field(default=0, ge=0)

    @property
    def checked(self) -> int:
        """All of them."""
        return self.passed + self.warned + self.failed + self.unknown

    @property
    def conforming_percent(self) -> float:
        """Share that passed or warned; 0 of 0 is 0."""
        return 100 * (self.passed + self.warned) / self.checked if self.checked else 0.0


class MonthTally(_Document):
    """One profile in one month of ingest (UTC).

    Attributes:
        month: None for images that no ingest report names.
        profile: None where it could not be told which applies; all of these are `unknown`.
    """

    month: Month | None
    profile: ProfileName | None
    tally: Tally


class LimitTally(_Document):
    """One limit over all acquisitions that were asked."""

    profile: ProfileName
    key: str
    tally: Tally


class ProtocolSummary(_Document):
    """Conformity of a site by month of ingest: counts only, no subject and no series."""

    format: Literal["myofed-protocol-summary-1"] = "myofed-protocol-summary-1"
    site: SiteId
    profiles: tuple[ProfileUsed, ...]
    months: tuple[MonthTally, ...]
    limits: tuple[LimitTally, ...]
    not_checked: int = Field(ge=0)

    @property
    def total(self) -> Tally:
        """All months and profiles together."""
        return add_tallies(row.tally for row in self.months)


def add_tallies(tallies: Iterable[Tally]) -> Tally:
    """The sum, outcome by outcome."""
    total: Counter[str] = Counter()
    for tally in tallies:
        total.update(tally.model_dump())
    return Tally(**total)
