"""What a site says of its series where headers cannot: rules by protocol or series, strict, with one digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from myofed_node.mids.dicom_input.frames import Series
from myofed_node.mids.geometry import echo_times
from myofed_node.mids.judging.echo_join import join_echoes
from myofed_node.mids.judging.image_type import product_of
from myofed_node.mids.judging.override_words import first_mistake
from myofed_node.mids.judging.override_yaml import YamlRefusedError, read_yaml
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.ids import Sha256
from myofed_schemas.mids import Part, Suffix

MAX_BYTES = 1 << 20
MAX_RULES = 1000
_MEGRE_ONLY = (
    "expected join, readout_mode, precession_direction and phase_range with suffix MEGRE only, found another suffix"
)
CONTRADICTION = "OVERRIDE_CONTRADICTS_HEADERS"

Text = Annotated[str, StringConstraints(min_length=1, max_length=64, strip_whitespace=True)]
NewUid = Annotated[str, StringConstraints(pattern=r"^2\.25\.\d{1,39}$")]
Finite = Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]
ReadoutMode = Literal["Monopolar", "Bipolar"]
PrecessionDirection = Literal["Clockwise", "Counterclockwise"]
MapUnit = Literal["percent", "ms", "1/s", "Hz"]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Match(_Document):
    """Which series a rule is for: all that is named must agree.

    Attributes:
        protocol_name: ProtocolName as de-identification left it; whole, case does not count.
        series_description: SeriesDescription, likewise.
        series_instance_uid: New SeriesInstanceUID; alone.
    """

    protocol_name: Text | None = None
    series_description: Text | None = None
    series_instance_uid: NewUid | None = None

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        by_name = self.protocol_name is not None or self.series_description is not None
        if by_name == (self.series_instance_uid is not None):
            msg = "expected protocol_name, series_description or both, or series_instance_uid alone, found neither or both"
            raise ValueError(msg)
        return self

    def fits(self, series: Series) -> bool:
        """Whether the rule is for this series."""
        if self.series_instance_uid is not None:
            return self.series_instance_uid == series.uid
        named = (self.protocol_name, series.protocol_name), (self.series_description, series.description)
        return all(asked is None or asked.casefold() == found.strip().casefold() for asked, found in named)


class Rule(_Document):
    """What the site says of the series that match; docs/conversion.md describes every key."""

    match: Match
    suffix: Suffix | None = None
    part: Part | None = None
    unit: MapUnit | None = None
    scale: Finite | None = None
    readout_mode: ReadoutMode | None = None
    precession_direction: PrecessionDirection | None = None
    phase_range: tuple[Finite, Finite] | None = None
    join: Literal["echoes"] | None = None
    skip: Literal[True] | None = None

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        said = self.model_fields_set - {"match"}
        for wrong, msg in (
            (not said, "expected at least one key beside match, found none"),
            (self.skip and said != {"skip"}, "expected skip alone, found other keys beside it"),
            ((self.scale is None) != (self.unit is None), "expected unit and scale together, found one of them"),
            (self.scale == 0, "expected a scale other than 0, found 0"),
            (
                self.phase_range and self.phase_range[0] >= self.phase_range[1],
                "expected phase_range as low, high, found no growing pair",
            ),
            (
                self.phase_range and self.part not in {None, Part.PHASE},
                "expected phase_range of a phase only, found another part",
            ),
            (self._of_megre_only() and self.suffix not in {None, Suffix.MEGRE}, _MEGRE_ONLY),
            (
                self.unit and self.suffix and self.suffix.unit != self.unit,
                "expected the unit of the suffix, found another unit",
            ),
        ):
            if wrong:
                raise ValueError(msg)
        return self

    def fits(self, series: Series) -> bool:
        """Whether the rule is for this series.

        A rule by name that says `unit` is for maps alone: the water image and the echoes that a map was computed from have the
        same ProtocolName. Without `suffix` it is for series in which ImageType names a map of this unit; with it, for those
        in which ImageType names that map or nothing, and that have one echo time at most. A rule by UID names its series.
        """
        if not self.match.fits(series):
            return False
        if self.unit is None or self.match.series_instance_uid is not None:
            return True
        try:
            products = {product_of(frame) for frame in series.frames}
        except SeriesRefusedError:
            return True  # the series is refused whatever is said of it
        if maps_meant(products, self.suffix, self.unit):
            return True
        return self.suffix is not None and products == {None} and len(echo_times(series.frames)) < 2

    def _of_megre_only(self) -> bool:
        return any((self.join, self.readout_mode, self.precession_direction, self.phase_range))


def maps_meant(products: Iterable[Suffix | None], suffix: Suffix | None, unit: MapUnit | None) -> frozenset[Suffix]:
    """The maps among the products of a series that a rule's `unit`, and its `suffix` where it says one, are said of."""
    if unit is None:
        return frozenset()
    return frozenset(p for p in products if p is not None and p.unit == unit and suffix in {None, p})


