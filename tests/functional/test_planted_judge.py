"""The judge of the planted corpus sees each fault that a tool may have, and none where there is none."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from planted.corpus import make_corpus
from planted.judge import Verdict, judge
from planted.plants import Category, Corpus, Fate, Kind
from pydicom import config, dcmread
from pydicom.dataset import FileDataset

SCALE = 0.02
IDENTITY = {"leaks", "unfit files released"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """A small corpus that no test changes."""
    return make_corpus(tmp_path_factory.mktemp("planted"), seed=7, scale=SCALE)


def faults(verdict: Verdict) -> set[str]:
    """The names of the verdict's shortfalls."""
    return {shortfall.partition(" ")[2] for shortfall in verdict.shortfalls()}


def altered(corpus: Corpus, out: Path, change: Callable[[FileDataset], None], *, only: str = "") -> Verdict:
    """The verdict on a copy in which `change` was made to every released image (or those whose name holds `only`)."""
    shutil.copytree(corpus.folder, out)
    for file in corpus.files:
        if file.fate is Fate.RELEASED and only in file.name:
            with config.disable_value_validation():
                dataset = dcmread(out / file.name)
                change(dataset)
                dataset.save_as(out / file.name)
    return judge(corpus, out)


def test_a_copy_leaks_everything_and_loses_nothing(corpus: Corpus) -> None:
    """Every plant is found again in a copy of the corpus, in each category, and nothing counts as lost or changed."""
    verdict = judge(corpus, corpus.folder)
    assert len(verdict.leaked) == len(corpus.plants)
    assert set(verdict.leaks()) == set(Category)
    assert faults(verdict) == IDENTITY


def test_an_empty_folder_withholds_everything_and_compares_nothing(corpus: Corpus, tmp_path: Path) -> None:
    """Nothing out means no leak, all clean images withheld, and nothing compared, which is a shortfall of its own."""
    verdict = judge(corpus, tmp_path)
    assert not verdict.leaked
    assert len(verdict.clean_withheld) == verdict.clean_planted > 0
    assert {"outputs compared", "values compared", "types compared", "references compared"} <= faults(verdict)


def test_a_renamed_and_flattened_copy_is_matched_by_its_pixels(corpus: Corpus, tmp_path: Path) -> None:
    """Names and folders play no part in matching; only the file-name plants disappear with them."""
    for number, file in enumerate(corpus.files):
        shutil.copy(corpus.folder / file.name, tmp_path / f"{number}")
    verdict = judge(corpus, tmp_path)
    assert not verdict.clean_withheld
    assert set(verdict.planted - verdict.leaks()) == {Category.FILE_NAME}


def test_a_lost_type_1_attribute_is_seen(corpus: Corpus, tmp_path: Path) -> None:
    """An image without SamplesPerPixel has lost a Type 1; one with an empty SeriesInstanceUID too."""

    def change(dataset: FileDataset) -> None:
        dataset.SeriesInstanceUID = ""

    verdict = altered(corpus, tmp_path / "out", change)
    assert set(verdict.type_1_lost) >= {"SeriesInstanceUID"}
    assert not verdict.type_2_lost


def test_a_lost_type_2_attribute_is_seen_and_an_empty_one_is_not(corpus: Corpus, tmp_path: Path) -> None:
    """StudyID may be empty and AccessionNumber may not be gone (Type 2)."""

    def change(dataset: FileDataset) -> None:
        dataset.StudyID = ""
        del dataset.AccessionNumber

    assert set(altered(corpus, tmp_path / "out", change).type_2_lost) == {"AccessionNumber"}


def test_a_changed_quantity_is_seen_at_any_depth(corpus: Corpus, tmp_path: Path) -> None:
    """An echo time in a frame's functional group that differs in its last digit is a changed value."""

    def change(dataset: FileDataset) -> None:
        dataset.PerFrameFunctionalGroupsSequence[0].MREchoSequence[0].EffectiveEchoTime += 0.001

    assert set(altered(corpus, tmp_path / "out", change, only="enhanced").values_changed) == {"EffectiveEchoTime"}


def test_changed_pixels_count_as_a_clean_image_withheld(corpus: Corpus, tmp_path: Path) -> None:
    """An image whose pixels differ is not the image that was to come out."""

    def change(dataset: FileDataset) -> None:
        dataset.PixelData = bytes(len(dataset.PixelData))

    assert altered(corpus, tmp_path / "out", change, only="scout").clean_withheld


