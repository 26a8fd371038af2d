"""One session from de-identified files to images: read each file once, decide on all series together, write one after the other."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydicom import Dataset

from myofed_anonymization.part10 import quiet_pydicom
from myofed_node.mids.dicom_input.elements import element_value
from myofed_node.mids.dicom_input.frames import Series
from myofed_node.mids.dicom_input.headers import read_series
from myofed_node.mids.dicom_input.pixel_data import PixelData
from myofed_node.mids.dicom_input.source import SessionFiles, SourceFile
from myofed_node.mids.dicom_input.stored_file import StoredFile, read_file
from myofed_node.mids.earlier_images import (
    Claim,
    EarlierImage,
    earlier_images,
    is_labelled,
    labelled_refusal,
    remove_empty_folders,
    remove_images,
    settle,
)
from myofed_node.mids.judging.classify import PlannedImage, classify
from myofed_node.mids.judging.overrides import NO_OVERRIDES, Candidate, Overrides, apply
from myofed_node.mids.judging.review import refuse_head
from myofed_node.mids.layout import NamedImage, name_images, session_label, subject_label
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_node.mids.series_writer import RunFacts, SeriesSource, write_series
from myofed_schemas.conversion import ConvertedImage, SeriesOutcome
from myofed_schemas.mids import ImageName, Part

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
"""Segmentation Storage (PS3.4 B.5)."""
MOST_HELD_BYTES = 256 << 20
"""Files of a session that are kept between reading and writing; those beyond are read a second time."""
DIED = "CONVERTER_DIED"
Tell = Callable[[str, str], None]
"""Called with (`begun` or `done`, SeriesInstanceUID): a series may be begun twice, to be read and to be written."""


@dataclass(frozen=True)
class ConvertOptions:
    """What a caller may decide.

    Attributes:
        incomplete: New SeriesInstanceUIDs of which de-identification withheld files; quarantined, because a series that
            lost its last slices looks whole.
        hold_head: Quarantine images of the head, and those whose body part is not said, for a person's review (faces).
        overrides: What the site says where headers cannot.
        processes: Worker processes; as many as this process may use cores when None.
    """

    incomplete: frozenset[str] = frozenset()
    hold_head: bool = False
    overrides: Overrides = NO_OVERRIDES
    processes: int | None = None


@dataclass(frozen=True)
class SessionTask:
    """One session to convert.

    Attributes:
        files: Of each series.
        died: Series at which a process ended; they are not touched again.
        writers: Series that are written at the same time: most of that is compressing, which leaves Python to others.
    """

    study_uid: str
    files: SessionFiles
    died: frozenset[str] = frozenset()
    writers: int = 1


@dataclass(frozen=True)
class Judged:
    """One series' outcome, its number still 1, with the SeriesNumber by which it will be numbered.

    Attributes:
        rules: Rules of the override file that match the series; the first one is 1.
    """

    series_number: int
    outcome: SeriesOutcome
    rules: tuple[int, ...] = ()


@dataclass
class _Read:
    """One series that was read, or not."""

    uid: str
    files: tuple[SourceFile, ...]
    series: Series | None = None
    pixels: list[PixelData] | None = field(default=None, repr=False)
    refusal: SeriesRefusedError | None = None


@dataclass(frozen=True)
class _Planned:
    candidate: Candidate
    images: tuple[PlannedImage, ...]

    @property
    def uid(self) -> str:
        """By which its names are found."""
        return self.candidate.series.uid


@dataclass(frozen=True)
class _Job:
    plan: _Planned
    members: list[_Read]
    names: tuple[NamedImage, ...]
    earlier: tuple[EarlierImage, ...]


def convert_session(task: SessionTask, run: RunFacts, options: ConvertOptions, *, tell: Tell) -> list[Judged]:
    """Every series of the session has its one outcome, and what was converted lies in the data set.

    What an earlier call that was killed left unfinished in the session's folders is gone, and so is what earlier calls made
    of these series and their outcomes do not name. That goes before images are named: a call that is cut short there and
    made again names them alike.

    Raises:
        MyofedError: DEID_FILE_CHANGED, SESSION_NOT_OURS.
    """
    with quiet_pydicom(), _collector_at_rest():
        clear_unfinished(run.dataset, session_label(task.study_uid))
        read = dict(_read_all(task, options, tell))
        earlier, planned = _settled(read, list(_planned(read, options)), task, run.dataset)
        names = _names(planned, dataset=run.dataset)
        judged = [_refused(item, item.refusal) for item in read.values() if item.refusal]
        for item in judged:
            tell("done", item.outcome.series_instance_uid)
        jobs = (_job(plan, read, names[plan.uid], earlier) for plan in planned)
        for written in _all_written(jobs, run, tell, writers=task.writers):
            for one in written:
                tell("done", one.outcome.series_instance_uid)
            judged += written
        remove_empty_folders(run.dataset, session_label(task.study_uid))
        return [replace(one, rules=_rules(read[one.outcome.series_instance_uid], options.overrides)) for one in judged]


def _rules(item: _Read, overrides: Overrides) -> tuple[int, ...]:
    matches = [rule.match for rule in overrides.rules]
    return tuple(
        number
        for number, match in enumerate(matches, start=1)
        if match.series_instance_uid == item.uid or (item.series is not None and match.fits(item.series))
    )


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Elements and frames come by the thousand and hold no cycles: to look for some took a tenth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def clear_unfinished(dataset: Path, session: str) -> None:
    """No temporary file is left in the session's folders, and no image without its sidecar, which is written last."""
    for folder in dataset.glob(f"sub-*/ses-{session}/mr-*"):
        names = {path.name for path in folder.iterdir()}
        for name in names:
            lone = name.endswith(".nii.gz") and name.removesuffix(".nii.gz") + ".json" not in names
            if lone or (name.startswith(".") and name.endswith(".tmp")):
                (folder / name).unlink()


