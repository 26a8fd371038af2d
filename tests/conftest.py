"""What every test may use: the folder of real data, if there is one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
REPOSITORY = TESTS.parent
# Example factories lie beside the tests that own them; proofs share their checks with the small samples.
sys.path[:0] = [str(TESTS / "unit" / "schemas"), str(TESTS)]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout these tests belong to."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public real data; a test that needs it skips without it."""
    folder = Path(os.environ.get("MYOFED_SHARED_DATA", "/nonexistent"))
    if not folder.is_dir():
        pytest.skip("MYOFED_SHARED_DATA names no folder: the public real data is not on this machine")
    return folder
