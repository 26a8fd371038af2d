"""The MIDI-B runner end to end, on synthetic data and an answer key of our own."""

from __future__ import annotations

import csv
import datetime as dt
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from bench.midi_b.__main__ import main
from bench.midi_b.answer_key import Action, read_answer_key
from bench.midi_b.checks import Verdict
from bench.midi_b.mapping import Inputs, read_inputs
from bench.midi_b.own_key import OwnSet, make_own_set
from bench.midi_b.run import PUBLIC_KEY_NEVER_FOR_PATIENTS, WITHOUT_DIGEST, output_of, run
from bench.midi_b.score import Output, Score, score
from pydicom import dcmread
from pydicom.dataset import Dataset

from myofed_anonymization import default_policy, new_uid, pseudonym
from myofed_schemas.deid import REPORT_NAME, DeidentificationReport

NOW = dt.datetime(2026, 11, 24, 12, 0, 0, tzinfo=dt.UTC)
KEYS = PUBLIC_KEY_NEVER_FOR_PATIENTS


@dataclass(frozen=True)
class Made:
    """An own set and what one run made of it."""

    own: OwnSet
    out: Path
    found: dict
    inputs: Inputs
    report: DeidentificationReport


def made_in(folder: Path, **settings: object) -> Made:
    own = make_own_set(folder, **settings)
    out = folder / "out"
    found = run(own.data, own.key, out, policy=default_policy(), now=NOW)
    report = DeidentificationReport.model_validate_json((out / "deidentified" / REPORT_NAME).read_bytes())
    return Made(own, out, found, read_inputs(own.data, keys=KEYS, retain_uids=False), report)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_in(tmp_path_factory.mktemp("mixed"))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_in(tmp_path_factory.mktemp("mr"), patients=1, modalities=("MR",))


def changed(images: Made, folder: Path, change: Callable[[Dataset, Dataset], None]) -> Score:
    """The score after `change(old, new)` of one released file."""
    copy = shutil.copytree(images.out / "deidentified", folder / "copy")
    output = output_of(images.report, images.inputs, copy, dates=True)
    source = images.own.data / "0-MR" / "1-1.dcm"
    old = dcmread(source)
    path = output.released[old.SOPInstanceUID]
    new = dcmread(path)
    change(old, new)
    new.save_as(path)
    return score(read_answer_key(images.own.key), output)


def failures(result: Score) -> dict[str, int]:
    """What did not pass, by action."""
    return {
        name: missed for name, counts in result.actions.items() if (missed := counts.total() - counts[Verdict.PASSED])
    }


def keep_name(old: Dataset, new: Dataset) -> None:
    new.PatientName = old.PatientName


def keep_name_in_text(old: Dataset, new: Dataset) -> None:
    new.StudyDescription = old.StudyDescription


def keep_private_text(old: Dataset, new: Dataset) -> None:
    new.private_block(0x0029, "OWN NOTES", create=True).add_new(0x01, "LO", str(old.PatientName))


def keep_date(old: Dataset, new: Dataset) -> None:
    new.StudyDate = old.StudyDate


def keep_uid(old: Dataset, new: Dataset) -> None:
    new.FrameOfReferenceUID = old.FrameOfReferenceUID


def break_reference(_: Dataset, new: Dataset) -> None:
    new.ReferencedImageSequence[0].ReferencedSOPInstanceUID = "2.25.1"


def change_pixel(_: Dataset, new: Dataset) -> None:
    new.PixelData = bytes([new.PixelData[0] ^ 1]) + new.PixelData[1:]


def lose_mandatory(_: Dataset, new: Dataset) -> None:
    del new.StudyID


def empty_value(_: Dataset, new: Dataset) -> None:
    new.PixelSpacing = None


def change_echo_time(_: Dataset, new: Dataset) -> None:
    new.EchoTime = "5.2"


def lose_safe_private(_: Dataset, new: Dataset) -> None:
    del new[0x0019100C]


def other_patient_id(_: Dataset, new: Dataset) -> None:
    new.PatientID = "AAAAAAAAAAAAAAAA"


