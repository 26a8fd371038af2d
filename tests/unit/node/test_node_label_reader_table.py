"""A reader's own table: every mistake has its row."""

from __future__ import annotations

from pathlib import Path

import pytest

from myofed_node.label_exchange.reader_table import read_table
from myofed_node.label_exchange.refusal import LabelRefusedError

HEAD = "value\tmuscle\tside\n"
GOOD = HEAD + "1\tsartorius\tleft\n"


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ("", "LABEL_TABLE_INVALID", "found none named value, muscle, side"),
        ("value,muscle,side\n1,sartorius,left\n", "LABEL_TABLE_INVALID", "found none named value, muscle, side"),
        ("value\tmuscle\n1\tsartorius\n", "LABEL_TABLE_INVALID", "found none named side"),
        (HEAD, "LABEL_TABLE_INVALID", "expected at least one row below the heading, found none"),
        (GOOD + "x\tgracilis\tleft\n", "LABEL_TABLE_INVALID", "the column value, found another in table row 2"),
        (GOOD + "0\tgracilis\tleft\n", "LABEL_TABLE_INVALID", "the column value, found another in table row 2"),
        (GOOD + "1.5\tgracilis\tleft\n", "LABEL_TABLE_INVALID", "the column value, found another in table row 2"),
        (GOOD + "1\tgracilis\tleft\n", "LABEL_TABLE_INVALID", "each value once, found that of table row 2 twice"),
        (GOOD + "2\tsartorius\tleft\n", "LABEL_TABLE_INVALID", "side once, found that of table row 2 twice"),
        (GOOD + "2\tMustermann\tleft\n", "MUSCLE_UNKNOWN", "in the column muscle, found another in table row 2"),
        (GOOD + "2\tgracilis\tMustermann\n", "SIDE_UNKNOWN", "in the column side, found another word in table row 2"),
        (GOOD + "2\tgracilis\n", "SIDE_UNKNOWN", "in table row 2"),
    ],
)
def test_mistake_is_told_by_row_and_never_by_what_stands_there(tmp_path: Path, text: str, code: str, told: str) -> None:
    """The reader finds it; the delivery may hold names."""
    path = tmp_path / "table.tsv"
    path.write_text(text)
    with pytest.raises(LabelRefusedError) as refusal:
        read_table(path)
    assert refusal.value.code == code
    assert told in refusal.value.message
    assert "Mustermann" not in str(refusal.value)


def test_what_is_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    """Each with its words."""
    path = tmp_path / "table.tsv"
    with pytest.raises(LabelRefusedError, match="a table that can be read"):
        read_table(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LabelRefusedError, match="UTF-8"):
        read_table(path)


def test_values_become_canonical_ones(tmp_path: Path) -> None:
    """Blanks and the case of a side do not count; a byte order mark neither."""
    path = tmp_path / "table.tsv"
    path.write_bytes(b"\xef\xbb\xbf" + (GOOD + "2\t sartorius \t Right\n").encode())
    left, right = (read_table(path)[value] for value in (1, 2))
    assert right == left + 1
