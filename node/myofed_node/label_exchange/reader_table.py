"""A reader's own table of a label map: value, muscle, side; every mistake is told by its row, never by what stands there."""

from __future__ import annotations

import csv
from pathlib import Path

from myofed_node.label_exchange.refusal import WORDS, LabelRefusedError
from myofed_schemas.anatomy import Side
from myofed_schemas.muscle_sets import structures

COLUMNS = ("value", "muscle", "side")
INVALID = "LABEL_TABLE_INVALID"


def read_table(path: Path) -> dict[int, int]:
    """The reader's value -> canonical value.

    Args:
        path: TSV with the columns value, muscle (id of muscles.tsv, or name of muscle_groups.tsv) and side (left, right).

    Raises:
        LabelRefusedError: LABEL_TABLE_INVALID, MUSCLE_UNKNOWN, SIDE_UNKNOWN; the first row below the heading is 1.
    """
    rows = _rows(path)
    table: dict[int, int] = {}
    for number, row in enumerate(rows, start=1):
        value = _value(row["value"], number)
        canonical = _canonical(row["muscle"], row["side"], number)
        if value in table:
            raise _invalid(f"each value once, found that of table row {number} twice")
        if canonical in table.values():
            raise _invalid(f"each muscle and side once, found that of table row {number} twice")
        table[value] = canonical
    if not table:
        raise _invalid("at least one row below the heading, found none")
    return table


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        reader = csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines(), delimiter="\t", restval="")
        rows = list(reader)
    except OSError:
        raise _invalid("a table that can be read, found none") from None
    except (UnicodeDecodeError, csv.Error):
        raise _invalid("UTF-8 text with columns apart by tabs, found another file") from None
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise _invalid(f"the columns {', '.join(COLUMNS)} apart by tabs, found none named {', '.join(missing)}")
    return rows


def _value(text: str, number: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise _invalid(f"a whole number from 1 in the column value, found another in table row {number}")
    return value


def _canonical(structure: str, side: str, number: int) -> int:
    sides = {one.word: one for one in Side}
    if side.strip().lower() not in sides:
        raise _in_row("SIDE_UNKNOWN", number)
    if structure.strip() not in structures():
        raise _in_row("MUSCLE_UNKNOWN", number)
    return structures()[structure.strip()].label_value(sides[side.strip().lower()])


def _in_row(code: str, number: int) -> LabelRefusedError:
    return LabelRefusedError(code, f"{WORDS[code][0]} in table row {number}")


def _invalid(expected: str) -> LabelRefusedError:
    return LabelRefusedError(INVALID, f"expected {expected}")
