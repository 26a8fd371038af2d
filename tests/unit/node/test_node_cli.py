"""The command line: every command documented by example, refusals with their codes, no identity on any stream."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from click import Command, Group
from site_factories import NOW, FakeCoordinator, demo_site, enrol, study
from typer.testing import CliRunner, Result

import myofed_node.cli
from myofed_node.cli import app
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.coordinator_history import witness_coordinator
from myofed_node.federation.approvals import Approvals
from myofed_node.site_setup import open_site

IDENTITY = "DOE^JOHN-1957"


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def _commands(group: Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Command]]:
    for name, command in group.commands.items():
        if isinstance(command, Group):
            yield from _commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(_commands(typer.main.get_command(app)))  # type: ignore[arg-type]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_of_every_command_shows_an_example_of_it(path: tuple[str, ...]) -> None:
    """The example names the command as it is called, and its options exist."""
    shown = _run(*path, "--help").output
    assert f"Example: myofed-node {' '.join(path)}" in " ".join(shown.split())
    example = " ".join(shown.split()).split("Example: ", 1)[1].split()
    known = {option for parameter in COMMANDS[path].params for option in parameter.opts}
    assert {word for word in example if word.startswith("--")} <= known


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_but_up_has_json(path: tuple[str, ...]) -> None:
    """A program can read each result."""
    options = {option for parameter in COMMANDS[path].params for option in parameter.opts}
    assert ("--json" in options) == (path != ("up",))


SITE_COMMANDS = (
    ("status",), ("doctor",), ("egress",), ("audit", "verify"), ("publish",), ("studies", "list"), ("approve", "x"),
    ("decline", "x"), ("revoke", "x"), ("studies", "show", "x"), ("train-local", "--study", "x"),
    ("evaluate", "--study", "x", "--model", "m"), ("labels", "import", "."), ("ingest", "."), ("protocol", "summary"),
)  # fmt: skip


@pytest.mark.parametrize("command", SITE_COMMANDS, ids=" ".join)
def test_folder_that_is_no_site_is_refused_with_json(command: tuple[str, ...], tmp_path: Path) -> None:
    """Exit 13 and one JSON document, whatever the command."""
    result = _run(*command, "--site", tmp_path / IDENTITY, "--json")
    assert result.exit_code == 13, result.output
    assert json.loads(result.stdout)["error"]["code"] == "SITE_CONFIG_MISSING"
    assert IDENTITY not in result.output


@pytest.mark.parametrize("command", [("join", "--invite", "x"), ("up",), ("ingest", ".")])
def test_site_that_is_not_named_is_a_usage_error(command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 2 with the way to name it."""
    monkeypatch.delenv("MYOFED_SITE", raising=False)
    result = _run(*command)
    assert result.exit_code == 2
    assert "SITE_NOT_NAMED" in result.stderr


def test_site_that_never_joined_does_not_come_up(tmp_path: Path) -> None:
    """Exit 22 names the command that is missing."""
    demo_site(tmp_path / "a")
    result = _run("up", tmp_path / "a")
    assert (result.exit_code, "NOT_ENROLLED" in result.stderr) == (22, True)


@pytest.mark.parametrize("command", [("publish",), ("approve", "thigh")])
def test_nothing_is_sent_while_the_node_is_down(tmp_path: Path, command: tuple[str, ...]) -> None:
    """Publishing waits for `up`; an empty data set or an unknown study is refused before."""
    demo_site(tmp_path / "a")
    result = _run(*command, "--site", tmp_path / "a", "--json")
    assert result.exit_code == 10
    assert json.loads(result.stdout)["error"]["code"] in ("DATASET_EMPTY", "STUDY_UNKNOWN")


def test_init_makes_a_site_and_refuses_a_second(tmp_path: Path) -> None:
    """Name from the option or from the folder; the demo's mark is told; a second call changes nothing."""
    made = _run("init", tmp_path / "hospital-a", "--demo-policy", "--set", "dataset.title=Thigh MRI")
    assert made.exit_code == 0, made.output
    assert "DEMO POLICY" in made.stderr
    config = open_site(tmp_path / "hospital-a").config
    assert (config.site, config.dataset.title) == ("hospital-a", "Thigh MRI")
    again = _run("init", tmp_path / "hospital-a", "--json")
    assert again.exit_code == 13
    assert json.loads(again.stdout)["error"]["code"] == "SITE_FOLDER_NOT_EMPTY"


