"""The side record of a series."""

from __future__ import annotations

import json
import math

import pytest
from pydantic import ValidationError

from myofed_schemas.side_record import SideRecord

RECORD = {
    "series_instance_uid": "2.25.2",
    "instances": {"2.25.4": {"alTE": (2460.0, 4920.0)}, "2.25.3": {"sKSpace.lPartitions": (32.0,)}},
}


@pytest.mark.parametrize(
    "change",
    [
        {"series_instance_uid": "1.3.12.2.1107.5.2"},
        {"series_instance_uid": "2.25.2\n"},
        {"patient": "Fantasia"},
        {"format": "myofed-side-record-2"},
        {"instances": {}},
        {"instances": {"1.3.12.2.1107.5.2": {"alTE": (1.0,)}}},
        {"instances": {"2.25.3": {"Fantasia Ottilie": (1.0,)}}},
        {"instances": {"2.25.3": {"19610214": (1.0,)}}},
        {"instances": {"2.25.3": {"a" * 65: (1.0,)}}},
        {"instances": {"2.25.3": {"alTE": ()}}},
        {"instances": {"2.25.3": {"alTE": ("Fantasia",)}}},
        {"instances": {"2.25.3": {"alTE": (math.nan,)}}},
        {"instances": {"2.25.3": {"alTE": (math.inf,)}}},
        {"instances": {"2.25.3": {"alTE": (1.0,) * 4097}}},
    ],
)
def test_anything_but_numbers_under_new_uids_is_impossible(change: dict[str, object]) -> None:
    """No old UID, no text, no name with a space, nothing that is not finite, no unknown key."""
    with pytest.raises(ValidationError):
        SideRecord.model_validate({**RECORD, **change})


def test_the_same_content_gives_the_same_bytes() -> None:
    """The order in which files were met does not matter: the digest in the report is of the content."""
    record = SideRecord.model_validate(RECORD)
    turned = SideRecord.model_validate({**RECORD, "instances": dict(reversed(RECORD["instances"].items()))})
    assert record.to_json() == turned.to_json()
    assert SideRecord.model_validate_json(record.to_json()) == record
    assert json.loads(record.to_json())["instances"]["2.25.4"] == {"alTE": [2460.0, 4920.0]}
