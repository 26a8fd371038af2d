"""A fresh copy of the good data set for every test; made once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from broken.good import good


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Never changed."""
    return good(tmp_path_factory.mktemp("good"))


@pytest.fixture
def dataset(made_once: Path, tmp_path: Path) -> Path:
    """To be broken."""
    return Path(shutil.copytree(made_once, tmp_path / "dataset"))