def test_site_of_the_environment_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MYOFED_SITE stands for --site."""
    demo_site(tmp_path / "a")
    monkeypatch.setenv("MYOFED_SITE", str(tmp_path / "a"))
    assert json.loads(_run("status", "--json").stdout)["site"] == "alpha"
    assert _run("audit", "verify").exit_code == 0


def test_coordinators_history_is_accepted_by_command(tmp_path: Path) -> None:
    """The head that is given up is told; without one there is nothing to accept."""
    site, coordinator = demo_site(tmp_path / "a"), FakeCoordinator()
    enrol(site, coordinator)
    witness_coordinator(site.folder, CoordinatorApi(coordinator), now=NOW)  # type: ignore[arg-type]
    command = ("audit", "accept-coordinator", "--site", site.folder.root, "--json")
    assert json.loads(_run(*command).stdout)["witnessed_entries"] == 5
    again = _run(*command)
    assert json.loads(again.stdout)["error"]["code"] == "HEAD_NONE"


def test_doctor_ends_with_41_when_a_check_fails(tmp_path: Path) -> None:
    """And with 0 on a new site."""
    site = demo_site(tmp_path / "a")
    assert _run("doctor", "--site", site.folder.root).exit_code == 0
    site.folder.deid_key.chmod(0o644)
    result = _run("doctor", "--site", site.folder.root, "--json")
    assert result.exit_code == 41
    assert json.loads(result.stdout)["healthy"] is False


def test_study_is_shown_approved_and_revoked_by_command(tmp_path: Path) -> None:
    """While the node is down the decision counts here and says that it is not delivered."""
    site, coordinator = demo_site(tmp_path / "a"), FakeCoordinator()
    enrol(site, coordinator)
    Approvals(site.folder, site.config).store_manifest(coordinator.offer(study()))
    named = ("--site", site.folder.root)
    assert "thigh version 1: waiting" in _run("studies", "list", *named).stderr
    assert "leaves this site" in _run("studies", "show", "thigh", *named).stderr
    assert _run("approve", "thigh", *named).exit_code == 30
    declined = _run("decline", "thigh", *named, "--json")
    assert declined.exit_code == 0, declined.output
    assert json.loads(declined.stdout)["delivered"] is False
    assert _run("revoke", "thigh", *named).exit_code == 30


def test_empty_folder_is_no_valid_data_set(tmp_path: Path) -> None:
    """Exit 1; nothing checked is never conforming."""
    result = _run("validate", tmp_path, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["findings"]


def test_identity_in_names_and_contents_reaches_no_stream(tmp_path: Path) -> None:
    """Files named after a patient and holding the name: every command on them prints codes and numbers only."""
    source = tmp_path / f"export-{IDENTITY}"
    source.mkdir()
    (source / f"{IDENTITY}.dcm").write_bytes(b"\0" * 128 + b"DICM" + IDENTITY.encode())
    (source / "labels.csv").write_text(f"file,table\n{IDENTITY},x\n")
    site = demo_site(tmp_path / "a").folder.root
    for command in (
        ("deidentify", source, tmp_path / "clean"),
        ("convert", source, tmp_path / "dataset"),
        ("ingest", source, "--site", site),
        ("ingest", source, "--output", tmp_path / "out"),
        ("labels", "import", source, "--site", site),
        ("validate", source),
        ("protocol", "check", source),
    ):
        for extra in ((), ("--json",)):
            result = _run(*command, *extra)
            assert result.exit_code != 0, command
            assert result.exception is None or isinstance(result.exception, SystemExit), command
            assert IDENTITY not in result.output + result.stderr, command


def test_unforeseen_error_shows_its_kind_and_place_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The text of an unknown exception may quote a patient's file."""

    def broken() -> None:
        raise RuntimeError(IDENTITY)

    monkeypatch.setattr(myofed_node.cli, "app", broken)
    with pytest.raises(SystemExit) as caught:
        myofed_node.cli.main()
    assert caught.value.code == 1
    shown = capsys.readouterr().err
    assert "INTERNAL_ERROR: unexpected RuntimeError at test_node_cli.py:" in shown
    assert IDENTITY not in shown


def test_warnings_and_log_lines_of_libraries_reach_no_screen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They quote values of elements."""

    def chatty() -> None:
        warnings.warn(IDENTITY, stacklevel=1)
        logging.getLogger("some.dicom.library").warning(IDENTITY)

    monkeypatch.setattr(myofed_node.cli, "app", chatty)
    monkeypatch.setattr(logging, "lastResort", logging.lastResort)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    with warnings.catch_warnings(record=True) as seen:
        myofed_node.cli.main()
    assert seen == []
    assert IDENTITY not in capsys.readouterr().err


def test_installed_command_answers_and_imports_no_torch(tmp_path: Path) -> None:
    """The console script answers; starting it loads neither torch nor the engine nor numpy."""
    script = Path(sys.executable).parent / "myofed-node"
    shown = subprocess.run([script, "--help"], capture_output=True, text=True, timeout=60, check=True)
    assert "ingest" in shown.stdout
    code = "import sys, myofed_node.cli; print([m for m in ('torch', 'flwr', 'numpy', 'pydicom', 'httpx') if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert loaded.stdout.strip() == "[]"
