"""The commands by which people are named and sign."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from people_factories import DPO, PI, add_person, site_of_two
from site_factories import PASSPHRASE, FakeCoordinator, demo_site, enrol, study, write_labels
from test_node_federation_approvals import SUBJECTS
from typer.testing import CliRunner

from myofed_node.cli import app
from myofed_node.federation.approvals import Approvals
from myofed_node.learning.models import state_dict_spec
from myofed_node.site_setup import Site
from myofed_schemas.study import StudyManifest


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def real_study(**changes: object) -> StudyManifest:
    """A study whose tensors are those of its network, as `approve` checks."""
    plain = study()
    return study(state_dict=state_dict_spec(plain.architecture), **changes)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made, coordinator = site_of_two(tmp_path / "a"), FakeCoordinator()
    enrol(made, coordinator)
    for label in SUBJECTS:
        write_labels(made.folder.dataset, label)
    Approvals(made.folder, made.config).store_manifest(coordinator.offer(real_study()))
    add_person(made, "j.smith", PI)
    return made


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text(PASSPHRASE + "\n")
    path.chmod(0o600)
    return path


def test_approval_without_a_person_is_refused_where_people_must_sign(site: Site) -> None:
    """Exit 30; the hint of the refusal leads on."""
    result = _run("approve", "thigh", "--site", site.folder.root)
    assert result.exit_code == 30
    assert "APPROVAL_NEEDS_PEOPLE" in result.stderr


def test_person_signs_here_and_the_other_elsewhere(site: Site, tmp_path: Path, passphrase: Path) -> None:
    """One with a sealed key, one whose key never comes here: the site approves with the second."""
    named = ("--site", site.folder.root)
    key = Ed25519PrivateKey.generate()
    pem = tmp_path / "dpo.pem"
    pem.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    added = _run("people", "add", "a.jones", "--role", DPO, "--public-key", pem, *named, "--json")
    assert added.exit_code == 0, added.output
    first = _run("approve", "thigh", "--as", "j.smith", "--passphrase-file", passphrase, *named)
    assert first.exit_code == 0, first.output
    assert "waits for: data-protection-officer; nothing has left yet" in first.stderr
    assert "waits for data-protection-officer" in _run("studies", "list", *named).stderr
    statement, signature = tmp_path / "thigh.txt", tmp_path / "thigh.sig"
    written = _run("studies", "statement", "thigh", "--as", "a.jones", "--out", statement, *named)
    assert written.exit_code == 0, written.output
    signature.write_bytes(key.sign(statement.read_bytes()))
    brought = ("--as", "a.jones", "--statement", statement, "--signature", signature)
    declined = _run("decline", "thigh", *brought, *named)
    assert "APPROVAL_STATEMENT" in declined.stderr
    last = _run("approve", "thigh", *brought, *named, "--json")
    assert last.exit_code == 0, last.output
    decided = json.loads(last.stdout)["decided"]["decision"]["decision"]
    assert decided["decision"] == "approved"
    assert {signed["role"] for signed in decided["signed_by"]} == {PI, DPO}


def test_signature_that_was_brought_halfway_or_is_none_is_refused(site: Site, tmp_path: Path) -> None:
    """A statement alone, something else as a statement, and something else as a signature."""
    named, statement, other = ("--site", site.folder.root), tmp_path / "s.txt", tmp_path / "other"
    _run("studies", "statement", "thigh", "--as", "j.smith", "--out", statement, *named)
    other.write_bytes(b"zz")
    for files in (
        ("--statement", statement),
        ("--statement", other, "--signature", other),
        ("--statement", statement, "--signature", other),
        ("--statement", statement, "--signature", tmp_path / "none"),
    ):
        result = _run("approve", "thigh", "--as", "j.smith", *files, *named)
        assert "APPROVAL_FILES" in result.stderr


def test_wrong_passphrase_signs_nothing(site: Site, tmp_path: Path) -> None:
    """Nothing is collected."""
    wrong = tmp_path / "wrong"
    wrong.write_text("another passphrase")
    wrong.chmod(0o600)
    result = _run("approve", "thigh", "--as", "j.smith", "--passphrase-file", wrong, "--site", site.folder.root)
    assert "PERSON_PASSPHRASE" in result.stderr
    assert not (site.folder.study("thigh") / "signatures-1.json").exists()


def test_person_declines_with_a_reason(site: Site, passphrase: Path) -> None:
    """One of the two is enough, and the reason's code is told."""
    named = ("--site", site.folder.root)
    how = ("--as", "j.smith", "--reason", "DECLINED_PRIVACY", "--passphrase-file", passphrase)
    result = _run("decline", "thigh", *how, *named, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["decided"]["decision"]["decision"]["reason"] == "DECLINED_PRIVACY"
    assert "declined" in _run("studies", "list", *named).stderr


def test_people_are_added_listed_and_disabled(tmp_path: Path, passphrase: Path) -> None:
    """A key of one's own and a new one exclude each other."""
    site = demo_site(tmp_path / "b")
    named = ("--site", site.folder.root)
    assert "nobody yet" in _run("people", "list", *named).stderr
    stick = tmp_path / "stick.json"
    made = _run("people", "add", "j.smith", "--role", PI, "--key-out", stick, "--passphrase-file", passphrase, *named)
    assert made.exit_code == 0, made.output
    assert stick.exists()
    assert _run("people", "disable", "j.smith", *named).exit_code == 0
    listed = json.loads(_run("people", "list", *named, "--json").stdout)["people"]
    assert [(p["name"], bool(p["disabled_at"])) for p in listed] == [("j.smith", True)]
    assert "; disabled" in _run("people", "list", *named).stderr
    both = _run("people", "add", "x.y", "--role", PI, "--public-key", stick, "--key-out", stick, *named)
    assert both.exit_code == 2


def test_operator_signs_beside_people_where_the_rule_says_so(tmp_path: Path) -> None:
    """`approve` without a person is then one of the signatures."""
    from myofed_node.config import ApprovalRule

    site, coordinator = site_of_two(tmp_path / "c", ApprovalRule(required_roles=("operator", DPO))), FakeCoordinator()
    enrol(site, coordinator)
    for label in SUBJECTS:
        write_labels(site.folder.dataset, label)
    Approvals(site.folder, site.config).store_manifest(coordinator.offer(real_study()))
    from myofed_node.config import write_config

    write_config(site.folder.config, site.config)
    result = _run("approve", "thigh", "--site", site.folder.root)
    assert result.exit_code == 0, result.output
    assert "waits for: data-protection-officer" in result.stderr


def test_changes_since_the_last_approval_are_shown(site: Site, passphrase: Path) -> None:
    """`studies show` names the fields that a new version changes, and whose signatures an approval needs."""
    named = ("--site", site.folder.root)
    add_person(site, "a.jones", DPO)
    for person in ("j.smith", "a.jones"):
        _run("approve", "thigh", "--as", person, "--passphrase-file", passphrase, *named)
    coordinator = FakeCoordinator()
    enrol(site, coordinator)
    Approvals(site.folder, site.config).store_manifest(coordinator.offer(real_study(version=2, rounds=3)))
    shown = _run("studies", "show", "thigh", *named).stderr
    assert "since version 1, approved here last: 1 changes" in shown
    assert "rounds: 10 -> 3" in shown
    assert "an approval needs: principal-investigator, data-protection-officer" in shown
