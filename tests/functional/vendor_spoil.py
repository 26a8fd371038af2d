"""Ways in which exports come damaged, incomplete or in odd order; each changes the files of one small visit."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import gdcm
import numpy as np
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from myofed_demo.exam import Exam
from myofed_demo.protocols import megre
from myofed_demo.vendor_matrix import Case, ImageTruth, SeriesTruth, make_exam, write_case
from myofed_demo.vendor_style import Style

SHAPE = (20, 16, 4)
ECHO_TIMES_MS = (1.15, 2.30)


@dataclass(eq=False)
class Visit:
    """A small visit on disk, and what must come out of it.

    Attributes:
        folder: All that is delivered.
        style: The scanner.
        exam: The visit.
        truths: Its series: magnitude and phase, in one or two series as the vendor does it.
        runs: What `run-` each series' images must have.
    """

    folder: Path
    style: Style
    exam: Exam
    truths: list[SeriesTruth] = field(default_factory=list)
    runs: list[int] = field(default_factory=list)

    @property
    def files(self) -> list[Path]:
        """Of the first series, in order of instance number."""
        return list(self.truths[0].written.files)

    @property
    def all_files(self) -> list[Path]:
        """Of all series."""
        return [path for truth in self.truths for path in truth.written.files]

    def add(self, exam: Exam, *, first_number: int, run: int = 1) -> None:
        """The protocol once more."""
        for case in small_cases(self.style, first_number):
            where = self.folder / f"visit{len(self.truths)}"
            self.truths.append(write_case(where, exam, case))
            self.runs.append(run)


Spoil = Callable[[Visit], None]
Edit = Callable[[Dataset], None]


def small_cases(style: Style, first_number: int = 1) -> list[Case]:
    """Two echoes of four slices."""
    protocol = megre(shape=SHAPE, echo_times_ms=ECHO_TIMES_MS)
    return [
        Case(f"{style.vendor} {style.form}", style, protocol, tuple(volumes), first_number + index)
        for index, volumes in enumerate(style.split(protocol.volumes))
    ]


def visit(folder: Path, style: Style, key: str) -> Visit:
    """Before anything is spoilt; another key is another patient."""
    made = Visit(folder, style, make_exam(key))
    made.add(made.exam, first_number=1)
    return made


def edit(path: Path, change: Edit) -> None:
    """The file holds its data set after this change."""
    dataset = dcmread(path)
    change(dataset)
    dataset.save_as(path, enforce_file_format=True)


def each(change: Edit) -> Spoil:
    """Every file is changed so."""
    return lambda made: [edit(path, change) for path in made.all_files][:0] or None


def one_file(change: Edit, index: int = 4) -> Spoil:
    """One file of the first series is changed so."""
    return lambda made: edit(made.files[index], change)


def without(*keywords: str) -> Spoil:
    """No file has these elements."""

    def change(dataset: Dataset) -> None:
        for keyword in keywords:
            del dataset[keyword]

    return each(change)


def setting(**values: object) -> Edit:
    """The data set has these values."""

    def change(dataset: Dataset) -> None:
        for keyword, value in values.items():
            setattr(dataset, keyword, value)

    return change


def same(made: Visit) -> None:
    """Nothing is wrong."""


def shuffled_names(made: Visit) -> None:
    """File names tell nothing of the order."""
    names = [f"{number:04d}" for number in range(len(made.all_files))]
    random.Random(3).shuffle(names)
    for path, name in zip(made.all_files, names, strict=True):
        path.rename(path.with_name(name))


def renumbered(order: Callable[[list[Path]], list[Path]]) -> Spoil:
    """Instance numbers and file names follow another order."""

    def spoil(made: Visit) -> None:
        for number, path in enumerate(order(made.all_files), start=1):
            edit(path, setting(InstanceNumber=number))
            path.rename(path.with_name(f"{number:04d}.dcm"))

    return spoil


def by_position(paths: list[Path]) -> list[Path]:
    """All echoes of a position, then the next position."""
    return sorted(paths, key=lambda p: (position(p), float(dcmread(p, specific_tags=["EchoTime"]).EchoTime)))


def by_echo(paths: list[Path]) -> list[Path]:
    """All positions of an echo, then the next echo."""
    return sorted(paths, key=lambda p: (float(dcmread(p, specific_tags=["EchoTime"]).EchoTime), position(p)))


def backwards(paths: list[Path]) -> list[Path]:
    """The last first."""
    return paths[::-1]


def position(path: Path) -> float:
    """Where the file's slice lies along the normal, mm."""
    dataset = dcmread(path, stop_before_pixels=True)
    axes = np.array(dataset.ImageOrientationPatient, dtype=float).reshape(2, 3)
    return round(float(np.cross(axes[0], axes[1]) @ np.array(dataset.ImagePositionPatient, dtype=float)), 3)


