"""The command line: exit codes and refusals first, then a study from invite to export."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import typer
import yaml
from coordinator_factories import HOUR, NOW, make_card, make_manifest, make_site, make_weights
from typer.testing import CliRunner

from myofed_coordinator.cli import app
from myofed_coordinator.config import load_config
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.services import Services, open_services
from myofed_coordinator.studies.draft import COMPLETED_HERE
from myofed_schemas.audit import AuditHead, ProvenHead
from myofed_schemas.catalog import DisclosurePolicy
from myofed_schemas.enrolment import Invite, for_reading_aloud, identity_fingerprint
from myofed_schemas.exit_codes import ExitCode

WEIGHTS = make_weights()


def call(home: HomeFolder, *arguments: str, code: int = 0) -> Any:
    """The JSON document of a command that ends with this exit code."""
    result = CliRunner().invoke(app, [*arguments, "--home", str(home.root), "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def services_of(home: HomeFolder) -> Services:
    return open_services(home, load_config(home))


def commands(group: click.Command, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(group, click.Group):
        return [(path, group)]
    return [found for name, child in group.commands.items() for found in commands(child, (*path, name))]


EVERY = commands(typer.main.get_command(app))


@pytest.mark.parametrize(("path", "command"), EVERY, ids=[" ".join(path) for path, _ in EVERY])
def test_help_of_every_command_has_an_example(path: tuple[str, ...], command: click.Command) -> None:
    """The example names the command itself."""
    assert f"Example: myofed-coordinator {' '.join(path)}" in " ".join((command.help or "").split())


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (("invite", "Hospital A", "--out", "x"), ExitCode.USAGE, "SITE_NAME"),
        (("invite", "hospital-a", "--out", "/none/x"), ExitCode.USAGE, "OUTPUT_FOLDER"),
        (("invite", "hospital-a", "--out", "/etc/hostname"), ExitCode.USAGE, "OUTPUT_EXISTS"),
        (("sites", "approve", "hospital-z"), ExitCode.BAD_INPUT, "SITE_UNKNOWN"),
        (("sites", "revoke", "hospital-z"), ExitCode.BAD_INPUT, "SITE_UNKNOWN"),
        (("sites", "accept-history", "hospital-z"), ExitCode.BAD_INPUT, "SITE_UNKNOWN"),
        (("study", "show", "nothing"), ExitCode.BAD_INPUT, "STUDY_UNKNOWN"),
        (("study", "start", "nothing"), ExitCode.BAD_INPUT, "STUDY_UNKNOWN"),
        (("study", "confirm", "start-00000000"), ExitCode.BAD_INPUT, "START_UNKNOWN"),
        (("study", "decline", "start-00000000", "--reason", "no"), ExitCode.BAD_INPUT, "START_UNKNOWN"),
        (("study", "decline", "start-00000000", "--reason", "<b>"), ExitCode.USAGE, "REASON_TEXT"),
        (("accounts", "add", "Ann Lee", "--role", "auditor"), ExitCode.USAGE, "USAGE"),
        (("accounts", "add", "ann", "--role", "site-representative"), ExitCode.USAGE, "USAGE"),
        (("accounts", "add", "token", "--role", "auditor"), ExitCode.BAD_INPUT, "ACCOUNT_EXISTS"),
        (("accounts", "roles", "nobody", "--role", "auditor"), ExitCode.BAD_INPUT, "ACCOUNT_UNKNOWN"),
        (("accounts", "reset", "nobody"), ExitCode.BAD_INPUT, "ACCOUNT_UNKNOWN"),
        (("study", "stop", "nothing"), ExitCode.BAD_INPUT, "NO_ACTIVE_RUN"),
        (("study", "create", "--file", "/none", "--weights", "/none"), ExitCode.USAGE, "INPUT_FILE"),
        (("runs", "show", "run-00000000"), ExitCode.BAD_INPUT, "RUN_UNKNOWN"),
        (("models", "show", "0" * 64), ExitCode.BAD_INPUT, "MODEL_UNKNOWN"),
        (("models", "card", "0" * 64), ExitCode.BAD_INPUT, "MODEL_UNKNOWN"),
        (("models", "verify", "/none"), ExitCode.USAGE, "INPUT_FILE"),
    ],
)
def test_refusal_has_its_exit_code_and_code(
    home: HomeFolder, arguments: tuple[str, ...], code: int, error: str
) -> None:
    """A refused command prints its code as JSON and ends with the documented status."""
    assert call(home, *arguments, code=code)["error"]["code"] == error


def test_command_on_another_folder_is_refused(tmp_path: Path) -> None:
    """A folder that is no home has its own exit code."""
    assert call(HomeFolder(tmp_path), "sites", "list", code=ExitCode.SITE_FOLDER)["error"]["code"] == "NOT_A_HOME"


def test_second_init_is_refused(home: HomeFolder) -> None:
    """A home is made once; a wrong address is a usage error and makes nothing."""
    result = CliRunner().invoke(app, ["init", str(home.root), "--json"])
    assert (result.exit_code, json.loads(result.stdout)["error"]["code"]) == (ExitCode.SITE_FOLDER, "HOME_NOT_EMPTY")
    other = home.root.parent / "other"
    wrong = CliRunner().invoke(app, ["init", str(other), "--people", "nowhere"])
    assert (wrong.exit_code, other.exists()) == (ExitCode.USAGE, False)


def test_init_where_no_folder_can_be_made_says_what_to_do(tmp_path: Path) -> None:
    """A path through a file: the system's own words, a hint, an exit status, and no traceback."""
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(app, ["init", str(tmp_path / "file" / "home"), "--json"])
    said = json.loads(result.stdout)["error"]
    assert (result.exit_code, said["code"]) == (ExitCode.FAILED, "SYSTEM_ERROR")
    assert "Not a directory" in said["message"]
    assert "mend the name" in said["hint"]


