"""`myofed-node validate` and the pre-commit hook, as processes: exit status, text, JSON, page; and what they do without."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from broken.sets import BROKEN
from myofed_node.cli import app
from myofed_schemas.rules import ValidationReport

NOT_NEEDED = (
    "torch",
    "monai",
    "flwr",
    "cryptography",
    "sqlalchemy",
    "pydicom",
    "nibabel",
    "httpx",
    "scipy",
    "highdicom",
)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["validate", *map(str, arguments)])


def test_good_data_set_ends_with_0(dataset: Path) -> None:
    """And says how much was asked."""
    result = run(dataset)
    assert result.exit_code == 0, result.stderr
    assert "24 images: 0 errors, 0 warnings" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(("code", "status"), [("NDIM", 1), ("FLIP_ANGLE_MISSING", 0), ("DATASET_EMPTY", 1)])
def test_error_ends_with_1_and_warning_with_0(dataset: Path, code: str, status: int) -> None:
    """A finding is one line: level, code, source, path, message, hint."""
    BROKEN[code](dataset)
    result = run(dataset)
    assert result.exit_code == status
    assert f"{code} (ormir-mids)" in result.stderr
    assert "Hint: " in result.stderr


def test_folder_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    """Exit 2, its code on the screen and in JSON."""
    result = run(tmp_path / "none", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["code"] == "DATASET_MISSING"


def test_json_is_the_whole_report(dataset: Path) -> None:
    """One document on stdout, which reads back."""
    BROKEN["ECHO_TIME_UNIT"](dataset)
    report = ValidationReport.model_validate_json(run(dataset, "--json").stdout)
    (finding,) = report.findings
    assert (finding.code, finding.level, finding.source) == ("ECHO_TIME_UNIT", "error", "ormir-mids")
    assert not report.conforms


def test_page_is_written_beside_any_output(dataset: Path, tmp_path: Path) -> None:
    """Also where the data set does not conform."""
    BROKEN["NDIM"](dataset)
    assert run(dataset, "--html", tmp_path / "page.html", "--json").exit_code == 1
    page = (tmp_path / "page.html").read_text()
    assert "NDIM" in page
    assert "does not conform" in page


def test_page_without_a_place_is_refused_before_anything_is_checked(dataset: Path, tmp_path: Path) -> None:
    """A folder that is not there, or a page that is one: code, hint, and exit status 2."""
    for page, found in ((tmp_path / "no" / "page.html", "no such folder"), (tmp_path, "a folder of that name")):
        shown = run(dataset, "--html", page, "--json")
        error = json.loads(shown.stdout)["error"]
        assert (shown.exit_code, error["code"]) == (2, "PAGE_FOLDER_MISSING")
        assert error["message"].endswith(f"found {found}")
        assert error["hint"]
        assert "checked" not in shown.stderr
    assert not (tmp_path / "no").exists()


def test_draft_alone_and_added_rules_are_options(dataset: Path, tmp_path: Path) -> None:
    """The profile's findings go, a site's come."""
    BROKEN["SFORM_QFORM"](dataset)
    assert run(dataset).exit_code == 1
    assert run(dataset, "--standard").exit_code == 0
    rules = tmp_path / "rules.yaml"
    rules.write_text("nothing")
    refused = run(dataset, "--rules", rules)
    assert (refused.exit_code, "RULES_INVALID" in refused.stderr) == (2, True)


def test_long_list_is_cut_on_the_screen_and_counted_by_code(dataset: Path) -> None:
    """Twenty findings, then how often each code came up."""
    for number in range(30):
        (dataset / "sub-A" / f"note-{number}.txt").write_text("x")
    text = run(dataset).stderr
    assert text.count("FILE_NOT_OF_PROFILE (profile)") == 20
    assert "and 10 more" in text
    assert "30 warning FILE_NOT_OF_PROFILE" in text


def test_progress_is_shown_for_a_long_data_set_only(dataset: Path) -> None:
    """A small one ends before a bar is drawn."""
    assert "checked" not in run(dataset).stderr
    for number in range(200):
        (dataset / "derivatives" / f"{number}.txt").write_text("x")
    assert "checked: " in run(dataset).stderr


def test_validator_loads_nothing_that_it_does_not_need(dataset: Path) -> None:
    """Neither the command nor the library; the cold start depends on it."""
    program = (
        "import sys; from pathlib import Path; from myofed_node import cli; from myofed_node.mids.validation.validate import validate;"
        f"report = validate(Path({str(dataset)!r})); assert report.conforms;"
        f"print([name for name in {NOT_NEEDED!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("code", "status"), [(None, 0), ("IMAGE_UNREADABLE", 1)])
def test_hook_runs_on_a_data_set(dataset: Path, repository: Path, code: str | None, status: int) -> None:
    """As pre-commit does: entry and arguments, in the repository that holds the data set."""
    (hook,) = yaml.safe_load((repository / ".pre-commit-hooks.yaml").read_text())
    assert (hook["pass_filenames"], hook["language"], hook["always_run"]) == (False, "python", True)
    assert not {"files", "types", "types_or", "exclude"} & set(hook)
    program, *arguments = [*shlex.split(hook["entry"]), *hook["args"]]
    if code:
        BROKEN[code](dataset)
    beside = Path(sys.executable).parent / program
    done = subprocess.run([beside, *arguments], cwd=dataset, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    assert (code or "0 errors") in done.stderr


def test_hook_installs_the_extra_that_needs_little(repository: Path) -> None:
    """The extra `[validate]` names numpy and PyYAML alone; the rest of the validator's needs are everybody's."""
    import tomllib

    (hook,) = yaml.safe_load((repository / ".pre-commit-hooks.yaml").read_text())
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    assert hook["additional_dependencies"] == [".[validate]"]
    assert {name.split(">")[0] for name in project["optional-dependencies"]["validate"]} == {"numpy", "pyyaml"}
