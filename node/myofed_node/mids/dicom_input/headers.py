"""Reading DICOM headers, classic and Enhanced multi-frame, into one series of frames and facts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from pydicom import Dataset

from myofed_node.mids.dicom_input.frames import Acquisition, FileIndex, Frame, Series, Stated, differing
from myofed_node.mids.dicom_input.header_facts import Point, acquisition_of, frame_of, position_of, stated_of
from myofed_node.mids.dicom_input.header_view import MACRO_OF, View, fingerprint, views
from myofed_node.mids.refusal import SeriesRefusedError

IDENTITY = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID")
NAMES = ("ProtocolName", "SeriesDescription")
ENHANCED = ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")
ACQUISITION_MACROS = tuple(
    sorted(
        {
            *(macro for macro in MACRO_OF.values() if macro.startswith("MR")),
            *("PixelMeasuresSequence", "FrameAnatomySequence"),
        }
        - {"MRDiffusionSequence"}
    )
)
"""Functional groups that tell facts of the acquisition."""


@dataclass(frozen=True)
class _Told:
    """What one file says; of a classic one its acquisition too, and the elements that were compared by identity."""

    texts: tuple[str, ...]
    number: int
    frames: tuple[Frame, ...]
    stated: Stated
    acquisition: Acquisition | None = None
    kept: tuple[object, ...] = ()


@dataclass
class _Read:
    """What was read so far."""

    told: list[_Told] = field(default_factory=list)
    facts: list[Acquisition] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    alike: dict[tuple[object, ...], _Told] = field(default_factory=dict)


def read_series(datasets: Iterable[Dataset]) -> Series:
    """The series that these files form; order of the files does not matter for what follows.

    Args:
        datasets: Headers of all files of one SeriesInstanceUID, pixel data not needed; each is looked at once and not kept.
            The position is the frame's `file`.

    Raises:
        SeriesRefusedError: HEADER_INVALID, GEOMETRY_MISSING, SEVERAL_SUBJECTS, NO_FRAMES.
    """
    read = _Read()
    for number, dataset in enumerate(datasets):
        if any(keyword in dataset for keyword in ENHANCED):
            _add_enhanced(read, dataset, FileIndex(number))
        else:
            _add_classic(read, dataset, FileIndex(number))
    return _series(read)


def _add_enhanced(read: _Read, dataset: Dataset, file: FileIndex) -> None:
    seen = list(views(dataset))
    frames = tuple(frame_of(view, file, index, position_lps=position_of(view)) for index, view in enumerate(seen))
    stated = stated_of(seen[0], described=len(seen))
    read.told.append(_Told(_texts(seen[0]), _number(seen[0]), frames, stated))
    read.facts += _acquisitions(seen)
    read.frames += frames


def _acquisitions(seen: Sequence[View]) -> Iterator[Acquisition]:
    """Of each frame; frames whose own groups say the same are asked once."""
    found: dict[tuple[object, ...], Acquisition] = {}
    for view in seen:
        own = view.groups[0] if view.groups else {}
        key = tuple(fingerprint(item)[0] for macro in ACQUISITION_MACROS for item in own.get(macro, ()))
        if key not in found:
            found[key] = acquisition_of(view)
        yield found[key]


def _add_classic(read: _Read, dataset: Dataset, file: FileIndex) -> None:
    """Files of one series say the same but for their position, so that the rest is understood once for all that do."""
    key, kept = fingerprint(dataset)
    view = View((), dataset)
    position = position_of(view)
    told = read.alike.get(key)
    if told is None:
        frame = frame_of(view, file, 0, position_lps=position)
        stated = stated_of(view, described=1)
        told = _Told(_texts(view), _number(view), (frame,), stated, acquisition_of(view), kept)
        read.alike[key] = told
    assert told.acquisition is not None, "a classic file was asked for it"
    read.told.append(told)
    read.facts.append(told.acquisition)
    read.frames.append(_moved(told.frames[0], file, position))


def _moved(frame: Frame, file: FileIndex, position_lps: Point) -> Frame:
    return replace(frame, file=file, plane=replace(frame.plane, position_lps=position_lps))


def _texts(view: View) -> tuple[str, ...]:
    return tuple(view.text(keyword) for keyword in (*IDENTITY, *NAMES))


def _number(view: View) -> int:
    return view.whole("SeriesNumber") or 0


def _series(read: _Read) -> Series:
    if not read.told:
        raise SeriesRefusedError("NO_FRAMES", "files=0")
    identities = {told.texts[: len(IDENTITY)] for told in read.told}
    if len(identities) > 1:
        raise SeriesRefusedError("SEVERAL_SUBJECTS", "PatientID or StudyInstanceUID=differs within the series")
    subject, study_uid, uid = identities.pop()
    names = {told.texts[len(IDENTITY) :] for told in read.told}
    protocol_name, description = names.pop() if len(names) == 1 else ("", "")
    acquisitions = {id(fact): fact for fact in read.facts}.values()
    return Series(
        uid=uid,
        study_uid=study_uid,
        subject=subject,
        number=min(told.number for told in read.told),
        acquisition=min(set(acquisitions), key=repr),
        varying=differing(acquisitions),
        frames=tuple(read.frames),
        protocol_name=protocol_name,
        description=description,
        stated=tuple(told.stated for told in read.told),
        told=tuple(read.facts),
    )
