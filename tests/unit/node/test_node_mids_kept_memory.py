"""Freed memory that is kept: asked of glibc, and of nobody else."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import pytest

from myofed_node.mids import kept_memory


def test_glibc_is_asked_for_all_three(monkeypatch: pytest.MonkeyPatch) -> None:
    """One alone ends glibc's own rule for the others."""
    asked: dict[int, int] = {}
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: SimpleNamespace(mallopt=asked.__setitem__))
    monkeypatch.setattr(kept_memory.sys, "platform", "linux")
    kept_memory.keep_freed_memory()
    assert asked == {-3: 32 << 20, -1: 256 << 20, -2: 16 << 20}


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_other_systems_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    """Another libc has no such function."""
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: SimpleNamespace())
    monkeypatch.setattr(kept_memory.sys, "platform", platform)
    kept_memory.keep_freed_memory()
