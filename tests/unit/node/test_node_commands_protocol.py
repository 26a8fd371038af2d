"""`myofed-node protocol`: exit codes, streams, pages."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from protocol_factories import SCANS, Scan, multi_echo, put
from site_factories import demo_site
from test_node_protocol_profiles import OWN
from typer.testing import CliRunner, Result

from myofed_node.cli import app

FAST = SCANS["vendor-2-point-dixon"].having(FlipAngle=9.0, RepetitionTime=4.0)


@pytest.fixture(autouse=True)
def _no_site(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MYOFED_SITE", raising=False)


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["protocol", *map(str, arguments)])


@pytest.mark.parametrize(
    ("scan", "status", "verdict"),
    [
        (SCANS["t1w-mercuri"], 0, "pass"),
        (SCANS["t1w-mercuri"].having(EchoTime=25.0), 0, "warn"),
        (FAST, 1, "fail"),
        (Scan({"T2w": {}}, {}), 1, "not checked"),
    ],
)
def test_check_ends_with_1_on_a_failure_or_when_nothing_was_checked(
    tmp_path: Path, scan: Scan, status: int, verdict: str
) -> None:
    """0 for pass and warn; stdout is one JSON document or nothing."""
    put(tmp_path, scan)
    shown = _run("check", tmp_path)
    assert (shown.exit_code, shown.stdout) == (status, "")
    assert shown.stderr.startswith(f"{verdict} sub-A/ses-1/sub-A_ses-1_")
    told = _run("check", tmp_path, "--json")
    assert told.exit_code == status
    assert [one["verdict"] for one in json.loads(told.stdout)["series"]] == [verdict]


def test_fast_two_point_dixon_is_flagged_with_its_figure(tmp_path: Path) -> None:
    """What the command is for: points, expectation and source on one line."""
    shown = _run("check", put(tmp_path, FAST))
    assert "fail t1_bias: expected -1 to 4.5 pp, found 21.88 pp" in shown.stderr
    assert "1 of 1 acquisitions checked: 0 pass, 0 warn, 1 fail, 0 unknown" in shown.stderr


def test_empty_folder_is_a_failure_and_a_missing_one_a_usage_error(tmp_path: Path) -> None:
    """0 of 0 checked is no success."""
    empty = _run("check", tmp_path)
    assert (empty.exit_code, "0 of 0 acquisitions checked" in empty.stderr) == (1, True)
    missing = _run("check", tmp_path / "x", "--json")
    assert missing.exit_code == 2
    assert json.loads(missing.stdout)["error"]["code"] == "DATASET_MISSING"


def test_long_lists_are_cut_on_the_screen_only(tmp_path: Path) -> None:
    """Twenty acquisitions and a number; JSON and page have all."""
    for number in range(23):
        put(tmp_path / "d", SCANS["t1w-mercuri"], stem=f"sub-A{number}_ses-1")
    shown = _run("check", tmp_path / "d", "--html", tmp_path / "page.html")
    assert "and 3 more acquisitions" in shown.stderr
    assert (tmp_path / "page.html").read_text().count("<h2><span") == 23
    assert stat.S_IMODE((tmp_path / "page.html").stat().st_mode) == 0o600


def test_page_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A folder that is not there."""
    page = ("--html", tmp_path / "no" / "page.html", "--json")
    site = demo_site(tmp_path / "site").folder.root
    for command in (
        ("check", put(tmp_path, SCANS["t1w-mercuri"])),
        ("sheet", "water-t2-mese"),
        ("summary", "--site", site),
    ):
        shown = _run(*command, *page)
        assert shown.exit_code == 2
        assert json.loads(shown.stdout)["error"]["code"] == "PAGE_FOLDER_MISSING"