class Level(_Document):
    """Where bone ends or a landmark lie along the patient's axis (z of DICOM's LPS coordinates, mm, growing to the head)."""

    series_instance_uid: NewUid
    bone: Literal["femur", "tibia"] | None = None
    proximal_z_mm: Finite | None = None
    distal_z_mm: Finite | None = None
    landmark: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z ]{2,40}$")] | None = None
    landmark_z_mm: Finite | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        ends = (self.proximal_z_mm, self.distal_z_mm)
        if {self.bone is None, *(end is None for end in ends)} == {True, False}:
            msg = "expected bone, proximal_z_mm and distal_z_mm together, found some of them"
            raise ValueError(msg)
        if (self.landmark is None) != (self.landmark_z_mm is None):
            msg = "expected landmark and landmark_z_mm together, found one of them"
            raise ValueError(msg)
        if self.bone is None and self.landmark is None:
            msg = "expected bone or landmark, found neither"
            raise ValueError(msg)
        if self.proximal_z_mm is not None and self.distal_z_mm is not None and self.proximal_z_mm <= self.distal_z_mm:
            msg = "expected proximal_z_mm above distal_z_mm, found it below or equal"
            raise ValueError(msg)
        return self


class _File(_Document):
    format: Literal["myofed-overrides-1"]
    rules: tuple[Rule, ...] = Field(default=(), max_length=MAX_RULES)
    levels: tuple[Level, ...] = Field(default=(), max_length=MAX_RULES)


@dataclass(frozen=True)
class Overrides:
    """A site's override file.

    Attributes:
        digest: SHA-256 of the file; None where there is none.
    """

    digest: Sha256 | None
    rules: tuple[Rule, ...] = ()
    levels: tuple[Level, ...] = ()


NO_OVERRIDES = Overrides(None)


@dataclass(frozen=True)
class SeriesOverride:
    """All that the file says of one series, and the file's digest for the provenance.

    Attributes:
        phase_range: Stored values that mean -pi and pi.
        scale: Values as the header maps them, times this, are in `unit`.
    """

    digest: Sha256
    suffix: Suffix | None = None
    part: Part | None = None
    unit: MapUnit | None = None
    scale: float | None = None
    readout_mode: ReadoutMode | None = None
    precession_direction: PrecessionDirection | None = None
    phase_range: tuple[float, float] | None = None
    joined: bool = False
    level: Level | None = None

    @property
    def evidence(self) -> tuple[str, ...]:
        """The keys that the site's file gave, never what they were matched by."""
        keys = ("suffix", "part", "unit", "readout_mode", "precession_direction", "phase_range", "level")
        said = [key for key in keys if getattr(self, key) is not None] + ["join"] * self.joined
        return (f"override={','.join(said)}",)

    def without_map(self) -> SeriesOverride | None:
        """What is said of the other images of a series that holds a map: all but its suffix and unit; None where that is nothing."""
        rest = replace(self, suffix=None, unit=None, scale=None)
        return None if rest == SeriesOverride(self.digest) else rest


@dataclass(frozen=True)
class Candidate:
    """What is to be classified: a series, or several that the site's file joined.

    Attributes:
        series: Of joined ones: all frames; `Frame.file` counts through the files of `members`, one after the other.
        members: New SeriesInstanceUIDs in the order in which their files are counted.
        override: What the file says of it.
        refusal: It is not to be classified: skipped by the file, ambiguous, or not to be joined.
    """

    series: Series
    members: tuple[str, ...]
    override: SeriesOverride | None = None
    refusal: SeriesRefusedError | None = None


