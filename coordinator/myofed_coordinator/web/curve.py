"""The live curve of a run: Dice per round, mean and per site, as points of an SVG drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from myofed_schemas.federation import RoundReport

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 44, 16, 12, 32
GRID = (0.0, 0.25, 0.5, 0.75, 1.0)
COLOURS = 6
"""Number of line colours in the style sheet; sites beyond it begin again."""


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: position in px, text."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """One polyline.

    Attributes:
        name: Site, or `mean`.
        style: Class in the style sheet.
        points: (x, y) in px of every round that has a value.
        last: Its last value.
    """

    name: str
    style: str
    points: tuple[tuple[float, float], ...]
    last: float

    @property
    def path(self) -> str:
        """The `points` attribute of an SVG polyline."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)


@dataclass(frozen=True)
class Curve:
    """A drawing of WIDTH x HEIGHT px; the mean comes last, so that it lies on top."""

    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def dice_curve(rounds: Sequence[RoundReport], *, planned: int) -> Curve:
    """The curve of the rounds so far, on an axis as long as the study.

    Args:
        rounds: Finished rounds, in order.
        planned: Rounds of the study; the x axis ends there (or at the last round, if that is further).
    """
    end = max([planned, *(report.round for report in rounds)], default=1)
    sites = sorted({site for report in rounds for site in report.dice_per_site})
    lines = [
        _line(site, f"site-{number % COLOURS}", [(r.round, r.dice_per_site.get(site)) for r in rounds], end=end)
        for number, site in enumerate(sites)
    ]
    lines.append(_line("mean", "mean", [(r.round, r.dice) for r in rounds], end=end))
    step = max(1, -(-end // 10))
    return Curve(
        lines=tuple(line for line in lines if line.points),
        x_ticks=tuple(Tick(_x(number, end=end), str(number)) for number in range(1, end + 1, step)),
        y_ticks=tuple(Tick(_y(value), f"{value:.2f}") for value in GRID),
    )


def _line(name: str, style: str, values: Sequence[tuple[int, float | None]], *, end: int) -> Line:
    known = [(number, value) for number, value in values if value is not None]
    points = tuple((_x(number, end=end), _y(value)) for number, value in known)
    return Line(name, style, points, known[-1][1] if known else 0.0)


def _x(number: int, *, end: int) -> float:
    """Round 1 at the left edge, the last one at the right edge; a single round in the middle."""
    share = (number - 1) / (end - 1) if end > 1 else 0.5
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(value: float) -> float:
    """Dice 0 at the bottom, 1 at the top; what lies outside is drawn on the edge."""
    return round(TOP + (1 - min(1.0, max(0.0, value))) * (HEIGHT - TOP - BOTTOM), 1)
