"""From received to the data set without a person: what waits, what goes on by itself, and what is kept when."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from site_factories import NOW, demo_site

from myofed_node.intake.desk import IntakeDesk
from myofed_node.intake.received import TO_REMOVE, Listing, Place
from myofed_node.intake.settings import IntakeSettings, Peer
from myofed_node.intake.studies import LONGEST_RETRY_S, StudyIntake
from myofed_node.intake.study_lock import study_lock
from myofed_node.intake.study_store import StudyRow, StudyState, StudyStore
from myofed_node.site_setup import Site
from myofed_schemas.conversion import IngestReport
from myofed_schemas.errors import MyofedError

SETTINGS = IntakeSettings(
    port=11112, peers=(Peer(ae_title="MR1", networks=("10.0.0.0/8",)),), quiet_s=10, legal_basis="synthetic"
)
DONE = IngestReport.model_construct(files=(), series=())


class Quarantined(IngestReport):
    """A report of a series that waits for a person."""

    @property
    def complete(self) -> bool:
        """It is not."""
        return False


NOT_ALL = Quarantined.model_construct(files=(), series=())


class Bench:
    """An intake whose ingest is told what to answer, and whose clock is set by hand."""

    def __init__(self, root: Path, settings: IntakeSettings = SETTINGS) -> None:
        self.site: Site = demo_site(root, intake=settings)
        self.answer: IngestReport | Exception = DONE
        self.ingested: list[list[bytes]] = []
        self.during: Callable[[], None] = lambda: None
        self.time = 0.0
        self.intake = self.start()

    def start(self) -> StudyIntake:
        """As a new process does."""
        made = StudyIntake.of(self.site)
        made.ingest = self.ingest
        self.intake = made
        return made

    def ingest(self, folder: Path, _now: datetime) -> IngestReport:
        self.ingested.append(sorted(path.read_bytes() for path in folder.rglob("*.dcm")))
        self.during()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def send(self, number: int, content: bytes = b"x") -> None:
        self.intake.received.keep(Place("1", "1.1", f"1.1.{number}"), [content])

    def after(self, seconds: float) -> StudyRow | None:
        """Where the study stands after a look so much later."""
        self.time += seconds
        self.intake.look(now=NOW, clock=lambda: self.time)
        rows = self.intake.store.studies()
        return rows[0] if rows else None

    def files(self) -> int:
        return sum(1 for study in self.intake.received.studies() for _ in study.rglob("*.dcm"))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Of a site that takes images in."""
    return Bench(tmp_path / "a")


def state(row: StudyRow | None) -> tuple[StudyState, str]:
    assert row is not None
    return row.state, row.code


def test_study_is_ingested_once_it_is_quiet_and_what_was_received_goes(bench: Bench) -> None:
    """Not while instances come; afterwards nothing with a patient's name is left."""
    assert bench.after(0) is None
    bench.send(1)
    assert state(bench.after(1)) == (StudyState.RECEIVING, "OK")
    bench.send(2)
    assert state(bench.after(9)) == (StudyState.RECEIVING, "OK")
    assert state(bench.after(9)) == (StudyState.RECEIVING, "OK")
    assert bench.ingested == []
    assert state(bench.after(2)) == (StudyState.DONE, "OK")
    assert (bench.ingested, bench.files()) == ([[b"x", b"x"]], 0)
    assert not any(bench.intake.received.studies())


def test_late_instance_opens_the_study_again(bench: Bench) -> None:
    """Also one that comes while the rest is ingested: it is not in what goes."""
    bench.send(1)
    bench.after(0)
    bench.during = lambda: bench.send(2, b"late")
    assert state(bench.after(10)) == (StudyState.DONE, "OK")
    assert bench.files() == 1
    bench.during = lambda: None
    assert state(bench.after(1)) == (StudyState.RECEIVING, "OK")
    assert state(bench.after(10)) == (StudyState.DONE, "OK")
    assert bench.ingested == [[b"x"], [b"late"]]


