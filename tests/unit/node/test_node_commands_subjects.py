"""`myofed-node subjects`: import of CSV and FHIR, refusals without values, interruption, and what is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from site_factories import audited_actions, demo_site
from test_node_commands_interrupted import assert_clean, interrupted
from typer.testing import CliRunner, Result

from myofed_anonymization.pseudonyms import pseudonym
from myofed_node.cli import app
from myofed_node.keys import load_deid_keys
from myofed_node.site_setup import Site
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.subject_facts import CSV_COLUMNS

NUMBER = "4711-0815"
CSV = "subject,sex,diagnosis\nS1,male,ORPHA:269\nS2,female,ORPHA:269\nS3,female,\n"
BUNDLE = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [
        {
            "resource": {
                "resourceType": "Patient",
                "id": "a",
                "identifier": [{"system": "urn:kis", "value": NUMBER}, {"system": "urn:other", "value": "1"}],
                "gender": "female",
                "birthDate": "1983-05-17",
            }
        },
        {
            "resource": {
                "resourceType": "Condition",
                "subject": {"reference": "Patient/a"},
                "code": {"coding": [{"system": "http://www.orpha.net", "code": "269"}]},
            }
        },
    ],
}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return demo_site(tmp_path / "site")


@pytest.fixture
def facts(tmp_path: Path) -> Path:
    path = tmp_path / "facts.csv"
    path.write_text(CSV)
    return path


def subjects(site: Site, *words: object) -> Result:
    arguments = ["subjects", *map(str, words), "--site", str(site.folder.root)]
    return CliRunner().invoke(app, arguments)


def printed(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def put(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (f"patient_id,issuer,sex\n{NUMBER},KH,m\n", "row 2 sex FACT_VALUE"),
        (f"subject,patient_id,sex\nS1,{NUMBER},male\n", "row 2 subject FACT_SUBJECT"),
        (f"subject,name\nS1,{NUMBER}\n", "row 1"),
        (f"subject,sex\nS1,male,{NUMBER}\n", "row 2"),
        (f'subject,sex\n"{NUMBER}', "row 1"),
        (b"subject,sex\n\xff\xfe" + NUMBER.encode(), "row 1"),
        ("", "row 1"),
        (f'{{"resourceType": "Bundle", "entry": [{{"resource": {{"id": "{NUMBER}"}}}}]}}', "row 1"),
        (f'{{"{NUMBER}', "row 0"),
    ],
)
def test_bad_file_is_refused_by_place_and_nothing_is_kept(
    site: Site, tmp_path: Path, content: str | bytes, told: str
) -> None:
    """Row, column and code on stderr and in JSON, no value of the file; neither a register nor an entry is made."""
    result = subjects(site, "import", put(tmp_path / "bad", content), "--json")
    assert result.exit_code == ExitCode.BAD_INPUT
    assert json.loads(result.stdout)["error"]["code"] == "SUBJECTS_INVALID"
    assert told in result.stderr
    assert NUMBER not in result.output
    assert not site.folder.subjects.exists()
    assert audited_actions(site) == []


def test_file_that_is_not_there_is_a_wrong_call(site: Site, tmp_path: Path) -> None:
    """Before the site is touched; a folder is no file either."""
    for path in (tmp_path / "none.csv", tmp_path):
        assert subjects(site, "import", path).exit_code == ExitCode.USAGE
    assert not site.folder.subjects.exists()


def test_csv_is_imported_once_and_counted(site: Site, facts: Path) -> None:
    """The second run of the same file says so and changes nothing; the register is shown by pseudonym and by diagnosis."""
    done = printed(subjects(site, "import", facts, "--json"))
    assert done == {"state": "imported", "subjects": 3, "new": 3, "changed": 0, "without_images": 3}
    kept = site.folder.subjects.read_bytes()
    assert printed(subjects(site, "import", facts, "--json"))["state"] == "unchanged"
    assert "unchanged: 3 subjects, 0 new, 0 changed, 3 without images here" in subjects(site, "import", facts).stderr
    assert site.folder.subjects.read_bytes() == kept
    assert audited_actions(site) == ["SUBJECTS_IMPORTED"]
    assert [each["subject"] for each in printed(subjects(site, "list", "--json"))["subjects"]] == ["S1", "S2", "S3"]
    assert subjects(site, "list").stderr.splitlines()[3:] == ["ORPHA:269: 2", "diagnosis unknown: 1"]
    assert printed(subjects(site, "show", "S2", "--json"))["sex"] == "female"
    assert "diagnosis: ORPHA:269" in subjects(site, "show", "S1").stderr
    assert subjects(site, "show", "S9").exit_code == ExitCode.BAD_INPUT


def test_bundle_is_linked_by_the_identifier_that_is_named(site: Site, tmp_path: Path) -> None:
    """Issuer and system come from the command; without them the number is ambiguous and the bundle refused."""
    file = put(tmp_path / "bundle.json", json.dumps(BUNDLE))
    refused = subjects(site, "import", file, "--json")
    assert (refused.exit_code, json.loads(refused.stdout)["error"]["code"]) == (ExitCode.BAD_INPUT, "SUBJECTS_INVALID")
    linked = ("--issuer", "KH", "--identifier-system", "urn:kis", "--json")
    assert printed(subjects(site, "import", file, *linked))["new"] == 1
    label = pseudonym(load_deid_keys(site.folder), issuer="KH", patient_id=NUMBER)
    found = printed(subjects(site, "show", label, "--json"))
    assert (found["diagnosis"], found["sex"], found["birth_years"]) == ("ORPHA:269", "female", "1980-1984")
    assert printed(subjects(site, "import", file, *linked))["state"] == "unchanged"


def test_template_has_the_columns_and_is_never_written_over(tmp_path: Path) -> None:
    """What is there stays as it is."""
    out = tmp_path / "facts.csv"

    def template() -> Result:
        return CliRunner().invoke(app, ["subjects", "export-template", str(out), "--json"])

    assert printed(template()) == {"columns": list(CSV_COLUMNS)}
    assert out.read_text() == ",".join(CSV_COLUMNS) + "\n"
    out.write_text("mine")
    assert template().exit_code == ExitCode.USAGE
    assert out.read_text() == "mine"


@pytest.mark.parametrize("written", [0, 1])
def test_import_that_was_interrupted_goes_on(site: Site, facts: Path, written: int) -> None:
    """Ctrl-C as the register gets its name, before the audit entry and after it: the second run ends like an undisturbed one."""
    command = ("subjects", "import", facts, "--site", site.folder.root, "--json")
    assert_clean(interrupted(*command, written=written))
    assert [path.name for path in site.folder.root.glob(".*.tmp")] == []
    assert audited_actions(site) == ["SUBJECTS_IMPORTED"][:written]
    again = interrupted(*command, written=99)
    assert again.returncode == 0, again.stderr
    done = json.loads(again.stdout)
    assert (done["state"], done["subjects"], done["new"], done["changed"]) == ("imported", 3, 3, 0)
    assert audited_actions(site) == ["SUBJECTS_IMPORTED"]
    assert printed(subjects(site, "import", facts, "--json"))["state"] == "unchanged"