def _read_all(task: SessionTask, options: ConvertOptions, tell: Tell) -> Iterator[tuple[str, _Read]]:
    held = 0
    for uid, files in sorted(task.files.items()):
        item = _Read(uid, files)
        tell("begun", uid)
        try:
            _refuse_died(uid, task)
            item.pixels = []
            series = read_series(_headers(item, room=MOST_HELD_BYTES - held))
            _refuse_other_folder(series, uid, task)
            item.series = series
            _refuse_before_classifying(series, options)
        except SeriesRefusedError as refusal:
            item.refusal, item.pixels = refusal, None
        except MemoryError:
            item.refusal, item.pixels = _out_of_memory(), None
        held += sum(len(one.content) for one in item.pixels or ())
        yield uid, item


def _refuse_died(uid: str, task: SessionTask) -> None:
    if uid in task.died:
        raise SeriesRefusedError(DIED, "process=ended while it worked on the series")


def _headers(item: _Read, *, room: int) -> Iterator[Dataset]:
    """Each file's header; its pixels are kept in the item while there is room for all of the series."""
    for file in item.files:
        stored = read_file(file)
        if element_value(stored.header, "SOPClassUID") == SEGMENTATION:
            raise SeriesRefusedError("SEGMENTATION_OBJECT", "SOPClassUID=Segmentation Storage", outcome="skipped")
        room -= len(stored.content)
        if room < 0:
            item.pixels = None
        if item.pixels is not None:
            _keep_pixels(item, stored)
        yield stored.header


def _keep_pixels(item: _Read, stored: StoredFile) -> None:
    """Pixels that nobody can use matter only where the series is one to convert."""
    assert item.pixels is not None, "there is room"
    try:
        item.pixels.append(stored.pixels())
    except SeriesRefusedError:
        item.pixels = None


def _refuse_other_folder(series: Series, uid: str, task: SessionTask) -> None:
    """De-identification names folders by the new UIDs; a file that says another was not written by it."""
    if (series.study_uid, series.uid) != (task.study_uid, uid):
        raise SeriesRefusedError("HEADER_INVALID", "StudyInstanceUID or SeriesInstanceUID=not that of the folder")


def _refuse_before_classifying(series: Series, options: ConvertOptions) -> None:
    subject_label(series)
    if options.hold_head:
        refuse_head(series)


def _planned(read: dict[str, _Read], options: ConvertOptions) -> Iterator[_Planned]:
    """What is to be written; every other series has its refusal."""
    unread = any(item.series is None and _quarantined(item) for item in read.values())
    for series in _by_session(item.series for item in read.values() if item.series):
        for candidate in apply(options.overrides, series):
            members = [read[uid] for uid in candidate.members]
            try:
                yield _plan(candidate, members, options, unread=unread)
            except SeriesRefusedError as refusal:
                for item in members:
                    item.refusal = item.refusal or refusal
                    item.pixels = None


def _quarantined(item: _Read) -> bool:
    return item.refusal is not None and item.refusal.outcome == "quarantined"


def _by_session(series: Iterable[Series]) -> Iterable[list[Series]]:
    """One folder of a study may hold two patients."""
    groups: dict[tuple[str, str], list[Series]] = {}
    for one in series:
        groups.setdefault((one.subject, one.study_uid), []).append(one)
    return groups.values()


def _plan(candidate: Candidate, members: Sequence[_Read], options: ConvertOptions, *, unread: bool) -> _Planned:
    refused = [item.refusal for item in members if item.refusal]
    if len(members) > 1:
        incomplete = sum(item.uid in options.incomplete for item in members)
        if refused or incomplete or unread:
            _refuse_incomplete(members, options)
            raise SeriesRefusedError("JOIN_REFUSED", "series=one that may belong to it is incomplete or was refused")
    elif refused:
        raise refused[0]
    if candidate.refusal:
        raise candidate.refusal
    images = classify(candidate.series, candidate.override)
    _refuse_incomplete(members, options)
    if members[0].refusal:
        raise members[0].refusal
    return _Planned(candidate, images)


def _refuse_incomplete(members: Sequence[_Read], options: ConvertOptions) -> None:
    for item in members:
        if item.uid in options.incomplete and item.refusal is None:
            item.refusal = SeriesRefusedError("SERIES_INCOMPLETE", "files=withheld by de-identification")