def test_without_a_legal_basis_every_study_waits(tmp_path: Path) -> None:
    """Nothing is ingested; once the basis is set it goes on by itself."""
    bench = Bench(tmp_path / "a", SETTINGS.model_copy(update={"legal_basis": None}))
    bench.send(1)
    bench.after(0)
    assert state(bench.after(10)) == (StudyState.HELD, "NO_LEGAL_BASIS")
    assert state(bench.after(100)) == (StudyState.HELD, "NO_LEGAL_BASIS")
    assert (bench.ingested, bench.files()) == ([], 1)
    (shown,) = IntakeDesk(bench.site).list().studies
    assert "intake.legal_basis" in shown.action
    bench.site = Bench(tmp_path / "b").site.__class__(
        bench.site.folder, bench.site.config.model_copy(update={"intake": SETTINGS})
    )
    bench.start()
    bench.after(0)
    assert state(bench.after(10)) == (StudyState.DONE, "OK")


def test_quarantined_study_keeps_what_was_received_until_a_person_decides(bench: Bench) -> None:
    """It is not tried again by itself; after `retry` it is, and nothing is lost."""
    bench.answer = NOT_ALL
    bench.send(1)
    bench.after(0)
    assert state(bench.after(10)) == (StudyState.QUARANTINED, "QUARANTINED")
    bench.after(10_000)
    assert (len(bench.ingested), bench.files()) == (1, 1)
    desk = IntakeDesk(bench.site)
    (shown,) = desk.list().studies
    bench.answer = DONE
    assert desk.retry(shown.study[:8], now=NOW).state is StudyState.RECEIVING
    assert state(bench.after(1)) == (StudyState.DONE, "OK")
    assert bench.files() == 0


def test_person_may_delete_what_was_received(bench: Bench) -> None:
    """On record; the study comes again when it is sent again."""
    bench.answer = NOT_ALL
    bench.send(1)
    bench.after(0)
    bench.after(10)
    desk = IntakeDesk(bench.site)
    (shown,) = desk.list().studies
    assert desk.discard(shown.study[:8], now=NOW).state is StudyState.DISCARDED
    assert bench.files() == 0
    assert state(bench.after(1)) == (StudyState.DISCARDED, "OK")
    for what in (
        lambda: desk.retry(shown.study, now=NOW),
        lambda: desk.find("0" * 8),
        lambda: desk.find(shown.study[:3]),
    ):
        with pytest.raises(MyofedError, match="INTAKE_"):
            what()
    bench.send(1)
    assert state(bench.after(1)) == (StudyState.RECEIVING, "OK")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MyofedError("KEY_MISSING", "x"), "KEY_MISSING"),
        (OSError(28, "full"), "DISK_FULL"),
        (OSError(5, "broken"), "SYSTEM_ERROR"),
        (ZeroDivisionError("Planted^Name"), "INTERNAL_ERROR"),
    ],
)
def test_failure_is_tried_again_ever_later(bench: Bench, error: Exception, code: str) -> None:
    """After one minute, two, four, at most an hour; a change of the study begins anew."""
    bench.answer = error
    bench.send(1)
    bench.after(0)
    assert state(bench.after(10)) == (StudyState.FAILED, code)
    for wait, count in ((59, 1), (1, 2), (119, 2), (1, 3)):
        bench.after(wait)
        assert len(bench.ingested) == count
    for _ in range(12):
        bench.after(LONGEST_RETRY_S)
    assert len(bench.ingested) == 15
    bench.send(2)
    row = bench.after(1)
    assert row is not None
    assert (row.state, row.attempts) == (StudyState.RECEIVING, 0)


