"""A PostgreSQL of the tests' own, on a Unix socket in a temporary folder: no network, no service, no rights needed."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DEFAULT_SERVER = "postgresql://root@127.0.0.1:5432/test"
SERVICE_ACCOUNT = "postgres"
"""PostgreSQL refuses to run as root; its Debian package brings this account."""


class NoClusterError(RuntimeError):
    """A private cluster cannot be made here, and why."""


@contextmanager
def some_server() -> Iterator[str]:
    """URL of a server: the one that MYOFED_TEST_POSTGRES_URL names, the one on this machine, or a private cluster.

    Raises:
        NoClusterError: There is none of them.
    """
    import psycopg

    named = os.environ.get("MYOFED_TEST_POSTGRES_URL")
    try:
        psycopg.connect(named or DEFAULT_SERVER, connect_timeout=3).close()
    except psycopg.OperationalError:
        if named:
            raise
        with private_cluster() as url:
            yield url
    else:
        yield named or DEFAULT_SERVER


@contextmanager
def new_database(server: str) -> Iterator[str]:
    """URL of a new database on this server, dropped afterwards."""
    import psycopg
    from sqlalchemy import make_url

    name = f"myofed_test_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            url = make_url(server).set(database=name)
            yield url.update_query_dict({"options": "-csynchronous_commit=off"}).render_as_string(hide_password=False)
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def private_cluster() -> Iterator[str]:
    """URL of a running empty cluster; it ends and its folder goes when the block ends.

    Raises:
        NoClusterError: initdb is not installed, or this user may not start it.
    """
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs or not (programs[-1] / "initdb").exists():
        raise NoClusterError("initdb is not installed (make system-deps)")
    folder = Path(tempfile.mkdtemp(prefix="mf-pg-", dir="/tmp"))
    account = _account()
    if account:
        shutil.chown(folder, account)
    prefix = ["runuser", "-u", account, "--"] if account else []
    data, tool = folder / "data", [*prefix, str(programs[-1] / "pg_ctl"), "-D", str(folder / "data")]
    try:
        _run([*prefix, str(programs[-1] / "initdb"), "-D", str(data), "-A", "trust", "-U", "postgres", "-N"])
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
        _run([*tool, "-w", "-o", options, "-l", str(folder / "log"), "start"])
        try:
            yield f"postgresql://postgres@/postgres?host={folder}"
        finally:
            _run([*tool, "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _account() -> str | None:
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(SERVICE_ACCOUNT)
    except KeyError:
        raise NoClusterError(f"as root, and there is no account '{SERVICE_ACCOUNT}'") from None
    return SERVICE_ACCOUNT


def _run(command: list[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd="/")
    if done.returncode != 0:
        raise NoClusterError(f"{Path(command[-1]).name}: {done.stderr.strip()[-200:]}")
