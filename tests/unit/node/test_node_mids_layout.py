"""Where images go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mids_factories import Kind, classic

from myofed_node.mids.dicom_input.frames import Series
from myofed_node.mids.dicom_input.headers import read_series
from myofed_node.mids.judging.classify import PlannedImage, classify
from myofed_node.mids.layout import name_images, session_label, subject_label
from myofed_node.mids.nifti import write_nifti
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_schemas.errors import MyofedError
from myofed_schemas.sidecar import Provenance, Sidecar

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
    """The magnitude just before it by SeriesNumber, with the same echoes, grid and acquisition, is the partner."""
    kinds = (Kind(series=1), Kind(series=5), Kind(series=6, image_type=PHASE))
    assert stems(*kinds, dataset=tmp_path) == ["MEGRE", "run-2_MEGRE", "run-2_part-phase_MEGRE"]


def test_phase_without_a_partner_never_takes_a_magnitudes_run(tmp_path: Path) -> None:
    """A phase with other echoes belongs to no magnitude here."""
    kinds = (Kind(series=1), Kind(series=2, image_type=PHASE, echo_times_ms=(1.0, 2.0)))
    assert stems(*kinds, dataset=tmp_path) == ["MEGRE", "run-2_part-phase_MEGRE"]


def label(kind: Kind) -> str:
    """A short name for a series: component and SeriesNumber."""
    return f"{kind.image_type[2]}{kind.series}"


def runs(*kinds: Kind, dataset: Path) -> dict[str, int]:
    """Run by component and SeriesNumber; the same in any order of input."""
    found = []
    for order in (kinds, kinds[::-1], (*kinds[1:], *kinds[:1])):
        planned = [read(kind) for kind in order]
        named = name_images(planned, dataset=dataset)
        numbers = {label(kind): named[series.uid][0].name.run for kind, (series, _) in zip(order, planned, strict=True)}
        found.append(numbers)
    assert found[0] == found[1] == found[2]
    return found[0]


def series_of(text: str) -> tuple[Kind, ...]:
    """`M11 P12`: magnitude, phase, real (R) and imaginary (I) images with their SeriesNumber."""
    return tuple(Kind(series=int(word[1:]), image_type=("ORIGINAL", "PRIMARY", word[0], "ND")) for word in text.split())


TOGETHER = [
    ("P11 M12 P13", [{"M12", "P13"}]),
    ("M10 P11 M12 P13", [{"M10", "P11"}, {"M12", "P13"}]),
    ("P11 M12", []),
    ("M1 M5 P8", []),
    ("M10 P13 M14", []),
    ("M1 P2", [{"M1", "P2"}]),
    ("M1 P3", []),
    ("M5 P500", []),
    ("M11 P12 R13 I14 M15 P16 R17 I18", [{"M11", "P12", "R13", "I14"}, {"M15", "P16", "R17", "I18"}]),
    ("R3 I4", [{"R3", "I4"}]),
    ("M10 P12 M14", []),
    ("P8 M10 P12", []),
    ("M10 M11 P12 P13", []),
    ("P11 M12 P13 M14", []),
    ("P11 P12 M13 M14", []),
    ("M5 M6 P500 P600", []),
    ("M10 P11 P12", [{"M10", "P11"}]),
    ("P11 M12 P13 M20", [{"M12", "P13"}]),
]


@pytest.mark.parametrize(("text", "together"), TOGETHER)
def test_runs_join_what_can_only_belong_together(tmp_path: Path, text: str, together: list[set[str]]) -> None:
    """Every other image stands alone, never in the run of a foreign one."""
    numbers = runs(*series_of(text), dataset=tmp_path)
    joined = [{name for name, number in numbers.items() if number == run} for run in set(numbers.values())]
    assert sorted(sorted(group) for group in joined if len(group) > 1) == sorted(sorted(group) for group in together)


def test_lone_phase_has_a_run_behind_all_magnitudes(tmp_path: Path) -> None:
    """A repeat whose magnitude is missing never stands beside that of another."""
    assert runs(*series_of("P11 M12 P13"), dataset=tmp_path) == {"M12": 1, "P13": 1, "P11": 2}


def test_images_of_other_matrices_are_no_partners(tmp_path: Path) -> None:
    """The affine alone does not tell how many voxels there are."""
    magnitude, (image,) = read(Kind(series=1))
    phase, (other,) = read(Kind(series=2, image_type=PHASE))
    frames = tuple(
        tuple(replace(frame, plane=replace(frame.plane, shape=(8, 5))) for frame in echoes)
        for echoes in other.stack.frames
    )
    cut = replace(other, stack=replace(other.stack, frames=frames))
    named = name_images([(magnitude, (image,)), (phase, (cut,))], dataset=tmp_path)
    assert named[phase.uid][0].name.run == 2


def held(dataset: Path, *kinds: Kind) -> None:
    """The data set after a call with these series."""
    planned = [read(kind) for kind in kinds]
    for uid, images in name_images(planned, dataset=dataset).items():
        for one in images:
            stack = one.image.stack
            rows, columns = stack.frames[0][0].plane.shape
            shape = (columns, rows, len(stack.frames), len(stack.echo_times_ms))
            digest = write_nifti(dataset / one.name.image, np.ones(shape, np.int16), stack.affine_ras)
            provenance = Provenance(
                source_series_instance_uid=uid,
                source_digest="1" * 64,
                source_files=1,
                policy_digest="2" * 64,
                image_digest=digest,
                value_scaling="stored",
                tools={},
            )
            sidecar = Sidecar(echo_time_ms=stack.echo_times_ms, provenance=provenance)
            (dataset / one.name.sidecar).write_bytes(sidecar.to_json())


CALLS = [
    ("M1", "P2", {"P2": 2}),
    ("P2", "M1", {"M1": 2}),
    ("R2", "I3", {"I3": 2}),
    ("M1 M5", "P6", {"P6": 3}),
    ("M1", "M1 P2", {"M1": 1, "P2": 1}),
    ("P2", "M1 P2", {"M1": 1, "P2": 1}),
    ("M1 P2", "P3", {"P3": 2}),
    ("P2", "M8 P9", {"M8": 2, "P9": 2}),
    ("P2", "P2", {"P2": 1}),
]


@pytest.mark.parametrize(("first", "second", "expected"), CALLS)
def test_image_of_an_earlier_call_is_a_partner_only_where_it_comes_again(
    tmp_path: Path, first: str, second: str, expected: dict[str, int]
) -> None:
    """Its sidecar does not tell which repeat it is of; else a run that no image of the suffix has."""
    held(tmp_path, *series_of(first))
    assert runs(*series_of(second), dataset=tmp_path) == expected


def test_series_without_a_number_are_no_neighbours(tmp_path: Path) -> None:
    """0 stands for an absent SeriesNumber."""
    absent: dict[str, object] = {"SeriesNumber": None}
    kinds = Kind(series=1, extra=absent), Kind(series=2, extra=absent, image_type=PHASE)
    assert sorted(runs(*kinds, dataset=tmp_path).values()) == [1, 2]


OTHERS: list[dict[str, Any]] = [
    {"ProtocolName": "gre repeat"},
    {"RepetitionTime": "101"},
    {"FlipAngle": "16"},
    {"PixelBandwidth": "520"},
    {"ImagingFrequency": "123.26"},
    {"SequenceName": "*fl2d3"},
    {"ScanOptions": "FS"},
    {"ManufacturerModelName": "Skyra"},
]


@pytest.mark.parametrize("other", OTHERS, ids="".join)
def test_lone_magnitude_and_lone_phase_of_two_acquisitions_are_no_pair(tmp_path: Path, other: dict[str, Any]) -> None:
    """Same echo times, same grid, neighbouring SeriesNumbers, and one fact that is another."""
    magnitude = Kind(series=1, extra={"ProtocolName": "gre"})
    phase = Kind(series=2, image_type=PHASE, extra={"ProtocolName": "GRE "})
    assert runs(magnitude, phase, dataset=tmp_path) == {"M1": 1, "P2": 1}
    assert runs(magnitude, replace(phase, extra=phase.extra | other), dataset=tmp_path) == {"M1": 1, "P2": 2}


def test_session_label_depends_on_the_study_alone() -> None:
    """The same in any process, letters and digits only, different for two studies."""
    assert session_label("2.25.1") == session_label("2.25.1")
    assert session_label("2.25.1") != session_label("2.25.2")
    assert session_label("2.25.1").isalnum()
    assert len(session_label("2.25.1")) == 10
