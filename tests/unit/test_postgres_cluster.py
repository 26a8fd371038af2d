"""The tests' own PostgreSQL."""

from __future__ import annotations

import pytest
from postgres_cluster import NoClusterError, private_cluster


def test_private_cluster_answers_on_its_socket_and_is_gone_afterwards() -> None:
    """Tests on PostgreSQL need no service and no network."""
    psycopg = pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    try:
        with private_cluster() as url, psycopg.connect(url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    except NoClusterError as why:
        pytest.skip(str(why))
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=1)