def test_a_reference_to_the_old_or_another_object_is_seen(corpus: Corpus, tmp_path: Path) -> None:
    """References must hold what their target's own UID has become."""

    def change(dataset: FileDataset) -> None:
        dataset.ReferencedImageSequence[0].ReferencedSOPInstanceUID = "2.25.4711"

    assert altered(corpus, tmp_path / "out", change, only="dixon").broken_references


def test_one_uid_that_became_two_is_seen(corpus: Corpus, tmp_path: Path) -> None:
    """A study whose files got different StudyInstanceUIDs fell apart."""
    numbers = iter(range(1, 10_000))

    def change(dataset: FileDataset) -> None:
        dataset.StudyInstanceUID = f"2.25.{next(numbers)}"

    verdict = altered(corpus, tmp_path / "out", change, only="series/")
    assert verdict.uids_inconsistent
    assert verdict.broken_references


def test_lost_private_numbers_and_intervals_are_seen(corpus: Corpus, tmp_path: Path) -> None:
    """Without private elements no safe number is kept; with one date for all, no interval is."""

    def change(dataset: FileDataset) -> None:
        dataset.remove_private_tags()
        dataset.StudyDate = "19000101"

    verdict = altered(corpus, tmp_path / "out", change)
    assert len(verdict.safe_lost) == verdict.safe_planted > 0
    assert verdict.intervals_kept == 0 < verdict.intervals_planted


def test_shifted_dates_are_no_leak_and_keep_their_intervals(corpus: Corpus, tmp_path: Path) -> None:
    """All study dates four years earlier: nothing leaks at their place, and every interval is as before."""

    def change(dataset: FileDataset) -> None:
        dataset.StudyDate = f"{int(str(dataset.StudyDate)[:4]) - 4}{str(dataset.StudyDate)[4:]}"

    verdict = altered(corpus, tmp_path / "out", change, only="series/")
    assert verdict.intervals_kept == verdict.intervals_planted
    assert not [p for p in verdict.leaked if p.kind is Kind.DATE and p.place == (0x00080020,) and "series/" in p.file]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16-le", "utf-16-be"])
def test_a_name_in_a_log_is_found_in_any_encoding(corpus: Corpus, tmp_path: Path, encoding: str) -> None:
    """A report beside the images that names a patient leaks, whatever its encoding and case."""
    plant = next(p for p in corpus.plants if p.kind is Kind.TEXT and str(p.needles[0]).isascii())
    (tmp_path / "run.log").write_bytes(f"treated: {plant.needles[0]}".upper().encode(encoding))
    assert plant in judge(corpus, tmp_path).leaked


def test_a_name_in_a_file_name_is_found(corpus: Corpus, tmp_path: Path) -> None:
    """An output's folder that is named after a patient leaks."""
    plant = next(p for p in corpus.plants if p.category is Category.FILE_NAME)
    (tmp_path / f"of_{plant.needles[0]}").mkdir()
    (tmp_path / f"of_{plant.needles[0]}" / "report.txt").touch()
    assert judge(corpus, tmp_path).leaked == (plant,)


def test_a_date_is_found_in_another_spelling(corpus: Corpus, tmp_path: Path) -> None:
    """A birth date written with points in a comment of the same patient's file leaks."""
    file = next(f for f in corpus.files if "scout" in f.name)
    with config.disable_value_validation():
        dataset = dcmread(corpus.folder / file.name)
        birth = str(dataset.PatientBirthDate)
        dataset.PatientBirthDate = "19000101"
        dataset.ImageComments = f"born {birth[6:]}.{birth[4:6]}.{birth[:4]}"
        dataset.save_as(tmp_path / "a.dcm")
    assert [p for p in judge(corpus, tmp_path).leaked if p.kind is Kind.DATE and p.place == (0x00100030,)]


def test_a_damaged_output_is_still_searched(corpus: Corpus, tmp_path: Path) -> None:
    """A file that cannot be parsed leaks what its bytes say; a packed log is not opened."""
    plant = next(p for p in corpus.plants if p.kind is Kind.BYTES)
    (tmp_path / "half.dcm").write_bytes(bytes(128) + b"DICM\2\0" + bytes(plant.needles[0]))
    (tmp_path / "other.gz").write_bytes(gzip.compress(b"nothing"))
    assert judge(corpus, tmp_path).leaked == (plant,)
