from __future__ import annotations

from pathlib import Path

from myofed_anonymization.journal import Journal, Totals
from myofed_anonymization.one_file import Treated, withheld
from myofed_schemas.deid import FileOutcome, NoteCode, WithheldCode

SERIES = "2.25.1/2.25.2"


def released(number: int, name: str = "2.25.3", digest: str = "a", series: str = SERIES, **more: object) -> Treated:
    outcome = FileOutcome(
        number=number,
        input_sha256=f"{number:064x}",
        outcome="deidentified",
        output=f"{series}/{name}.dcm",
        output_sha256=digest * 64,
        pixel_sha256="b" * 64,
        checks=3,
        actions={"kept": 2},
    )
    return Treated(outcome, **more)  # type: ignore[arg-type]


def filled(path: Path, *files: Treated, tools: str = "1") -> Journal:
    journal = Journal.open(path, tools=tools)
    for file in files:
        journal.add(file)
    journal.judge()
    return journal


def test_outcomes_come_in_order_of_their_numbers(tmp_path: Path) -> None:
    """Whatever the order in which they were made."""
    journal = filled(tmp_path / "j", released(2, "2.25.4"), withheld(1, WithheldCode.NOT_DICOM), released(3))
    assert [outcome.number for outcome in journal.outcomes()] == [1, 2, 3]
    journal.close()


def test_identical_copies_are_noted_and_conflicts_withheld(tmp_path: Path) -> None:
    """Content and place decide; the first number keeps the output."""
    files = [
        released(4, "2.25.9", "c", numbers={"B_value": (1.0,)}),
        released(1, numbers={"B_value": (8.0,)}),
        released(2, numbers={"B_value": (8.0,)}),
        released(3, "2.25.9", "d"),
        released(5, "2.25.7"),
        released(6, "2.25.7", series="2.25.1/2.25.8"),
    ]
    journal = filled(tmp_path / "j", *files)
    assert [(outcome.code, outcome.notes) for outcome in journal.outcomes()] == [
        (None, ()),
        (None, (NoteCode.DUPLICATE_IDENTICAL,)),
        *[(WithheldCode.DUPLICATE_CONFLICT, ())] * 4,
    ]
    assert journal.is_released(f"{SERIES}/2.25.3.dcm")
    assert not journal.is_released(f"{SERIES}/2.25.9.dcm")
    assert not journal.is_released(f"{SERIES}/2.25.77.dcm")
    assert list(journal.numbers()) == [(f"{SERIES}/2.25.3.dcm", '{"B_value": [8.0]}')]
    journal.close()


def test_a_killed_runs_outcomes_are_kept_unless_another_try_may_change_them(tmp_path: Path) -> None:
    """Time, memory and a worker's death are tried again; versions of other tools are forgotten."""
    passing = withheld(2, WithheldCode.TIME_LIMIT, sha256="f" * 64)
    unread = withheld(3, WithheldCode.UNREADABLE)
    filled(tmp_path / "j", released(1), passing, unread, withheld(4, WithheldCode.NOT_DICOM, sha256="e" * 64)).close()
    journal = Journal.open(tmp_path / "j", tools="1")
    assert journal.has_earlier
    found = {row[0] for row in journal._connection.execute("SELECT input_sha256 FROM earlier")}
    assert found == {f"{1:064x}", "e" * 64}
    journal.judge()
    assert list(journal.outcomes()) == []
    journal.close()
    journal = Journal.open(tmp_path / "j", tools="2")
    assert not journal.has_earlier
    journal.close()


def test_outcomes_are_on_disk_after_some_hundred(tmp_path: Path) -> None:
    """A kill costs the last ones only."""
    journal = Journal.open(tmp_path / "j", tools="1")
    for number in range(1, 300):
        journal.add(released(number, f"2.25.{number}"))
    other = Journal.open(tmp_path / "j2", tools="1")
    other._connection.execute("ATTACH ? AS killed", (str(tmp_path / "j"),))
    assert other._connection.execute("SELECT COUNT(*) FROM killed.outcome").fetchone() == (256,)
    other.close()
    journal.close()


def test_totals_are_sums_over_the_files() -> None:
    """Counts by code, note and action."""
    totals = Totals()
    for treated in (released(1), released(2, "2.25.4"), withheld(3, WithheldCode.NOT_DICOM)):
        totals.add(treated.outcome)
    assert (totals.received, totals.released, totals.checks) == (3, 2, 6)
    assert totals.codes == {"NOT_DICOM": 1}
    assert totals.actions == {"kept": 4}