def lost_slice(index: int) -> Spoil:
    """One position is missing in all echoes and parts; where it lay at the edge the truth is a slice shorter."""

    def spoil(made: Visit) -> None:
        places = sorted({position(path) for path in made.all_files})
        for path in made.all_files:
            if position(path) == places[index]:
                path.unlink()
        made.truths = [replace(t, images=tuple(_without_slice(i, index) for i in t.images)) for t in made.truths]

    return spoil


def _without_slice(image: ImageTruth, index: int) -> ImageTruth:
    """Only at an edge is the rest a volume."""
    count = image.values.shape[2]
    if index % count not in {0, count - 1}:
        return image
    keep = range(1, count) if index % count == 0 else range(count - 1)
    affine = image.affine_lps.copy()
    affine[:3, 3] = (image.affine_lps @ (0, 0, keep[0], 1))[:3]
    return replace(image, values=image.values[:, :, list(keep)], affine_lps=affine, markers_mm=())


def lost_file(made: Visit) -> None:
    """One echo of one position is missing."""
    made.files[4].unlink()


def copied(made: Visit) -> None:
    """One file is there twice, byte for byte."""
    source = made.files[4]
    source.with_name("copy.dcm").write_bytes(source.read_bytes())


def other_bytes(dataset: Dataset) -> None:
    """The image differs in a voxel."""
    pixels = dataset.pixel_array.copy()
    pixels[0, 0] += 1
    dataset.PixelData = pixels.astype("<i2").tobytes()


def copied_with(*changes: Edit) -> Spoil:
    """One file is there twice, the second changed so."""

    def spoil(made: Visit) -> None:
        copied(made)
        for change in changes:
            edit(made.files[4].with_name("copy.dcm"), change)

    return spoil


def new_instance(dataset: Dataset) -> None:
    """The file is an instance of its own."""
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=[str(dataset.SOPInstanceUID), "copy"])
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID


def malformed_decimal(made: Visit) -> None:
    """A private decimal string holds words, as in GE's (0019,xx..); its VR is changed in the bytes."""
    for path in made.all_files:
        edit(path, _private_words)
        content = path.read_bytes()
        assert content.count(b"\x19\x00\x7a\x10LO") == 1
        path.write_bytes(content.replace(b"\x19\x00\x7a\x10LO", b"\x19\x00\x7a\x10DS"))


def _private_words(dataset: Dataset) -> None:
    dataset[0x0019, 0x0010].value  # noqa: B018  raises where the vendor's block moved
    dataset.add_new(0x0019107A, "LO", "ApTx:")


def without_preamble(made: Visit) -> None:
    """Files begin with their meta group."""
    for path in made.all_files:
        path.write_bytes(path.read_bytes()[132:])


def without_meta_group(made: Visit) -> None:
    """Files begin with their data set, in the default transfer syntax (PS3.10 7.1 asks for more)."""
    for path in made.all_files:
        dataset = dcmread(path)
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        dataset.save_as(path, implicit_vr=True, little_endian=True)
        content = path.read_bytes()
        start = content.index(b"\x08\x00\x05\x00", 132)
        path.write_bytes(content[start:])


def added(name: str, content: bytes) -> Spoil:
    """One file more lies among the images."""
    return lambda made: [made.files[0].with_name(name).write_bytes(content)][:0] or None


def compressed(uid: str) -> Spoil:
    """Pixels are encapsulated, lossless."""
    return each(lambda dataset: dataset.compress(uid, generate_instance_uid=False))


def jpeg_lossless(made: Visit) -> None:
    """JPEG lossless, process 14, selection value 1."""
    for path in made.all_files:
        reader = gdcm.ImageReader()
        reader.SetFileName(str(path))
        assert reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(path))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()


def deflated(made: Visit) -> None:
    """The data set is deflated."""
    for path in made.all_files:
        edit(path, lambda dataset: setattr(dataset.file_meta, "TransferSyntaxUID", DeflatedExplicitVRLittleEndian))


