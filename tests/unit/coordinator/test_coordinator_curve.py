"""The live curve: where points lie."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from myofed_coordinator.web.curve import HEIGHT, WIDTH, dice_curve
from myofed_schemas.federation import RoundReport

DICE = st.one_of(st.none(), st.floats(0, 1))


def report(number: int, mean: float | None, **per_site: float) -> RoundReport:
    return RoundReport(
        round=number,
        started_at="2026-11-22T12:00:00Z",
        seconds=1.0,
        sites=tuple(per_site),
        errors=(),
        loss=None,
        dice=mean,
        dice_per_site=per_site,
        weights_sha256="a" * 64,
    )


@settings(max_examples=50, deadline=None)
@given(values=st.lists(DICE, max_size=30), planned=st.integers(1, 100))
def test_every_point_lies_in_the_drawing(values: list[float | None], planned: int) -> None:
    """Whatever the rounds say, nothing is drawn outside, and time runs to the right."""
    curve = dice_curve([report(n, v) for n, v in enumerate(values, 1)], planned=planned)
    points = [point for line in curve.lines for point in line.points]
    assert len(points) == sum(value is not None for value in values)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    assert points == sorted(points, key=lambda point: point[0])


def test_round_without_a_sites_value_leaves_a_gap_in_its_line_only() -> None:
    """A site that was away in a round has one point fewer; the mean is drawn last, on top."""
    rounds = [report(1, 0.2, alpha=0.1, beta=0.3), report(2, 0.5, beta=0.5)]
    curve = dice_curve(rounds, planned=4)
    assert [(line.name, len(line.points), line.last) for line in curve.lines] == [
        ("alpha", 1, 0.1),
        ("beta", 2, 0.5),
        ("mean", 2, 0.5),
    ]
    assert [tick.text for tick in curve.x_ticks] == ["1", "2", "3", "4"]
    higher, lower = curve.lines[1].points[1][1], curve.lines[1].points[0][1]
    assert higher < lower
