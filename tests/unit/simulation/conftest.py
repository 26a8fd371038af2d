"""Five sites' data, made once; nothing writes into it."""

from __future__ import annotations

import pytest
from simulation_factories import write_sites

from myofed_simulation.plan import Folders


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Five data sets of three subjects."""
    return write_sites(tmp_path_factory.mktemp("sites"))
