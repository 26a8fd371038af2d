"""Cells of current cubes in the database: written and dropped whole, found by their conditions over all data sets at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Select, delete, insert, select
from sqlalchemy.orm import Session

from myofed_coordinator.catalog.models import CubeCellRow, CubeKeyRow, CubeRow
from myofed_schemas.cube import CellFilter, CountCube, CubeCell, CubePolicy
from myofed_schemas.wire import WireModel

_CHUNK = 500
"""Keys in one statement; SQLite takes some thousand parameters, PostgreSQL 65,535."""


class CurrentCube(WireModel):
    """The current cube of a data set, without its cells."""

    id: int
    version: int
    sha256: str
    policy: CubePolicy
    subjects: int | None


def key_text(at: Iterable[CellFilter]) -> str:
    """The conditions as they stand in `cube_keys`: sorted by dimension, then value."""
    return "|".join(f"{dimension}={value}" for dimension, value in sorted((each.dimension, each.value) for each in at))


def conditions(key: str) -> tuple[CellFilter, ...]:
    """What `key_text` wrote."""
    parts = (part.partition("=") for part in key.split("|"))
    return tuple(CellFilter.model_validate({"dimension": dimension, "value": value}) for dimension, _, value in parts)


def current_cube(session: Session, site: str, dataset: str) -> CurrentCube | None:
    """The current cube of this data set, None where it has none."""
    row = session.scalars(
        select(CubeRow).where(CubeRow.site == site, CubeRow.dataset == dataset, CubeRow.current)
    ).first()
    if row is None:
        return None
    policy = CubePolicy.model_validate_json(row.policy)
    return CurrentCube(id=row.id, version=row.version, sha256=row.sha256, policy=policy, subjects=row.subjects)


def replace_cells(session: Session, entry: int, cells: Sequence[CubeCell]) -> None:
    """The data set has exactly these cells; those before are gone.

    Args:
        session: Writing.
        entry: Its row in `card_entries`.
        cells: Each with other conditions.
    """
    session.execute(delete(CubeCellRow).where(CubeCellRow.entry == entry))
    keys = _key_ids(session, [key_text(cell.at) for cell in cells])
    rows = [{"key": keys[key_text(cell.at)], "entry": entry, "count": cell.count} for cell in cells]
    if rows:
        session.execute(insert(CubeCellRow), sorted(rows, key=lambda row: row["key"]))


def cells_at(session: Session, at: Iterable[CellFilter]) -> dict[int, int]:
    """Entry -> published count of the cell with exactly these conditions; an entry that is missing withholds it."""
    rows = session.execute(
        select(CubeCellRow.entry, CubeCellRow.count)
        .join(CubeKeyRow, CubeKeyRow.id == CubeCellRow.key)
        .where(CubeKeyRow.at == key_text(at))
    )
    return dict(rows.all())


def single_cells(session: Session, entry: int) -> tuple[CubeCell, ...]:
    """The data set's cells with one condition, sorted."""
    return tuple(_cells(session, _of_entry(entry).where(CubeKeyRow.at.not_like("%|%"))))


def whole_cube(session: Session, entry: int, cube: CurrentCube, *, site: str, dataset: str) -> CountCube:
    """The cube as the site published it: the same document, the same digest."""
    cells = sorted(_cells(session, _of_entry(entry)), key=lambda cell: [(f.dimension, f.value) for f in cell.at])
    return CountCube(
        site=site, dataset=dataset, version=cube.version, policy=cube.policy, subjects=cube.subjects, cells=tuple(cells)
    )


def _of_entry(entry: int) -> Select[str, int]:
    return (
        select(CubeKeyRow.at, CubeCellRow.count)
        .join(CubeKeyRow, CubeKeyRow.id == CubeCellRow.key)
        .where(CubeCellRow.entry == entry)
        .order_by(CubeKeyRow.at)
    )


def _cells(session: Session, statement: Select[str, int]) -> Iterator[CubeCell]:
    for key, count in session.execute(statement):
        yield CubeCell(at=conditions(key), count=count)


def _key_ids(session: Session, keys: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for start in range(0, len(keys), _CHUNK):
        part = keys[start : start + _CHUNK]
        found |= _known(session, part)
        missing = [key for key in part if key not in found]
        if missing:
            session.execute(insert(CubeKeyRow), [{"at": key} for key in missing])
            found |= _known(session, missing)
    return found


def _known(session: Session, keys: Sequence[str]) -> dict[str, int]:
    rows = session.execute(select(CubeKeyRow.at, CubeKeyRow.id).where(CubeKeyRow.at.in_(keys)))
    return dict(rows.all())
