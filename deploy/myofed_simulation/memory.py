"""Largest resident memory of this process and of its children, as the kernel counts it."""

from __future__ import annotations

import resource


def peak_rss_mb() -> tuple[int, int]:
    """MiB: of this process, and of the largest child that has ended (getrusage(2), Linux: KiB)."""
    kib = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    own, child = (value // 1024 for value in kib)
    return own, child
