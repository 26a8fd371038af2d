"""The pages of benchmarks and proofs say what the result files say."""

from __future__ import annotations

from pathlib import Path

from bench import __main__ as bench

REPOSITORY = Path(__file__).parents[3]


def test_page_of_benchmarks_is_the_one_made_of_the_last_results() -> None:
    """Nobody edits docs/benchmarks.md by hand, and no result is newer than it."""
    results = bench.last_results()
    assert len(results) >= 6
    assert (REPOSITORY / "docs" / "benchmarks.md").read_text() == bench.page(results)


def test_missed_target_stands_on_the_page() -> None:
    """What fell short is marked where people read the figure."""
    document = {
        "name": "round",
        "date": "2026-11-30",
        "commit": "0" * 40,
        "machine": "x86_64, 2 cores",
        "runs": 5,
        "load_average": 0.5,
        "figures": {"seconds": 2.0},
        "ratios": {},
        "peers": {},
        "targets": {"seconds": ["<=", 1.0]},
        "missed": ["seconds"],
        "not_measured": [],
    }
    page = bench.page([document])
    assert "target <= 1.0  MISSED" in page
    assert "2026-11-30" in page


def test_unknown_benchmark_runs_nothing() -> None:
    """A wrong name is a usage error."""
    assert bench.main(["no-such-benchmark"]) == 2
    assert bench.main([]) == 2