def test_init_with_a_database_that_does_not_answer_can_be_called_again(tmp_path: Path) -> None:
    """Refused with its code, without the URL's password; the same folder then becomes a home with another database."""
    folder, closed = tmp_path / "home", "postgresql+psycopg://who:secret@127.0.0.1:1/none"
    result = CliRunner().invoke(app, ["init", str(folder), "--database-url", closed, "--json"])
    assert (result.exit_code, json.loads(result.stdout)["error"]["code"]) == (
        ExitCode.NOT_RUNNING,
        "DATABASE_UNREACHABLE",
    )
    assert "secret" not in result.output
    assert not (folder / "config.yaml").exists()
    assert CliRunner().invoke(app, ["init", str(folder)]).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("accounts", "add", "rep-a", "--role", "site-representative"), "a site exactly where one of them is"),
        (("accounts", "add", "Ann Lee", "--role", "auditor"), "account: String should match pattern"),
        (("catalog", "count", "--where", "colour=red"), "filters.0.dimension: Input should be"),
    ],
)
def test_usage_error_says_what_was_expected(home: HomeFolder, arguments: tuple[str, ...], expected: str) -> None:
    """Not only which argument is at fault, and never an empty name."""
    assert expected in call(home, *arguments, code=ExitCode.USAGE)["error"]["message"]


def test_altered_audit_chain_is_unhealthy(home: HomeFolder) -> None:
    """Both `audit verify` and `doctor` end with the exit code of a defect."""
    home.audit.write_bytes(home.audit.read_bytes().replace(b"HOME_MADE", b"HOME_MAKE"))
    call(home, "invite", "hospital-a", "--out", str(home.root / "a"))
    home.audit.write_bytes(home.audit.read_bytes().replace(b"HOME_MAKE", b"HOME_MADE"))
    assert call(home, "audit", "verify", code=ExitCode.UNHEALTHY)["error"]["code"] == "AUDIT_BROKEN"
    assert call(home, "doctor", code=ExitCode.UNHEALTHY)["healthy"] is False


def enrolled(home: HomeFolder, folder: Path) -> None:
    """hospital-a is in, by the commands alone (its own request excepted) and has decided on the study."""
    invite = folder / "a.json"
    call(home, "invite", "hospital-a", "--out", str(invite))
    assert invite.stat().st_mode & 0o777 == 0o600
    site = make_site("hospital-a")
    services = services_of(home)
    request = site.request(Invite.model_validate_json(invite.read_bytes()))
    assert services.enrolment.receive_request(request, now=NOW).state == "pending"
    approve = ("sites", "approve", "hospital-a", "--fingerprint")
    assert call(home, *approve, "0" * 64, code=ExitCode.REFUSED)["error"]["code"] == "SITE_FINGERPRINT"
    aloud = for_reading_aloud(identity_fingerprint(site.identity.public_key))
    assert aloud in CliRunner().invoke(app, ["sites", "list", "--home", str(home.root)]).output
    assert call(home, *approve, aloud)["state"] == "approved"
    call(
        home, "study", "create", "--file", str(folder / "study.yaml"), "--weights", str(folder / "initial.safetensors")
    )
    call(home, "study", "start", "thigh-muscles", code=ExitCode.NOT_APPROVED)
    manifest = services.studies.show("thigh-muscles").signed.manifest
    declined = site.decide(manifest, "declined", reason="DECLINED_LEGAL_BASIS", decided_at="2026-11-22T11:00:00Z")
    services.studies.record_decision(declined, site="hospital-a", now=NOW)
    shown = CliRunner().invoke(app, ["study", "show", "thigh-muscles", "--home", str(home.root)]).output
    assert "declined (DECLINED_LEGAL_BASIS)" in shown
    services.studies.record_decision(site.decide(manifest), site="hospital-a", now=NOW)
    create = ("study", "create", "--file", str(folder / "study.yaml"), "--weights", str(folder / "initial.safetensors"))
    again = CliRunner().invoke(app, [*create, "--home", str(home.root)])
    assert "thigh-muscles version 1 was offered before and is unchanged" in again.output
    assert services.studies.approved_sites("thigh-muscles", version=1) == ("hospital-a",)
    services.catalog.publish(make_card("hospital-a"), site="hospital-a", now=NOW)
    services.close()


