"""Where images go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from mids_factories import Kind, classic

from myofed_node.mids.dicom_input.frames import Series
from myofed_node.mids.dicom_input.headers import read_series
from myofed_node.mids.judging.classify import PlannedImage, classify
from myofed_node.mids.layout import name_images, session_label, subject_label
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_schemas.errors import MyofedError

PHASE = ("ORIGINAL", "PRIMARY", "P", "ND")


def read(kind: Kind) -> tuple[Series, tuple[PlannedImage, ...]]:
    series = read_series(classic(kind))
    return series, classify(series)


def stems(*kinds: Kind, dataset: Path) -> list[str]:
    planned = [read(kind) for kind in kinds]
    named = name_images(planned, dataset=dataset)
    return [image.name.stem.split("_", 2)[2] for series, _ in planned for image in named[series.uid]]


def test_patient_id_that_is_no_label_is_refused() -> None:
    """A name with a blank or a hyphen did not come from our de-identification."""
    series, _ = read(Kind())
    with pytest.raises(SeriesRefusedError) as refusal:
        subject_label(replace(series, subject="Muster^Max"))
    assert refusal.value.code == "SUBJECT_LABEL_INVALID"
    assert "Muster" not in str(refusal.value)


def test_session_with_sidecars_of_another_writer_is_refused(tmp_path: Path) -> None:
    """What we cannot read we do not number around."""
    series, images = read(Kind())
    folder = tmp_path / f"sub-{series.subject}" / f"ses-{session_label(series.study_uid)}" / "mr-anat"
    folder.mkdir(parents=True)
    (folder / "x.json").write_text("{}")
    with pytest.raises(MyofedError) as refusal:
        name_images([(series, images)], dataset=tmp_path)
    assert refusal.value.code == "SESSION_NOT_OURS"


def test_second_series_of_one_kind_becomes_run_2(tmp_path: Path) -> None:
    """Nothing is overwritten; the order is that of SeriesNumber, not of reading."""
    assert stems(Kind(series=9), Kind(series=4), dataset=tmp_path) == ["run-2_MEGRE", "MEGRE"]


def test_phase_takes_the_run_of_its_magnitude(tmp_path: Path) -> None:
    """The nearest magnitude by SeriesNumber with the same echoes and grid is the partner."""
    kinds = (Kind(series=1), Kind(series=5), Kind(series=6, image_type=PHASE))
    assert stems(*kinds, dataset=tmp_path) == ["MEGRE", "run-2_MEGRE", "run-2_part-phase_MEGRE"]


def test_phase_without_a_partner_never_takes_a_magnitudes_run(tmp_path: Path) -> None:
    """A phase with other echoes belongs to no magnitude here."""
    kinds = (Kind(series=1), Kind(series=2, image_type=PHASE, echo_times_ms=(1.0, 2.0)))
    assert stems(*kinds, dataset=tmp_path) == ["MEGRE", "run-2_part-phase_MEGRE"]


def test_session_label_depends_on_the_study_alone() -> None:
    """The same in any process, letters and digits only, different for two studies."""
    assert session_label("2.25.1") == session_label("2.25.1")
    assert session_label("2.25.1") != session_label("2.25.2")
    assert session_label("2.25.1").isalnum()
    assert len(session_label("2.25.1")) == 10