def big_endian(made: Visit) -> None:
    """Most significant byte first (retired in 2006, still in archives)."""
    for path in made.all_files:
        dataset = dcmread(path)
        values = [element.value for element in dataset.iterall()]  # raw elements are decoded, or their bytes would stay
        assert values
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<i2").astype(">i2").tobytes()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        dcmwrite(path, dataset, implicit_vr=False, little_endian=False, force_encoding=True)


def implicit_vr(made: Visit) -> None:
    """No element says its kind."""
    for path in made.all_files:
        dataset = dcmread(path)
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        dataset.save_as(path, implicit_vr=True, little_endian=True)


def truncated(made: Visit) -> None:
    """The last bytes of one file never came."""
    path = made.files[4]
    path.write_bytes(path.read_bytes()[:-64])


def truncated_last_slice(made: Visit) -> None:
    """What is left of the first series looks whole."""
    last = max(position(path) for path in made.files)
    for path in made.files:
        if position(path) == last:
            path.write_bytes(path.read_bytes()[:-64])


def scanned_twice(made: Visit) -> None:
    """The same protocol again in the same visit."""
    made.add(made.exam, first_number=11, run=2)


def second_visit(made: Visit) -> None:
    """The same patient comes again."""
    made.add(replace(made.exam, key=f"{made.exam.key} again", uids={}), first_number=1)


def second_patient(made: Visit) -> None:
    """Another patient's visit lies in the same folder."""
    made.add(make_exam(f"{made.exam.key} of another"), first_number=1)


def tilted(dataset: Dataset) -> None:
    """The slice lies at an angle of 5 degrees with the others."""
    axes = np.array(dataset.ImageOrientationPatient, dtype=float).reshape(2, 3)
    normal = np.cross(axes[0], axes[1])
    row = np.cos(np.deg2rad(5)) * axes[1] + np.sin(np.deg2rad(5)) * normal
    dataset.ImageOrientationPatient = [f"{v:.9g}" for v in (*axes[0], *row)]


def skewed(dataset: Dataset) -> None:
    """Rows and columns are not at right angles."""
    axes = np.array(dataset.ImageOrientationPatient, dtype=float).reshape(2, 3)
    row = axes[1] + 0.2 * axes[0]
    dataset.ImageOrientationPatient = [f"{v:.9g}" for v in (*axes[0], *(row / np.linalg.norm(row)))]


def nudged(dataset: Dataset) -> None:
    """The slice lies 0.5 mm aside, within its plane."""
    axes = np.array(dataset.ImageOrientationPatient, dtype=float).reshape(2, 3)
    dataset.ImagePositionPatient = [
        f"{v:.9g}" for v in np.array(dataset.ImagePositionPatient, dtype=float) + 0.5 * axes[0]
    ]


def without_scale_slope(dataset: Dataset) -> None:
    """Philips' scale slope is missing."""
    block = dataset.private_block(0x2005, "Philips MR Imaging DD 001")
    del block[0x0E]


def phase_without_scale(made: Visit) -> None:
    """Of the second series no rescale is left."""
    for path in made.truths[1].written.files:
        edit(path, _without_rescale)


def _without_rescale(dataset: Dataset) -> None:
    del dataset.RescaleSlope, dataset.RescaleIntercept


def frames_in(order: Callable[[list[int]], list[int]]) -> Spoil:
    """The frames of an enhanced object lie in another order, or some are missing."""

    def change(dataset: Dataset) -> None:
        pixels, frames = dataset.pixel_array, dataset.PerFrameFunctionalGroupsSequence
        kept = order(list(range(len(frames))))
        dataset.PerFrameFunctionalGroupsSequence = [frames[index] for index in kept]
        dataset.NumberOfFrames = len(kept)
        dataset.PixelData = pixels[kept].astype("<i2").tobytes()

    return each(change)


def mixed_up(indices: list[int]) -> list[int]:
    """Random order, the same in any run."""
    return random.Random(5).sample(indices, len(indices))


def without_public_position(dataset: Dataset) -> None:
    """Only Philips' classic copy still has a position, half a voxel off."""
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        del frame.PlanePositionSequence


def one_frame_more(dataset: Dataset) -> None:
    """NumberOfFrames counts a frame that is not there."""
    dataset.NumberOfFrames = int(dataset.NumberOfFrames) + 1


RLE, JPEG_LS = RLELossless, JPEGLSLossless
