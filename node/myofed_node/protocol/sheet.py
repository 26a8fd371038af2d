"""A profile as a sheet to take to the scanner: what to set, what is accepted, who says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

from myofed_node.protocol.t1_bias import Tissue, largest_flip_angle
from myofed_node.protocol.vendor_terms import VENDOR_TERMS, VENDORS, VendorTerms
from myofed_node.protocol.wording import AnyLimit, field, field_strengths, number, passing, warning, with_unit
from myofed_schemas.protocol import ChoiceLimit, Profile, T1BiasLimit
from myofed_schemas.protocol_quantities import QUANTITIES

USUAL_TR_MS = (6.0, 10.0, 20.0, 50.0, 100.0)
"""Repetition times for which a sheet tells the largest flip angle."""
WIDTH = 100
"""Characters of a printed line."""


@dataclass(frozen=True)
class SheetRow:
    """One limit; `note` is the number of its source below the table."""

    title: str
    target: str
    accepts: str
    warns: str
    terms: VendorTerms
    note: int


@dataclass(frozen=True)
class Sheet:
    """All that one page shows.

    Attributes:
        sources: Numbered from 1: source and how sure it is.
        flip_angles: Lines on T1 bias, one a field strength; empty where the profile has no such limit.
    """

    profile: Profile
    rows: tuple[SheetRow, ...]
    sources: tuple[str, ...]
    flip_angles: tuple[str, ...]


def sheet(profile: Profile) -> Sheet:
    """The profile's sheet."""
    sources = tuple(dict.fromkeys(f"{limit.source} ({limit.certainty.value})" for limit in profile.limits))
    rows = tuple(
        SheetRow(
            title=f"{QUANTITIES[limit.quantity].title} {field(limit)}".strip(),
            target=_target(limit),
            accepts=passing(limit),
            warns=warning(limit),
            terms=VENDOR_TERMS.get(limit.quantity, VendorTerms()),
            note=1 + sources.index(f"{limit.source} ({limit.certainty.value})"),
        )
        for limit in profile.limits
    )
    bias = [limit for limit in profile.limits if isinstance(limit, T1BiasLimit)]
    return Sheet(profile, rows, sources, tuple(line for limit in bias for line in _flip_angles(limit)))


def _target(limit: AnyLimit) -> str:
    if isinstance(limit, ChoiceLimit):
        return limit.passes[0]
    return "" if limit.target is None else with_unit(limit.target, limit.unit)


def _flip_angles(limit: T1BiasLimit) -> list[str]:
    """For each field strength: the largest flip angle that passes, at usual repetition times."""
    most = max(one.high for one in limit.passes if one.high is not None)
    lines = []
    for times in limit.t1:
        tissue = Tissue(times.water_ms, times.fat_ms, limit.true_fat_fraction_percent)
        angles = (largest_flip_angle(tissue, repetition_time_ms=tr, most_points=most) for tr in USUAL_TR_MS)
        told = ", ".join(f"{number(tr)} ms: {angle:.1f}°" for tr, angle in zip(USUAL_TR_MS, angles, strict=True))
        lines.append(
            f"T1 {number(times.water_ms)}/{number(times.fat_ms)} ms {field_strengths(times.at_tesla)}: "
            f"largest flip angle for a bias of {number(most)} points at TR {told}"
        )
    return lines


def sheet_lines(made: Sheet) -> list[str]:
    """The sheet as text of at most 100 characters a line."""
    profile = made.profile
    lines = [profile.title, "=" * len(profile.title), f"profile {profile.name}, for {profile.purpose.value}", ""]
    lines += wrap(profile.about, WIDTH)
    for row in made.rows:
        lines += ["", f"{row.title}{f': {row.target}' if row.target else ''}  [{row.note}]"]
        lines.append(f"    accepted: {row.accepts}; warned: {row.warns}")
        names = "; ".join(f"{vendor}: {term}" for vendor, term in zip(VENDORS, row.terms, strict=True) if term)
        lines += wrap(names, WIDTH, initial_indent="    ", subsequent_indent="    ")
    lines += _section("T1 bias of the fat fraction", made.flip_angles)
    lines += _section("What no header can prove", profile.advice)
    lines += _section("Caution", [profile.caution] if profile.caution else [])
    lines += _section("Sources", [f"[{n}] {source}" for n, source in enumerate(made.sources, start=1)])
    return lines


def _section(title: str, items: Sequence[str]) -> list[str]:
    told = [line for item in items for line in wrap(item, WIDTH, initial_indent="  ", subsequent_indent="    ")]
    return ["", title, *told] if told else []
