"""Versions and memory in a run's record."""

from __future__ import annotations

import platform

from myofed_simulation.export import PACKAGES, versions
from myofed_simulation.memory import peak_rss_mb


def test_versions_name_what_decides_the_arithmetic() -> None:
    """Python, platform and torch always; a package that is not installed is absent, not empty."""
    found = versions()
    assert found["python"] == platform.python_version()
    assert {"torch", "numpy", "flwr"} <= found.keys()
    assert all(found.values())
    assert found.keys() <= {"python", "platform", *PACKAGES}


def test_peak_memory_is_in_mebibytes() -> None:
    """A Python with numpy needs tens of them, not thousands of thousands."""
    own, child = peak_rss_mb()
    assert 10 < own < 100_000
    assert 0 <= child < 100_000
