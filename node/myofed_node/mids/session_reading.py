"""Reading the series of one session, several at a time: each file once, its pixels kept while there is room."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock

from pydicom import Dataset

from myofed_node.mids.dicom_input.elements import element_value
from myofed_node.mids.dicom_input.frames import Series
from myofed_node.mids.dicom_input.headers import read_series
from myofed_node.mids.dicom_input.pixel_data import PixelData
from myofed_node.mids.dicom_input.source import SourceFile
from myofed_node.mids.dicom_input.stored_file import StoredFile, read_file
from myofed_node.mids.judging.review import refuse_head
from myofed_node.mids.layout import subject_label
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_node.mids.session_task import ConvertOptions, SessionTask, Tell
from myofed_node.mids.threads import in_order

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
"""Segmentation Storage (PS3.4 B.5)."""
MOST_HELD_BYTES = 256 << 20
"""Files of a session that are kept between reading and writing; those beyond are read a second time."""
DIED = "CONVERTER_DIED"


@dataclass
class SeriesRead:
    """One series that was read, or not.

    Attributes:
        pixels: One a file; None where there was no room, or nothing is to be written.
        refusal: Why it is not converted.
    """

    uid: str
    files: tuple[SourceFile, ...]
    series: Series | None = None
    pixels: list[PixelData] | None = field(default=None, repr=False)
    refusal: SeriesRefusedError | None = None

    def refuse(self, refusal: SeriesRefusedError) -> None:
        """The series is not converted, for the reason that was found first; its pixels are not needed."""
        self.refusal, self.pixels = self.refusal or refusal, None

    def all_pixels(self) -> list[PixelData]:
        """The pixels of every file, read a second time where they were not kept.

        Raises:
            MyofedError: DEID_FILE_CHANGED.
            SeriesRefusedError: They cannot be used.
        """
        return self.pixels or [read_file(file).pixels() for file in self.files]


class _Room:
    """Bytes that may still be kept, for all series of the session."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._lock = Lock()

    def take(self, size: int) -> bool:
        """Whether there was room."""
        with self._lock:
            fits = size <= self._left
            self._left -= size if fits else 0
            return fits

    def give_back(self, size: int) -> None:
        """So much is kept no longer."""
        with self._lock:
            self._left += size


def read_all(task: SessionTask, options: ConvertOptions, tell: Tell) -> dict[str, SeriesRead]:
    """Every series of the session, sorted by its new SeriesInstanceUID, read or with its refusal.

    Raises:
        MyofedError: DEID_FILE_CHANGED.
    """
    room = _Room(MOST_HELD_BYTES)
    read = in_order(
        lambda item: _read(item, task, options, room),
        _begun(task, tell),
        threads=max(1, min(task.writers, len(task.files))),
    )
    return {item.uid: item for item in read}


def _begun(task: SessionTask, tell: Tell) -> Iterator[SeriesRead]:
    for uid, files in sorted(task.files.items()):
        tell("begun", uid)
        yield SeriesRead(uid, files)


def _read(item: SeriesRead, task: SessionTask, options: ConvertOptions, room: _Room) -> SeriesRead:
    kept = _Kept(room)
    try:
        _refuse_died(item.uid, task)
        series = read_series(_headers(item, kept))
        _refuse_other_folder(series, item.uid, task)
        item.series = series
        _refuse_before_classifying(series, options)
        item.pixels = kept.pixels
    except SeriesRefusedError as refusal:
        item.refuse(refusal)
    except MemoryError:
        item.refuse(out_of_memory())
    if item.pixels is None:
        kept.let_go()
    return item


class _Kept:
    """Pixels of one series; None when there is no room for all of them."""

    def __init__(self, room: _Room) -> None:
        self.pixels: list[PixelData] | None = []
        self._room = room

    def add(self, stored: StoredFile) -> None:
        """Pixels that nobody can use matter only where the series is one to convert."""
        if self.pixels is None:
            return
        try:
            pixels = stored.pixels()
        except SeriesRefusedError:
            self.let_go()
            return
        if self._room.take(pixels.held_bytes):
            self.pixels.append(pixels)
        else:
            self.let_go()

    def let_go(self) -> None:
        """Nothing is kept."""
        self._room.give_back(sum(one.held_bytes for one in self.pixels or ()))
        self.pixels = None


def _refuse_died(uid: str, task: SessionTask) -> None:
    if uid in task.died:
        raise SeriesRefusedError(DIED, "process=ended while it worked on the series")


def _headers(item: SeriesRead, kept: _Kept) -> Iterator[Dataset]:
    """Each file's header; its pixels are kept while there is room for all of the series."""
    for file in item.files:
        stored = read_file(file)
        if element_value(stored.header, "SOPClassUID") == SEGMENTATION:
            raise SeriesRefusedError("SEGMENTATION_OBJECT", "SOPClassUID=Segmentation Storage", outcome="skipped")
        kept.add(stored)
        yield stored.header


def _refuse_other_folder(series: Series, uid: str, task: SessionTask) -> None:
    """De-identification names folders by the new UIDs; a file that says another was not written by it."""
    if (series.study_uid, series.uid) != (task.study_uid, uid):
        raise SeriesRefusedError("HEADER_INVALID", "StudyInstanceUID or SeriesInstanceUID=not that of the folder")


def _refuse_before_classifying(series: Series, options: ConvertOptions) -> None:
    subject_label(series)
    if options.hold_head:
        refuse_head(series)


def out_of_memory() -> SeriesRefusedError:
    """Of a series for which this process has not memory enough."""
    return SeriesRefusedError(DIED, "memory=not enough for the series")