def test_profiles_of_ones_own_and_of_the_site_are_used(tmp_path: Path) -> None:
    """--profiles names a folder, --site the site's; both at once count."""
    dataset = put(tmp_path / "d", multi_echo([5.19, 7.65]))
    own = tmp_path / "site" / "protocols"
    own.mkdir(parents=True)
    (own / "own.yaml").write_text(OWN)
    (tmp_path / "other").mkdir()
    other = OWN.replace("field-map", "other-map").replace("low: 2, high: 2", "low: 9, high: 9")
    (tmp_path / "other" / "own.yaml").write_text(other)
    assert _run("check", dataset).exit_code == 1
    assert _run("check", dataset, "--profiles", own).exit_code == 0
    both = _run("list", "--site", tmp_path / "site", "--profiles", tmp_path / "other")
    assert "field-map (site): Our two-echo field map; for MEGRE" in both.stderr
    assert "other-map (site)" in both.stderr
    assert _run("check", dataset, "--site", tmp_path / "site").exit_code == 0
    assert _run("list", "--profiles", tmp_path / "none").exit_code == 2


def test_sheet_is_printed_as_text_page_or_json(tmp_path: Path) -> None:
    """Text goes to stdout, so that it can be sent to a printer."""
    text = _run("sheet", "water-t2-mese")
    assert text.exit_code == 0
    assert text.stdout.startswith("Water T2, multi-echo spin echo\n")
    page = tmp_path / "sheet.html"
    assert _run("sheet", "water-t2-mese", "--html", page).stdout == ""
    assert "Water T2, multi-echo spin echo" in page.read_text()
    assert _run("sheet", "water-t2-mese", "--html", page, "--text").stdout == text.stdout
    document = json.loads(_run("sheet", "water-t2-mese", "--json").stdout)
    assert document["limits"][1]["pass"] == [{"low": 17.0}]
    unknown = _run("sheet", "x", "--json")
    assert (unknown.exit_code, json.loads(unknown.stdout)["error"]["code"]) == (2, "PROTOCOL_UNKNOWN")


def test_list_names_every_profile() -> None:
    """With its digest as JSON."""
    shown = _run("list")
    assert shown.stderr.count("(shipped)") == 7
    listed = json.loads(_run("list", "--json").stdout)["profiles"]
    assert {one["name"] for one in listed} >= {"fat-fraction-6-echo", "vendor-2-point-dixon", "water-t2-mese"}
    assert all(len(one["digest"]) == 64 for one in listed)


def test_summary_of_a_site_counts_and_ends_with_1_when_nothing_was_checked(tmp_path: Path) -> None:
    """Failures are counted and are no failure of this command."""
    site = demo_site(tmp_path / "a").folder
    empty = _run("summary", "--site", site.root)
    assert (empty.exit_code, "0 checked, 0 not checked" in empty.stderr) == (1, True)
    put(site.dataset, FAST)
    shown = _run("summary", "--site", site.root, "--html", tmp_path / "page.html")
    assert shown.exit_code == 0
    assert "month not known vendor-2-point-dixon: 0 pass, 0 warn, 1 fail, 0 unknown (0 % pass or warn)" in shown.stderr
    assert "Protocol conformity of alpha" in (tmp_path / "page.html").read_text()
    assert json.loads(_run("summary", "--site", site.root, "--json").stdout)["site"] == "alpha"


def test_summary_of_a_folder_that_is_no_site_is_refused(tmp_path: Path) -> None:
    """Exit 13, as for every command of a site."""
    shown = _run("summary", "--site", tmp_path, "--json")
    assert (shown.exit_code, json.loads(shown.stdout)["error"]["code"]) == (13, "SITE_CONFIG_MISSING")


def test_check_imports_nothing_heavy(tmp_path: Path) -> None:
    """What makes a start slow is not imported: neither torch, MONAI nor Flower, and none of the large libraries beside them."""
    put(tmp_path, SCANS["t1w-mercuri"])
    heavy = ("torch", "monai", "flwr", "skimage", "pandas", "matplotlib", "sqlalchemy", "fastapi", "highspy")
    program = (
        "import sys; from myofed_node.cli import app\n"
        "try: app(['protocol', 'check', sys.argv[1]])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "print('heavy:', sorted(set(sys.argv[2:]) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path, *heavy], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["heavy: []"], done.stderr