@pytest.mark.parametrize(
    ("fault", "action"),
    [
        (keep_name, Action.TEXT_REMOVED),
        (keep_name_in_text, Action.TEXT_REMOVED),
        (keep_private_text, Action.TEXT_REMOVED),
        (keep_date, Action.DATE_SHIFTED),
        (keep_uid, Action.UID_CHANGED),
        (break_reference, Action.UID_CONSISTENT),
        (change_pixel, Action.PIXELS_RETAINED),
        (lose_mandatory, Action.TAG_RETAINED),
        (empty_value, Action.TEXT_NOTNULL),
        (change_echo_time, Action.TEXT_RETAINED),
        (lose_safe_private, Action.TEXT_RETAINED),
        (other_patient_id, Action.PATID_CONSISTENT),
    ],
)
def test_each_deliberate_fault_fails_exactly_its_action(
    images: Made, tmp_path: Path, fault: Callable[[Dataset, Dataset], None], action: Action
) -> None:
    """One fault in one file costs one required action, and the score says which."""
    result = changed(images, tmp_path, fault)
    assert failures(result) == {action: 1}
    assert result.released() == 1 - 1 / result.total.total()


def test_untouched_output_scores_one_hundred_percent(images: Made, tmp_path: Path) -> None:
    """Our own output passes every action that our own key requires."""
    assert failures(changed(images, tmp_path, lambda old, new: None)) == {}
    assert images.found["scores_percent"] == {"released": 100.0, "strict": 100.0, "as_published": 100.0}


def test_withheld_instances_fail_everything_in_the_strict_score_only(made: Made) -> None:
    """What our policy refuses is not hidden: the released score leaves it out, the strict one counts it as failed."""
    required = made.found["required"]
    assert made.found["scores_percent"]["released"] == 100.0
    assert required["withheld"] > 0
    assert made.found["scores_percent"]["strict"] == int(10_000 * required["passed"] / required["required"]) / 100


def test_a_missing_instance_passes_removals_in_the_score_as_published(made: Made) -> None:
    """The published script lets a missing file pass what had to go, and fails what had to be kept."""
    actions = made.found["actions"]
    gone = ("text_removed", "date_shifted", "uid_changed", "pixels_hidden")
    passed = made.found["required"]["passed"] + sum(actions[name]["withheld"] for name in gone)
    assert (
        made.found["scores_percent"]["as_published"] == int(10_000 * passed / made.found["required"]["required"]) / 100
    )


def test_refused_modalities_are_named_with_their_codes(made: Made) -> None:
    """Who reads the score sees which modalities were never released, and why."""
    assert made.found["refused_modalities"] == ["CT", "US"]
    assert made.found["modalities"]["CT"]["withheld_by_code"] == {"SOP_CLASS_REFUSED": 4}
    assert made.found["modalities"]["MR"]["instances"] == {"released": 4, "withheld": 0, "absent": 0}


def test_every_action_of_the_benchmark_is_in_our_own_key(made: Made) -> None:
    """The key we test with requires all ten actions."""
    assert set(made.found["actions"]) == set(Action)


def test_all_dates_move_by_their_patients_own_shift(made: Made) -> None:
    """Beyond the benchmark: an interval lost would be seen."""
    assert made.found["dates_by_keyed_shift"] == {"looked_at": 8, "kept_interval": 8}


def test_a_date_moved_by_another_number_of_days_is_seen(images: Made, tmp_path: Path) -> None:
    """The benchmark passes any other date; our own count does not."""

    def move(_: Dataset, new: Dataset) -> None:
        new.StudyDate = "20010101"

    result = changed(images, tmp_path, move)
    assert failures(result) == {}
    assert (result.shift.looked_at, result.shift.kept_interval) == (4, 3)


def test_an_instance_of_the_key_that_the_data_lack_is_absent(made: Made) -> None:
    """An incomplete download is not taken for a withheld file, and not for a passed one."""
    output = output_of(made.report, made.inputs, made.out / "deidentified", dates=True)
    uid = next(iter(output.released))
    fewer = {old: path for old, path in output.released.items() if old != uid}
    result = score(read_answer_key(made.own.key), Output(fewer, output.withheld, output.mappings))
    assert result.instances["MR"][Verdict.ABSENT] == 1
    assert result.released() == 1.0
    assert result.shift.looked_at == 0