def test_defect_of_one_study_costs_that_study_alone(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Others are ingested; the log tells kind and place, not what the exception quotes."""
    bench.send(1)
    bench.intake.received.keep(Place("2", "2.1", "2.1.1"), [b"y"])
    bench.after(0)
    broken = min(study.name for study in bench.intake.received.studies())

    def ingest(folder: Path, _now: datetime) -> IngestReport:
        if folder.name == broken:
            msg = "Planted^Name"
            raise KeyError(msg)
        return DONE

    bench.intake.ingest = ingest
    bench.after(10)
    assert sorted(row.state for row in bench.intake.store.studies()) == [StudyState.DONE, StudyState.FAILED]
    assert "KeyError at test_node_intake_studies.py" in caplog.text
    assert "Planted" not in caplog.text


def test_busy_ingest_is_no_failure(bench: Bench) -> None:
    """Somebody runs `ingest` by hand: it is this study's turn at the next look."""
    bench.answer = MyofedError("INGEST_RUNNING", "x")
    bench.send(1)
    bench.after(0)
    assert state(bench.after(10)) == (StudyState.FAILED, "INGEST_RUNNING")
    bench.answer = DONE
    assert state(bench.after(1)) == (StudyState.DONE, "OK")


def test_new_process_goes_on_where_the_killed_one_stood(bench: Bench) -> None:
    """A study that was being removed is removed to the end; a quarantined one stays so; a receiving one is quiet anew."""
    bench.send(1)
    bench.send(2)
    bench.after(0)
    bench.start()
    assert state(bench.after(0)) == (StudyState.RECEIVING, "OK")
    bench.answer = NOT_ALL
    assert state(bench.after(10)) == (StudyState.QUARANTINED, "QUARANTINED")
    bench.start()
    assert state(bench.after(1)) == (StudyState.QUARANTINED, "QUARANTINED")
    bench.after(1000)
    assert len(bench.ingested) == 1
    (study,) = bench.intake.received.studies()
    bench.intake.received.give_up(study, bench.intake.received.listing(study))
    assert (study / TO_REMOVE).exists(), "killed there"
    bench.start()
    assert state(bench.after(1)) == (StudyState.DONE, "OK")
    assert bench.files() == 0


def test_quiet_time_begins_anew_after_a_long_ingest(bench: Bench) -> None:
    """What came while another study was ingested for an hour is not complete because the hour is over."""
    bench.send(1)
    bench.intake.received.keep(Place("2", "2.1", "2.1.1"), [b"y"])
    bench.after(0)

    def hour() -> None:
        bench.time += 3600
        bench.during = lambda: None
        bench.intake.received.keep(Place("3", "3.1", "3.1.1"), [b"z"])

    bench.during = hour
    bench.after(10)
    bench.after(1)
    assert len(bench.ingested) == 2, "the third came a second ago"
    bench.after(10)
    assert len(bench.ingested) == 3


def test_thousand_failures_are_no_defect_of_their_own(bench: Bench) -> None:
    """The wait stays an hour, however long a study fails."""
    bench.send(1)
    bench.after(0)
    (row,) = bench.intake.store.studies()
    bench.intake.store.put(replace(row, state=StudyState.FAILED, code="INTERNAL_ERROR", attempts=5000))
    bench.after(LONGEST_RETRY_S)
    assert len(bench.ingested) == 1


def test_folder_that_cannot_be_looked_at_stops_no_other(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk has a bad block under one study."""
    bench.send(1)
    bench.intake.received.keep(Place("2", "2.1", "2.1.1"), [b"y"])
    bad = min(study.name for study in bench.intake.received.studies())
    real = bench.intake.received.signature

    def signature(study: Path) -> Listing:
        if study.name == bad:
            raise OSError(5, "Input/output error")
        return real(study)

    monkeypatch.setattr(bench.intake.received, "signature", signature)
    bench.after(0)
    bench.after(10)
    assert len(bench.ingested) == 1


def test_person_and_pipeline_never_change_a_study_at_a_time(bench: Bench) -> None:
    """While a study is ingested a decision has to wait; while a person decides the pipeline does."""
    refused = []

    def decide() -> None:
        desk = IntakeDesk(bench.site)
        for decision in (desk.retry, desk.discard):
            with pytest.raises(MyofedError) as caught:
                decision(desk.list().studies[0].study, now=NOW)
            refused.append(caught.value.code)

    bench.during = decide
    bench.send(1)
    bench.after(0)
    with study_lock(bench.site.folder):
        bench.after(10)
    assert bench.ingested == []
    assert state(bench.after(1)) == (StudyState.DONE, "OK")
    assert refused == ["INTAKE_BUSY"] * 2


def test_discard_that_was_killed_is_ended_and_stays_discarded(bench: Bench) -> None:
    """It was on record before the first file went."""
    bench.answer = NOT_ALL
    bench.send(1)
    bench.after(0)
    row = bench.after(10)
    assert row is not None
    (study,) = bench.intake.received.studies()
    bench.intake.store.put(replace(row, state=StudyState.DISCARDED, code="OK"))
    bench.intake.received.give_up(study, bench.intake.received.listing(study))
    assert state(bench.after(1)) == (StudyState.DISCARDED, "OK")
    assert bench.files() == 0


def test_two_processes_make_the_store_at_once(tmp_path: Path) -> None:
    """None of them finds it locked."""
    stores = [StudyStore(tmp_path / f"{n // 8}.sqlite") for n in range(160)]
    with ThreadPoolExecutor(8) as pool:
        assert all(found == () for found in pool.map(lambda store: store.studies(), stores))
