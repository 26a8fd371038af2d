"""The rows of all our tables as JSON lines, and back, on either database.

By SQLAlchemy alone: a dump of SQLite can be loaded into PostgreSQL and the other way round, and no program of the database
server is needed. The tables are taken as they are found, also those of an earlier version.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, func, insert, select, text
from sqlalchemy.orm import Session

from myofed_coordinator.backup import refusals
from myofed_coordinator.database import Base, RevisionRow, SchemaVersionRow
from myofed_coordinator.migrations.steps import step_to

BATCH = 1000
OF_THE_VERSION = frozenset({RevisionRow.__tablename__, SchemaVersionRow.__tablename__})
"""Not dumped: whoever makes the tables writes them."""
OF_EARLIER_VERSIONS = frozenset({"card_facets"})
"""Tables that today's version has not any more, and earlier ones have."""

Row = dict[str, Any]
"""A row of some table of some version: JSON values by column; it goes from one database to another and nowhere else."""


def dump_rows(session: Session, out: BinaryIO) -> dict[str, int]:
    """Every row of every table of ours is a line `[table, row]`, parents before children.

    Args:
        session: Sees one state of the database from beginning to end.
        out: Takes the lines.

    Returns:
        Number of rows by table.
    """
    counts: dict[str, int] = {}
    for table in _tables(session):
        columns = [column for column in table.columns if column.computed is None]
        counts[table.name] = 0
        for row in session.execute(select(*columns).order_by(*table.primary_key)).yield_per(BATCH):
            values = {column.name: _to_json(column, value) for column, value in zip(columns, row, strict=True)}
            out.write(json.dumps([table.name, values], separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
            counts[table.name] += 1
    return counts


def load_rows(session: Session, lines: Iterable[bytes], *, version: int) -> dict[str, int]:
    """The tables exist in this version and hold these rows.

    Args:
        session: In a writing transaction, on a database without tables of ours.
        lines: From `dump_rows`.
        version: Of the tables that were dumped.

    Returns:
        Number of rows by table.

    Raises:
        MyofedError: BACKUP_DAMAGED, a line is no row of such a table.
    """
    step_to(session.connection(), version=version)
    tables = {table.name: table for table in _tables(session)}
    counts = dict.fromkeys(tables, 0)
    for name, rows in itertools.groupby(_parsed(lines), key=lambda line: line[0]):
        table = tables.get(name)
        if table is None:
            raise refusals.damaged("rows of a table that this version has not")
        for batch in _batches(row for _, row in rows):
            session.execute(insert(table), [_from_json(table, row) for row in batch])
            counts[name] += len(batch)
    if session.connection().dialect.name == "postgresql":
        _set_sequences(session, tables.values())
    return counts


def _tables(session: Session) -> list[Table]:
    """Our tables as the database has them, parents first."""
    found = MetaData()
    found.reflect(
        session.connection(), only=lambda name, _: name in Base.metadata.tables or name in OF_EARLIER_VERSIONS
    )
    return [table for table in found.sorted_tables if table.name not in OF_THE_VERSION]


def _to_json(column: Column[Any], value: Any) -> Any:
    if isinstance(column.type, LargeBinary) and value is not None:
        return base64.b64encode(value).decode()
    return value


def _from_json(table: Table, row: Row) -> Row:
    if unknown := row.keys() - {column.name for column in table.columns}:
        raise refusals.damaged(f"{len(unknown)} columns that this version has not")
    for name, value in row.items():
        if isinstance(table.columns[name].type, LargeBinary) and value is not None:
            row[name] = base64.b64decode(value)
    return row


def _parsed(lines: Iterable[bytes]) -> Iterator[tuple[str, Row]]:
    for line in lines:
        try:
            name, row = json.loads(line)
        except ValueError:
            raise refusals.damaged("a line that is no row") from None
        if not isinstance(name, str) or not isinstance(row, dict):
            raise refusals.damaged("a line that is no row")
        yield name, row


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    several = iter(rows)
    while batch := list(itertools.islice(several, BATCH)):
        yield batch


def _set_sequences(session: Session, tables: Iterable[Table]) -> None:
    """The next number that PostgreSQL gives out is one that no row has."""
    for table in tables:
        (first, *others) = table.primary_key.columns
        if others or not isinstance(first.type, Integer):
            continue
        sequence = session.scalar(select(func.pg_get_serial_sequence(table.name, first.name)))
        highest = session.scalar(select(func.max(first)))
        if sequence is not None and highest is not None:
            session.execute(text("SELECT setval(:sequence, :value)"), {"sequence": sequence, "value": highest})
