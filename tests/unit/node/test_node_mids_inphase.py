"""The one channel every site can form."""

from __future__ import annotations

from pathlib import Path

import pytest
from mids_factories import NOW, Kind, classic, write_deidentified

from myofed_node.mids.convert import convert
from myofed_node.mids.inphase import cycles_from_in_phase, in_phase_image, in_phase_images
from myofed_schemas.errors import MyofedError

INPH = ("DERIVED", "PRIMARY", "DIXON", "IN_PHASE")
PHASE = ("ORIGINAL", "PRIMARY", "P", "ND")


def session(tmp_path: Path, *kinds: Kind) -> tuple[Path, str, str]:
    files = [dataset for kind in kinds for dataset in classic(kind)]
    report = convert(write_deidentified(tmp_path / "clean", files), tmp_path / "mids", now=NOW)
    first = report.series[0]
    assert first.subject
    assert first.session
    return tmp_path / "mids", first.subject, first.session


def test_session_without_an_echo_in_phase_is_refused(tmp_path: Path) -> None:
    """An echo half-way between in and opposed phase is not passed off as in phase."""
    dataset, subject, label = session(tmp_path, Kind(echo_times_ms=(1.15, 1.7)))
    with pytest.raises(MyofedError) as refusal:
        in_phase_image(dataset, subject, label)
    assert refusal.value.code == "SUBJECT_NO_IN_PHASE"


def test_field_that_is_not_said_gives_no_in_phase_echo(tmp_path: Path) -> None:
    """Without field strength nobody knows which echo is in phase."""
    dataset, subject, label = session(tmp_path, Kind(extra={"MagneticFieldStrength": None}))
    assert in_phase_images(dataset, subject, label) == ()


def test_sidecar_that_is_missing_or_foreign_gives_no_in_phase_echo(tmp_path: Path) -> None:
    """Echo times of another maker may be in another unit."""
    dataset, subject, label = session(tmp_path, Kind())
    (sidecar,) = dataset.rglob("*_MEGRE.json")
    sidecar.write_text('{"EchoTime": [0.0023, 0.0046], "MagneticFieldStrength": 3}')
    assert in_phase_images(dataset, subject, label) == ()
    sidecar.unlink()
    assert in_phase_images(dataset, subject, label) == ()


@pytest.mark.parametrize(
    ("tesla", "echoes", "volume"),
    [(3, (1.15, 2.30, 3.45), 1), (1.5, (2.3, 4.7, 6.9), 1), (3, (1.2, 2.4, 4.61), 2), (3, (2.3, 4.6), 0)],
)
def test_echo_nearest_in_phase_is_chosen(tmp_path: Path, tesla: float, echoes: tuple[float, ...], volume: int) -> None:
    """2.30 ms at 3 T, 4.6 ms at 1.5 T; of two that are equally near the earlier."""
    kind = Kind(echo_times_ms=echoes, extra={"MagneticFieldStrength": tesla, "ImagingFrequency": str(tesla * 42.577)})
    dataset, subject, label = session(tmp_path, kind)
    assert in_phase_image(dataset, subject, label).volume == volume


def test_dixon_product_goes_before_an_echo_and_phase_never_counts(tmp_path: Path) -> None:
    """The scanner's in-phase image first, then the magnitude echo."""
    dataset, subject, label = session(
        tmp_path,
        Kind(series=1),
        Kind(series=2, image_type=INPH, echo_times_ms=(2.3,)),
        Kind(series=3, image_type=PHASE, extra={"RescaleSlope": "2", "RescaleIntercept": "-4096"}),
    )
    names = [image.path.name.split("_", 2)[2] for image in in_phase_images(dataset, subject, label)]
    assert names == ["INPH.nii.gz", "MEGRE.nii.gz"]


def test_time_zero_is_no_echo() -> None:
    """0.1 ms is far from the first in-phase time, not near excitation."""
    assert cycles_from_in_phase(0.1, 3.0) == pytest.approx(0.9565, abs=1e-3)
    assert cycles_from_in_phase(2.3, 3.0) == pytest.approx(0.0)
    assert cycles_from_in_phase(1.15, 3.0) == pytest.approx(0.5)
