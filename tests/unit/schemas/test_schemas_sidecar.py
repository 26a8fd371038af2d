"""The JSON beside every image."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from myofed_schemas.sidecar import AnatomicalLevel, Provenance, Sidecar

PROVENANCE = {
    "SourceSeriesInstanceUID": "2.25.1",
    "SourceDigest": "a" * 64,
    "SourceFiles": 2,
    "PolicyDigest": "b" * 64,
    "ImageDigest": "c" * 64,
    "ValueScaling": "stored",
    "Tools": {"myofed": "0"},
}


def test_unknown_key_is_refused() -> None:
    """A patient's name cannot ride along."""
    with pytest.raises(ValidationError):
        Sidecar.model_validate({"Provenance": PROVENANCE, "PatientName": "x"})


def test_uid_that_is_not_ours_is_refused() -> None:
    """Only keyed UIDs below 2.25 stand in a sidecar."""
    with pytest.raises(ValidationError):
        Provenance.model_validate(PROVENANCE | {"SourceSeriesInstanceUID": "1.3.12.2.1107"})


def test_document_is_read_back_as_it_was_written() -> None:
    """Keys are the standard's, absent values are absent, arrays stay arrays."""
    made = Sidecar.model_validate({"EchoTime": [2.3, 4.6], "FlipAngle": 15, "Provenance": PROVENANCE})
    content = json.loads(made.to_json())
    assert content["EchoTime"] == [2.3, 4.6]
    assert "RepetitionTime" not in content
    assert Sidecar.model_validate_json(made.to_json()) == made


@pytest.mark.parametrize(
    "told",
    [
        {"Bone": "femur"},
        {"PercentOfLength": [50.0]},
        {"Landmark": "upper edge of patella"},
        {"DistanceToLandmark": [120.0]},
        {"Bone": "femur", "PercentOfLength": [50.0], "Landmark": "upper edge of patella"},
        {},
    ],
)
def test_level_that_is_told_by_half_is_refused(told: dict[str, object]) -> None:
    """A bone without percent, a landmark without distance say nothing."""
    with pytest.raises(ValidationError):
        AnatomicalLevel.model_validate(told)