def _settled(
    read: dict[str, _Read], planned: list[_Planned], task: SessionTask, dataset: Path
) -> tuple[tuple[EarlierImage, ...], list[_Planned]]:
    """Earlier images that stay, and what is still to be written; a series that is held has its refusal."""
    earlier = earlier_images(dataset, session_label(task.study_uid))
    refused = [Claim(item.uid, frozenset({item.uid})) for item in read.values() if item.refusal]
    settled = settle(earlier, [*refused, *map(_claim, planned)], dataset=dataset)
    for uid in settled.held:
        read[uid].refusal, read[uid].pixels = labelled_refusal(), None
    remove_images(settled.stale)
    stay = tuple(image for image in earlier if image not in settled.stale)
    return stay, [plan for plan in planned if settled.held.isdisjoint(plan.candidate.members)]


def _claim(plan: _Planned) -> Claim:
    series = plan.candidate.series
    labels = subject_label(series), session_label(series.study_uid)
    parts = ((image.suffix, None if image.part is Part.MAG else image.part) for image in plan.images)
    names = frozenset(ImageName(*labels, suffix, part) for suffix, part in parts)
    return Claim(plan.uid, frozenset(plan.candidate.members), names)


def _job(
    plan: _Planned, read: dict[str, _Read], names: tuple[NamedImage, ...], earlier: tuple[EarlierImage, ...]
) -> _Job:
    members = plan.candidate.members
    return _Job(
        plan, [read[uid] for uid in members], names, tuple(one for one in earlier if one.members.intersection(members))
    )


def _names(planned: Sequence[_Planned], *, dataset: Path) -> dict[str, tuple[NamedImage, ...]]:
    sessions: dict[tuple[str, str], list[tuple[Series, tuple[PlannedImage, ...]]]] = {}
    for plan in planned:
        series = plan.candidate.series
        sessions.setdefault((series.subject, series.study_uid), []).append((series, plan.images))
    return {uid: names for group in sessions.values() for uid, names in name_images(group, dataset=dataset).items()}


def _all_written(jobs: Iterable[_Job], run: RunFacts, tell: Tell, *, writers: int) -> Iterator[list[Judged]]:
    """The outcomes of each job, in their order; no more than `writers` are in hand at a time, which bounds memory."""
    with ThreadPoolExecutor(max_workers=writers) as pool:
        in_hand: deque[Future[list[Judged]]] = deque()
        for job in jobs:
            if len(in_hand) == writers:
                yield in_hand.popleft().result()
            for item in job.members:
                tell("begun", item.uid)
            in_hand.append(pool.submit(_written, job, run))
        while in_hand:
            yield in_hand.popleft().result()


def _written(job: _Job, run: RunFacts) -> list[Judged]:
    """The outcome of the series, or of each that was joined."""
    plan, members, names = job.plan, job.members, job.names
    try:
        source = SeriesSource(
            plan.candidate.series,
            plan.candidate.members,
            tuple(file for item in members for file in item.files),
            [one for item in members for one in _pixels(item)],
        )
        images = write_series(source, names, run=run)
    except SeriesRefusedError as refusal:
        return _not_written(job, refusal, run)
    except MemoryError:
        return _not_written(job, _out_of_memory(), run)
    finally:
        for item in members:
            item.pixels = None
    return [_converted(item, names, images) for item in members]


def _not_written(job: _Job, refusal: SeriesRefusedError, run: RunFacts) -> list[Judged]:
    """What an earlier call made of the series goes, too, unless somebody drew on it."""
    if any(is_labelled(image, run.dataset) for image in job.earlier):
        refusal = labelled_refusal()
    else:
        remove_images(job.earlier)
    return [_refused(item, refusal) for item in job.members]


def _pixels(item: _Read) -> list[PixelData]:
    return item.pixels or [read_file(file).pixels() for file in item.files]


def _out_of_memory() -> SeriesRefusedError:
    return SeriesRefusedError(DIED, "memory=not enough for the series")


def _converted(item: _Read, names: tuple[NamedImage, ...], images: tuple[ConvertedImage, ...]) -> Judged:
    assert item.series is not None, "it was read"
    outcome = SeriesOutcome(
        number=1,
        series_instance_uid=item.uid,
        subject=names[0].name.subject,
        session=names[0].name.session,
        files=len(item.files),
        outcome="converted",
        code=None,
        evidence=tuple(f"{named.name.suffix}: {fact}" for named in names for fact in named.image.evidence),
        images=images,
    )
    return Judged(item.series.number, outcome)


def _refused(item: _Read, refusal: SeriesRefusedError) -> Judged:
    known = item.series if item.series and refusal.code != "SUBJECT_LABEL_INVALID" else None
    outcome = SeriesOutcome(
        number=1,
        series_instance_uid=item.uid,
        subject=known.subject if known else None,
        session=session_label(known.study_uid) if known else None,
        files=len(item.files),
        outcome=refusal.outcome,
        code=refusal.code,
        evidence=refusal.evidence,
    )
    return Judged(item.series.number if item.series else 0, outcome)