def load_overrides(path: Path) -> Overrides:
    """The override file at `path`.

    Raises:
        MyofedError: OVERRIDES_INVALID, with the line and the key, never what stands there.
    """
    try:
        content = path.read_bytes()
    except OSError:
        raise _invalid("no file that can be read") from None
    if len(content) > MAX_BYTES:
        raise _invalid(f"more than {MAX_BYTES} bytes")
    try:
        document = read_yaml(content.decode("utf-8"))
    except UnicodeDecodeError:
        raise _invalid("no UTF-8") from None
    except YamlRefusedError as error:
        raise _invalid(str(error)) from None
    try:
        file = _File.model_validate(document.value)
    except ValidationError as error:
        expected, found = first_mistake(error, document)
        raise _invalid(found, expected) from None
    return Overrides(hashlib.sha256(content).hexdigest(), file.rules, file.levels)


def _invalid(found: str, expected: str = "an override file of format myofed-overrides-1") -> MyofedError:
    return MyofedError(
        "OVERRIDES_INVALID",
        f"expected {expected}, found {found}",
        hint="docs/conversion.md describes every key, with an example",
        exit_code=ExitCode.BAD_INPUT,
    )


def apply(overrides: Overrides, series: Sequence[Series]) -> tuple[Candidate, ...]:
    """Every series of ONE session in exactly one candidate, by number and UID; the order of `series` does not matter.

    Args:
        overrides: NO_OVERRIDES leaves every series as it is.
        series: As `read_series` gave them; complete ones only, since echoes are joined.
    """
    ordered = sorted(series, key=lambda one: (one.number, one.uid))
    joining: dict[int, list[Series]] = {}
    candidates = []
    for one in ordered:
        found = [index for index, rule in enumerate(overrides.rules) if rule.fits(one)]
        if len(found) == 1 and overrides.rules[found[0]].join:
            joining.setdefault(found[0], []).append(one)
        else:
            candidates.append(_single(overrides, one, [overrides.rules[index] for index in found]))
    for index, members in joining.items():
        candidates += _joined(overrides, members, overrides.rules[index])
    return tuple(sorted(candidates, key=lambda one: (one.series.number, one.series.uid)))


def unused_levels(overrides: Overrides, uids: Iterable[str]) -> tuple[int, ...]:
    """Numbers, the first is 1, of the file's `levels` that name none of these new SeriesInstanceUIDs."""
    known = set(uids)
    levels = enumerate(overrides.levels, start=1)
    return tuple(number for number, level in levels if level.series_instance_uid not in known)


def _single(overrides: Overrides, series: Series, rules: Sequence[Rule]) -> Candidate:
    levels = [level for level in overrides.levels if level.series_instance_uid == series.uid]
    if len(rules) > 1 or len(levels) > 1:
        told = (f"rules that match={len(rules)}", f"levels that match={len(levels)}")
        return Candidate(series, (series.uid,), refusal=SeriesRefusedError("OVERRIDES_AMBIGUOUS", *told))
    if rules and rules[0].skip:
        refusal = SeriesRefusedError("SKIPPED_BY_OVERRIDE", "override=skip", outcome="skipped")
        return Candidate(series, (series.uid,), refusal=refusal)
    return Candidate(series, (series.uid,), _said(overrides, rules[0] if rules else None, levels))


def _joined(overrides: Overrides, members: Sequence[Series], rule: Rule) -> list[Candidate]:
    uids = {member.uid for member in members}
    levels = [level for level in overrides.levels if level.series_instance_uid in uids]
    try:
        groups = join_echoes(members)
    except SeriesRefusedError as refusal:
        return [Candidate(member, (member.uid,), refusal=refusal) for member in members]
    made = []
    for series, joined in groups:
        own = [level for level in levels if level.series_instance_uid in joined]
        if len(own) > 1:
            doubt = SeriesRefusedError("OVERRIDES_AMBIGUOUS", f"levels that match={len(own)}")
            made += [Candidate(m, (m.uid,), refusal=doubt) for m in members if m.uid in joined]
        else:
            made.append(Candidate(series, joined, _said(overrides, rule, own)))
    return made


def _said(overrides: Overrides, rule: Rule | None, levels: Sequence[Level]) -> SeriesOverride | None:
    if overrides.digest is None or (rule is None and not levels):
        return None
    level = levels[0] if levels else None
    if rule is None:
        return SeriesOverride(overrides.digest, level=level)
    return SeriesOverride(
        overrides.digest,
        suffix=Suffix.MEGRE if rule.join else rule.suffix,
        part=rule.part,
        unit=rule.unit,
        scale=rule.scale,
        readout_mode=rule.readout_mode,
        precession_direction=rule.precession_direction,
        phase_range=rule.phase_range,
        joined=rule.join is not None,
        level=level,
    )
