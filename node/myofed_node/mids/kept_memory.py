"""Memory that was freed is kept for the next image: to get it anew from the kernel, page by page, took a tenth of the time."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
"""malloc.h."""
LARGEST_FROM_HEAP = 32 << 20
"""The most that glibc takes, and where its own rule ends after blocks of that size were freed; larger ones go back at once."""
KEPT, AHEAD = 256 << 20, 16 << 20


def keep_freed_memory() -> None:
    """From here on this process keeps so much freed memory, and asks for some ahead (glibc; elsewhere nothing happens).

    It stays so: glibc tells no former value to go back to. What is kept was in use before, so that the peak does not change.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for parameter, value in ((M_MMAP_THRESHOLD, LARGEST_FROM_HEAP), (M_TRIM_THRESHOLD, KEPT), (M_TOP_PAD, AHEAD)):
            mallopt(parameter, value)
