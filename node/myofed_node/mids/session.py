"""One session from de-identified files to images: read each file once, decide on all series together, write one after the other."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from myofed_anonymization.part10 import quiet_pydicom
from myofed_node.mids.dicom_input.frames import Series
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
from myofed_node.mids.judging.overrides import Candidate, Overrides, apply
from myofed_node.mids.layout import NamedImage, name_images, session_label, subject_label
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_node.mids.series_writer import RunFacts, SeriesSource, write_series
from myofed_node.mids.session_outcomes import converted, refused
from myofed_node.mids.session_reading import SeriesRead, out_of_memory, read_all
from myofed_node.mids.session_task import ConvertOptions, Judged, SessionTask, Tell
from myofed_node.mids.threads import in_order
from myofed_schemas.mids import ImageName, Part


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
    members: list[SeriesRead]
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
        return _session(task, run, options, tell, ready=lambda: None)


def convert_sessions(
    tasks: Iterable[SessionTask],
    run: RunFacts,
    options: ConvertOptions,
    *,
    tell: Tell,
    ready: Callable[[], None],
    together: int,
) -> Iterator[Judged]:
    """As `convert_session` for each of them, so many at a time, in this process.

    Args:
        tasks: Taken when there is room for one.
        run: The same for all.
        options: The same for all.
        tell: Called in any thread.
        ready: Called in any thread before an image is written; comes back when the data set may take it.
        together: Sessions that are worked on at the same time; each holds its files in memory.

    Raises:
        MyofedError: DEID_FILE_CHANGED, SESSION_NOT_OURS.
    """
    with quiet_pydicom(), _collector_at_rest():  # of the whole process, so around all threads
        for judged in in_order(lambda task: _session(task, run, options, tell, ready=ready), tasks, threads=together):
            yield from judged


def _session(
    task: SessionTask, run: RunFacts, options: ConvertOptions, tell: Tell, *, ready: Callable[[], None]
) -> list[Judged]:
    clear_unfinished(run.dataset, session_label(task.study_uid))
    read = read_all(task, options, tell)
    earlier, planned = _settled(read, list(_planned(read, options)), task, run.dataset)
    names = _names(planned, dataset=run.dataset)
    judged = [refused(item, item.refusal) for item in read.values() if item.refusal]
    for item in judged:
        tell("done", item.outcome.series_instance_uid)
    ready()
    jobs = (_job(plan, read, names[plan.uid], earlier) for plan in planned)
    for written in in_order(
        lambda job: _written(job, run), _begun(jobs, tell), threads=max(1, min(task.writers, len(planned)))
    ):
        for one in written:
            tell("done", one.outcome.series_instance_uid)
        judged += written
    remove_empty_folders(run.dataset, session_label(task.study_uid))
    return [replace(one, rules=_rules(read[one.outcome.series_instance_uid], options.overrides)) for one in judged]


def _rules(item: SeriesRead, overrides: Overrides) -> tuple[int, ...]:
    return tuple(
        number
        for number, rule in enumerate(overrides.rules, start=1)
        if rule.match.series_instance_uid == item.uid or (item.series is not None and rule.fits(item.series))
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


def _planned(read: dict[str, SeriesRead], options: ConvertOptions) -> Iterator[_Planned]:
    """What is to be written; every other series has its refusal."""
    unread = any(item.series is None and _quarantined(item) for item in read.values())
    for series in _by_session(item.series for item in read.values() if item.series):
        for candidate in apply(options.overrides, series):
            members = [read[uid] for uid in candidate.members]
            try:
                yield _plan(candidate, members, options, unread=unread)
            except SeriesRefusedError as refusal:
                for item in members:
                    item.refuse(refusal)


def _quarantined(item: SeriesRead) -> bool:
    return item.refusal is not None and item.refusal.outcome == "quarantined"


def _by_session(series: Iterable[Series]) -> Iterable[list[Series]]:
    """One folder of a study may hold two patients."""
    groups: dict[tuple[str, str], list[Series]] = {}
    for one in series:
        groups.setdefault((one.subject, one.study_uid), []).append(one)
    return groups.values()


def _plan(candidate: Candidate, members: Sequence[SeriesRead], options: ConvertOptions, *, unread: bool) -> _Planned:
    refusals = [item.refusal for item in members if item.refusal]
    if len(members) > 1:
        incomplete = sum(item.uid in options.incomplete for item in members)
        if refusals or incomplete or unread:
            _refuse_incomplete(members, options)
            raise SeriesRefusedError("JOIN_REFUSED", "series=one that may belong to it is incomplete or was refused")
    elif refusals:
        raise refusals[0]
    if candidate.refusal:
        raise candidate.refusal
    images = classify(candidate.series, candidate.override)
    _refuse_incomplete(members, options)
    if members[0].refusal:
        raise members[0].refusal
    return _Planned(candidate, images)


def _refuse_incomplete(members: Sequence[SeriesRead], options: ConvertOptions) -> None:
    for item in members:
        if item.uid in options.incomplete and item.refusal is None:
            item.refusal = SeriesRefusedError("SERIES_INCOMPLETE", "files=withheld by de-identification")


def _settled(
    read: dict[str, SeriesRead], planned: list[_Planned], task: SessionTask, dataset: Path
) -> tuple[tuple[EarlierImage, ...], list[_Planned]]:
    """Earlier images that stay, and what is still to be written; a series that is held has its refusal."""
    earlier = earlier_images(dataset, session_label(task.study_uid))
    none = [Claim(item.uid, frozenset({item.uid})) for item in read.values() if item.refusal]
    settled = settle(earlier, [*none, *map(_claim, planned)], dataset=dataset)
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
    plan: _Planned, read: dict[str, SeriesRead], names: tuple[NamedImage, ...], earlier: tuple[EarlierImage, ...]
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


def _begun(jobs: Iterable[_Job], tell: Tell) -> Iterator[_Job]:
    for job in jobs:
        for item in job.members:
            tell("begun", item.uid)
        yield job


def _written(job: _Job, run: RunFacts) -> list[Judged]:
    """The outcome of the series, or of each that was joined."""
    plan, members, names = job.plan, job.members, job.names
    try:
        source = SeriesSource(
            plan.candidate.series,
            plan.candidate.members,
            tuple(file for item in members for file in item.files),
            [one for item in members for one in item.all_pixels()],
        )
        images = write_series(source, names, run=run)
    except SeriesRefusedError as refusal:
        return _not_written(job, refusal, run)
    except MemoryError:
        return _not_written(job, out_of_memory(), run)
    finally:
        for item in members:
            item.pixels = None
    return [converted(item, names, images) for item in members]


def _not_written(job: _Job, refusal: SeriesRefusedError, run: RunFacts) -> list[Judged]:
    """What an earlier call made of the series goes, too, unless somebody drew on it."""
    if any(is_labelled(image, run.dataset) for image in job.earlier):
        refusal = labelled_refusal()
    else:
        remove_images(job.earlier)
    return [refused(item, refusal) for item in job.members]
