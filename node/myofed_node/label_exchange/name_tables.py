"""Value -> name, as viewers save it beside a label map: ITK-SNAP, 3D Slicer, segmentation NRRD, TSV or CSV."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path

from myofed_node.label_exchange.refusal import LabelRefusedError

MOST_BYTES = 4 << 20
"""Of a table, or of a NRRD file's header; a longer one is refused."""
VALUE_COLUMNS = ("value", "index", "labelvalue")
"""Ours; BIDS dseg.tsv; 3D Slicer's CSV. Case does not count."""
NAME_COLUMNS = ("name", "label")
_ITKSNAP = re.compile(r'\s*(\d+)(?:\s+\d+){3}\s+[\d.]+\s+[01]\s+[01]\s+"(.*)"\s*')
_SLICER = re.compile(r"(\d+)\s+(\S+)(?:\s+\d+){4}\s*")
_SEGMENT = re.compile(r"Segment(\d+)_(Name|LabelValue|Layer):=(.*)")


def read_names(path: Path) -> dict[int, str]:
    """The names of a table's values; the background (0) is left out.

    The content tells the format: NRRD by its magic, ITK-SNAP and Slicer by the form of their lines, else columns.

    Args:
        path: ITK-SNAP label description; Slicer colour table (.ctbl, .txt, .csv); .seg.nrrd; TSV or CSV with a column
            `value` (or `index`, `LabelValue`) and a column `name` (or `label`).

    Returns:
        At least one name.

    Raises:
        LabelRefusedError: LABEL_TABLE_INVALID: no such table, no row, or one value twice.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        if content.startswith(b"NRRD"):
            content = content.split(b"\n\n", 1)[0]
        pairs = _pairs(content.decode("utf-8-sig")) if len(content) <= MOST_BYTES else []
    except OSError:
        raise _invalid("a table that can be read, found none") from None
    except (ValueError, KeyError, csv.Error):
        raise _invalid("UTF-8 text with a whole number and a name in each row, found another file") from None
    names = dict(pairs)
    if not pairs:
        raise _invalid(
            "rows with a value above 0 and a name (ITK-SNAP, 3D Slicer, one layer of a .seg.nrrd, or columns value and name), "
            "found none"
        )
    if len(names) != len(pairs):
        raise _invalid(f"each value once, found {len(pairs) - len(names)} of {len(pairs)} rows that repeat one")
    if min(names) < 1:
        raise _invalid("values above 0, found a negative one")
    return names


def _invalid(expected: str) -> LabelRefusedError:
    return LabelRefusedError("LABEL_TABLE_INVALID", f"expected {expected}")


def _pairs(text: str) -> list[tuple[int, str]]:
    lines = text.splitlines()
    if text.startswith("NRRD"):
        return _segments(lines)
    rows = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    for form in (_ITKSNAP, _SLICER):
        matches = [form.fullmatch(line) for line in rows]
        if any(matches):
            return _drawn((m[1], m[2]) for m in _all_of(matches))
    return _columns(rows)


def _all_of(matches: list[re.Match[str] | None]) -> list[re.Match[str]]:
    found = [m for m in matches if m is not None]
    if len(found) != len(matches):
        others = len(matches) - len(found)
        raise _invalid(
            f"all rows in the form of the first ones of the viewer, found {others} of {len(matches)} that are not"
        )
    return found


def _drawn(pairs: Iterable[tuple[str, str]]) -> list[tuple[int, str]]:
    return [(int(value), name) for value, name in pairs if int(value) != 0]


def _columns(rows: list[str]) -> list[tuple[int, str]]:
    reader = csv.DictReader(rows, delimiter="\t" if rows and "\t" in rows[0] else ",")
    by_name = {str(column).strip().lower(): column for column in reader.fieldnames or ()}
    value = next((by_name[c] for c in VALUE_COLUMNS if c in by_name), None)
    name = next((by_name[c] for c in NAME_COLUMNS if c in by_name), None)
    if value is None or name is None:
        return []
    return _drawn((row[value] or "", row[name] or "") for row in reader)


def _segments(lines: list[str]) -> list[tuple[int, str]]:
    """Slicer's segments; those of a second layer reuse values, so a file with layers is refused as one value twice."""
    found: dict[str, dict[str, str]] = {}
    for line in lines:
        if match := _SEGMENT.fullmatch(line):
            found.setdefault(match[1], {})[match[2]] = match[3]
    if len({segment.get("Layer", "0") for segment in found.values()}) > 1:
        return []
    return _drawn((segment["LabelValue"], segment["Name"]) for segment in found.values())