def test_an_input_without_digest_in_the_report_counts_as_withheld(made: Made) -> None:
    """A file whose process died has an outcome but perhaps no digest; its instance is not absent."""
    blind = made.report.model_copy(
        update={"files": tuple(f.model_copy(update={"input_sha256": None}) for f in made.report.files)}
    )
    output = output_of(blind, made.inputs, made.out, dates=True)
    assert output.released == {}
    assert set(output.withheld.values()) == {WITHOUT_DIGEST}


def test_the_mapping_files_have_the_benchmarks_columns(made: Made) -> None:
    """uid_mapping.csv and patid_mapping.csv can be given to the published script as they are."""
    uids = list(csv.reader((made.out / "uid_mapping.csv").read_text().splitlines()))
    patients = list(csv.reader((made.out / "patid_mapping.csv").read_text().splitlines()))
    first = dcmread(made.own.data / "0-MR" / "1-1.dcm")
    assert uids[0] == patients[0] == ["id_old", "id_new"]
    assert [str(first.FrameOfReferenceUID), new_uid(KEYS, first.FrameOfReferenceUID)] in uids
    assert [first.PatientID, pseudonym(KEYS, issuer="", patient_id=first.PatientID)] in patients
    assert not any(old.startswith("1.2.840.10008.") for old, _ in uids)


def test_the_result_holds_no_value_of_the_data(made: Made) -> None:
    """midi_b.json may be shown to anyone: no name, identifier, date or UID of an input, no path."""
    text = (made.out / "midi_b.json").read_text()
    for path in made.own.data.rglob("*.dcm"):
        old = dcmread(path)
        held = [str(old[keyword].value) for keyword in ("PatientName", "PatientID", "StudyDate", "SOPInstanceUID")]
        assert [value for value in (*held, str(path)) if value in text] == []


def test_the_same_seed_makes_the_same_data(tmp_path: Path) -> None:
    """Anyone who runs the test data maker with one seed has the same files."""
    sets = [make_own_set(tmp_path / name, seed=7, patients=1) for name in ("a", "b")]
    contents = [[path.read_bytes() for path in sorted(one.data.rglob("*.dcm"))] for one in sets]
    assert contents[0] == contents[1]


def test_the_command_prints_the_score_beside_the_published_one(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    """A person sees our scores, what was refused and the best published score with its source."""
    assert main(["--data", str(made.own.data), "--key", str(made.own.key), "--out", str(made.out)]) == 0
    printed = capsys.readouterr().out
    assert "score, released        100.00 %" in printed
    assert "99.93 %" in printed
    assert "arXiv 2507.23608" in printed
    assert "refused modalities: CT, US" in printed


def test_the_command_prints_json_and_takes_another_policy(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--json prints the document; --policy decides what is kept, and its digest stands in the document."""
    policy = default_policy().model_copy(update={"version": "strict-1", "retain_modified_dates": False})
    path = tmp_path / "policy.yaml"
    path.write_text(policy.model_dump_json())
    command = ["--data", str(made.own.data), "--key", str(made.own.key), "--out", str(tmp_path / "out")]
    assert main([*command, "--policy", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["policy_digest"] == policy.digest()
    assert found["dates_by_keyed_shift"]["looked_at"] == 0


def test_without_out_only_the_result_stays(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Output and mapping files of a run without --out are gone; the result lies with the other benchmarks' results."""
    monkeypatch.setattr("bench.midi_b.__main__.RESULTS", tmp_path / "results")
    assert main(["--data", str(made.own.data), "--key", str(made.own.key)]) == 0
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["midi_b.json"]


def test_a_file_that_is_no_key_stops_the_run_before_it_starts(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong --key costs no hours: nothing was de-identified yet."""
    (tmp_path / "key.zip").write_bytes(b"PK")
    out = tmp_path / "out"
    assert main(["--data", str(made.own.data), "--key", str(tmp_path / "key.zip"), "--out", str(out)]) == 2
    assert "ANSWER_KEY_INVALID" in capsys.readouterr().err
    assert not out.exists()


def test_a_key_that_requires_nothing_is_no_score(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 of 0 is refused."""
    key = shutil.copy(made.own.key, tmp_path / "empty.db")
    with closing(sqlite3.connect(key)) as connection, connection:
        connection.execute("DELETE FROM answer_data")
    assert main(["--data", str(made.own.data), "--key", str(key), "--out", str(tmp_path / "out")]) == 2
    assert "ANSWER_KEY_EMPTY" in capsys.readouterr().err