def test_study_from_invite_to_verified_model(home: HomeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invite, approve, create, start by two people, stop, register, export, verify: each command sees what the one before did."""
    draft = make_manifest(WEIGHTS, sites=("hospital-a",)).model_dump(mode="json")
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({k: v for k, v in draft.items() if k not in COMPLETED_HERE}))
    (tmp_path / "initial.safetensors").write_bytes(WEIGHTS)
    enrolled(home, tmp_path)
    assert call(home, "study", "list")["studies"][0]["decisions"] == {"hospital-a": "approved"}
    assert call(home, "catalog", "query", "--muscle", "VL")["subjects_at_least"] == 20
    asked = call(home, "study", "start", "thigh-muscles", code=ExitCode.PENDING)
    assert call(home, "study", "starts")["starts"] == [asked]
    alone = call(home, "study", "confirm", asked["start_id"], code=ExitCode.REFUSED)
    assert alone["error"]["code"] == "START_SAME_PERSON"
    monkeypatch.setattr("myofed_coordinator.commands.studies.actor", lambda: "second")
    run = call(home, "study", "confirm", asked["start_id"])
    assert (run["state"], run["decided_by"]) == ("started", "second")
    assert call(home, "runs", "show", run["run_id"])["state"] == "submitted"
    assert call(home, "study", "stop", "thigh-muscles")["runs"][0]["state"] == "stopped"
    services = services_of(home)
    final = tmp_path / "final.safetensors"
    final.write_bytes(make_weights(seed=7))
    services.models.register(run["run_id"], final, manifest_digest=run["manifest_digest"], rounds=2, now=NOW)
    services.close()
    sha256 = call(home, "models", "list")["models"][0]["statement"]["sha256"]
    out = tmp_path / "out.safetensors"
    assert call(home, "models", "export", sha256[:12], "--out", str(out))["release"] == "consortium-only"
    card = call(home, "models", "card", sha256[:12])
    assert json.loads((tmp_path / "out.safetensors.card.json").read_text()) == card
    assert (tmp_path / "out.safetensors.card.md").read_text().startswith("# Model card: Thigh muscles")
    assert out.read_bytes() == final.read_bytes()
    assert call(home, "models", "verify", str(out))["verified"] is True
    assert call(home, "models", "lineage", sha256[:12])["records"] == []
    record, nowhere = call(home, "models", "show", sha256[:12]), HomeFolder(tmp_path / "no-home")
    offline = ("models", "verify", str(out), "--record", f"{out}.json", "--key", record["signer"])
    assert call(nowhere, *offline)["verified"] is True
    wrong = call(nowhere, *offline[:-1], "0" * 64, code=ExitCode.REFUSED)
    assert wrong["error"]["code"] == "BAD_SIGNATURE"
    other = ("models", "verify", str(tmp_path / "initial.safetensors"), *offline[3:])
    assert call(nowhere, *other, code=ExitCode.UNHEALTHY)["error"]["code"] == "MODEL_ALTERED"
    broken = call(nowhere, *offline, "--lineage", f"{out}.lineage.json", code=ExitCode.UNHEALTHY)
    assert broken["error"]["code"] == "LINEAGE_BROKEN"
    junk = ("models", "verify", str(out), "--record", str(out), "--key", record["signer"])
    assert call(nowhere, *junk, code=ExitCode.USAGE)["error"]["code"] == "INPUT_FILE"
    assert call(home, "sites", "revoke", "hospital-a")["state"] == "revoked"
    assert call(home, "catalog", "query")["cards"] == []
    assert call(home, "audit", "verify")["sequence"] > 8


def test_sites_history_is_accepted_by_command(home: HomeFolder) -> None:
    """What was co-signed is told, and bound no more."""
    services, site = services_of(home), make_site("hospital-a")
    invite = services.enrolment.create_invite("hospital-a", actor="admin", now=NOW, valid=HOUR, pre_approved=True)
    services.enrolment.receive_request(site.request(invite), now=NOW)
    head = AuditHead(owner="hospital-a", sequence=3, digest="a" * 64)
    services.heads.cosign(ProvenHead(head=head, signature=site.identity.sign(head)), site="hospital-a", now=NOW)
    assert call(home, "sites", "accept-history", "hospital-a")["given_up"] == head.model_dump()
    assert services.heads.last_cosigned("hospital-a").head is None
    services.close()


def test_accounts_from_the_command_line(home: HomeFolder, tmp_path: Path) -> None:
    """The first administrator gets in without anybody else; the set-up link is printed once, for people and machines."""
    link = call(home, "accounts", "add", "ann.lee", "--role", "administrator")
    assert link["setup_url"] == f"https://127.0.0.1:8443/setup#{link['setup_secret']}"
    drawn = CliRunner().invoke(app, ["accounts", "reset", "ann.lee", "--qr", "--json", "--home", str(home.root)])
    assert "\N{UPPER HALF BLOCK}" in drawn.stderr
    assert json.loads(drawn.stdout)["account"] == "ann.lee"
    said = CliRunner().invoke(app, ["accounts", "reset", "ann.lee", "--home", str(home.root)])
    assert "\N{UPPER HALF BLOCK}" not in said.stderr
    assert (said.exit_code, said.stdout) == (0, "")
    assert "/setup#" in said.stderr
    named = ["--role", "site-representative", "--site", "hospital-a", "--home", str(home.root)]
    assert "no site named hospital-a" in CliRunner().invoke(app, ["accounts", "add", "rep", *named]).stderr
    assert "no site named hospital-a" in CliRunner().invoke(app, ["accounts", "roles", "rep", *named]).stderr
    call(home, "invite", "hospital-a", "--out", str(tmp_path / "a.invite.json"))
    assert "no site named" not in CliRunner().invoke(app, ["accounts", "roles", "rep", *named]).stderr
    assert call(home, "accounts", "disable", "rep")["state"] == "disabled"
    assert call(home, "accounts", "enable", "rep")["state"] == "invited"
    assert call(home, "accounts", "roles", "rep", "--role", "auditor")["site"] is None
    listed = call(home, "accounts", "list")["accounts"]
    assert [(a["account"], a["roles"]) for a in listed] == [("ann.lee", ["administrator"]), ("rep", ["auditor"])]
    text = CliRunner().invoke(app, ["accounts", "list", "--home", str(home.root)]).stderr
    assert "ann.lee" in text


def test_home_without_four_eyes_starts_at_once(tmp_path: Path) -> None:
    """`init --no-four-eyes` is for a demonstration; the default asks for two people."""
    for option, expected in (("--four-eyes", True), ("--no-four-eyes", False)):
        folder = tmp_path / option
        assert CliRunner().invoke(app, ["init", str(folder), option, "--json"]).exit_code == 0
        assert load_config(HomeFolder(folder)).four_eyes is expected


def test_people_read_text_and_machines_json(home: HomeFolder) -> None:
    """Without --json stdout stays empty and stderr speaks; the home may come from MYOFED_HOME."""
    for command in (
        ["sites", "list"],
        ["study", "list"],
        ["runs", "list"],
        ["models", "list"],
        ["catalog", "query"],
        ["doctor"],
    ):
        result = CliRunner().invoke(app, command, env={"MYOFED_HOME": str(home.root)})
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr


@pytest.mark.parametrize("demo", [False, True])
def test_query_says_when_a_card_has_a_demo_policy(home: HomeFolder, demo: bool) -> None:
    """Counts below the floors are never shown to a person without that word."""
    services = services_of(home)
    invite = services.enrolment.create_invite("hospital-a", actor="admin", now=NOW, valid=HOUR, pre_approved=True)
    services.enrolment.receive_request(make_site("hospital-a").request(invite), now=NOW)
    card = make_card("hospital-a", disclosure=DisclosurePolicy(k=3 if demo else 10, round_to=5, demo=demo))
    services.catalog.publish(card, site="hospital-a", now=NOW)
    services.close()
    result = CliRunner().invoke(app, ["catalog", "query"], env={"MYOFED_HOME": str(home.root)})
    assert ("DEMO POLICY" in result.stderr) is demo


def test_installed_program_starts() -> None:
    """The module runs as a process of its own; an unknown option is a usage error on stderr."""
    program = [sys.executable, "-c", "from myofed_coordinator.cli import main; main()", "sites", "list", "--bogus"]
    result = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert "--bogus" in result.stderr
