"""A run done again from what it left behind; only the same bits are a success."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from simulation_factories import job, quiet, study, write_sites

from myofed_schemas.errors import MyofedError
from myofed_simulation.plan import RunRecord
from myofed_simulation.repeat import Again, read_record, repeat
from myofed_simulation.run import simulate


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Record of a run of two sites in one round."""
    home = tmp_path_factory.mktemp("repeat")
    source = write_sites(home / "data", ("hospital-a", "hospital-b"))
    asked = job(source, home / "out", study(home, rounds=1))
    simulate(asked, told=quiet())
    return asked.out.record


def again(record: Path, out: Path) -> Again:
    return Again(record=record, out=out, engine="pool", workers=1, cache_bytes=1 << 20)


def altered(record: Path, folder: Path, **changes: object) -> Path:
    """The record with other fields, beside the same initial weights."""
    folder.mkdir()
    (folder / "initial.safetensors").write_bytes((record.parent / "initial.safetensors").read_bytes())
    document = RunRecord.model_validate_json(record.read_bytes()).model_copy(update=changes)
    (folder / "run.json").write_text(document.model_dump_json())
    return folder / "run.json"


def code_of(asked: Again) -> str:
    with pytest.raises(MyofedError) as error:
        repeat(asked, told=quiet())
    return error.value.code


def test_other_bits_are_an_error(done: Path, tmp_path: Path) -> None:
    """One other digest in a round, and the exit status is not 0."""
    record = altered(done, tmp_path / "altered", rounds_sha256=("0" * 64,))
    assert code_of(again(record, tmp_path / "out")) == "SIMULATION_DIFFERS"


def test_changed_data_are_refused_before_anybody_trains(done: Path, tmp_path: Path) -> None:
    """The digest of a site's files is not the record's."""
    sites = RunRecord.model_validate_json(done.read_bytes()).sites
    other = tuple(site.model_copy(update={"data_sha256": "0" * 64}) for site in sites)
    assert (
        code_of(again(altered(done, tmp_path / "altered", sites=other), tmp_path / "out")) == "SIMULATION_DATA_CHANGED"
    )
    assert not list((tmp_path / "out").glob("run-*/round-*"))


def test_record_of_another_kind_is_refused(tmp_path: Path) -> None:
    """A stray JSON file is no run."""
    (tmp_path / "run.json").write_text(json.dumps({"schema_version": "other"}))
    assert code_of(again(tmp_path / "run.json", tmp_path / "out")) == "SIMULATION_RECORD"


def test_run_that_is_not_completed_cannot_be_repeated(done: Path, tmp_path: Path) -> None:
    """Nothing to compare with."""
    assert code_of(again(altered(done, tmp_path / "a", state="failed"), tmp_path / "out")) == "SIMULATION_RECORD"


def test_study_with_privacy_is_not_repeatable(done: Path, tmp_path: Path) -> None:
    """Its noise comes from the system's random source: no seed exists that could be kept."""
    privacy = {"level": "update", "clip_norm": 1.0, "noise_multiplier": 1.0, "delta": 1e-5, "epsilon": 8.0}
    manifest = study(tmp_path, privacy=privacy)
    with pytest.raises(MyofedError) as error:
        read_record(altered(done, tmp_path / "a", manifest=manifest))
    assert error.value.code == "SIMULATION_NOT_REPEATABLE"


def test_repeated_run_agrees_to_the_bit(done: Path, tmp_path: Path) -> None:
    """From run.json and initial.safetensors alone, with the data where they lie."""
    found = repeat(again(done, tmp_path / "out"), told=quiet())
    record = RunRecord.model_validate_json(done.read_bytes())
    assert (found.agrees, found.rounds, found.model_sha256) == (True, 1, record.model_sha256)
    assert found.versions_differ == ()
