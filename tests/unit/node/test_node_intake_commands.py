"""`intake list|retry|discard`, and what `doctor` and `up` make of the settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from site_factories import NOW, NOW_TEXT, demo_site
from typer.testing import CliRunner

from myofed_node import doctor_checks, up
from myofed_node.cli import app
from myofed_node.config import write_config
from myofed_node.intake.desk import IntakeDesk
from myofed_node.intake.received import Place, Received, name_of
from myofed_node.intake.settings import IntakeSettings, Peer
from myofed_node.intake.study_store import StudyRow, StudyState, StudyStore
from myofed_node.site_setup import Site
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

SETTINGS = IntakeSettings(
    port=11112, peers=(Peer(ae_title="MR1", networks=("10.0.0.0/8",)),), reserve_gb=0, legal_basis="synthetic"
)
STUDY = name_of("1.2")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """With one received study that waits for a person."""
    made = demo_site(tmp_path / "a", intake=SETTINGS)
    write_config(made.folder.config, made.config)
    received = Received(made.folder.received)
    received.open()
    received.keep(Place("1.2", "1.3", "1.4"), [b"x"])
    StudyStore(made.folder.intake_store).put(
        StudyRow(STUDY, StudyState.QUARANTINED, "SERIES_INCOMPLETE", 1, 0, NOW_TEXT)
    )
    return made


def run(site: Site, *arguments: str, answer: str = "") -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["intake", *arguments, "--site", str(site.folder.root)], input=answer)
    return done.exit_code, done.stdout, done.stderr


def test_list_says_why_and_what_to_do(site: Site, tmp_path: Path) -> None:
    """A site to which nothing came says so."""
    code, out, said = run(site, "list")
    assert (code, out) == (0, "")
    assert said.startswith(f"{STUDY[:8]} quarantined (SERIES_INCOMPLETE), 1 instances")
    assert "intake retry" in said
    shown = json.loads(run(site, "list", "--json")[1])
    assert shown["studies"][0]["state"] == "quarantined"
    empty = demo_site(tmp_path / "b")
    assert "nothing came yet" in run(empty, "list")[2]


def test_retry_and_discard_are_on_record(site: Site) -> None:
    """Deleting asks first; no is no."""
    assert run(site, "retry", STUDY[:8])[0] == 0
    code, _, said = run(site, "retry", STUDY[:8])
    assert (code, "INTAKE_NOTHING_TO_RETRY" in said) == (ExitCode.BAD_INPUT, True)
    assert run(site, "discard", STUDY[:8], answer="n\n")[0] != 0
    assert (site.folder.received / STUDY).exists()
    assert run(site, "discard", STUDY[:8], answer="y\n")[0] == 0
    assert not (site.folder.received / STUDY).exists()
    assert run(site, "discard", STUDY[:8], "--yes")[0] == 0
    audit = site.folder.audit.read_text()
    assert [audit.count(each) for each in ("INTAKE_RETRIED", "INTAKE_DISCARDED")] == [1, 2]
    assert run(site, "discard", "ffffffff", "--yes")[0] == ExitCode.BAD_INPUT


def test_doctor_looks_at_the_intake(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for a person, a missing basis, no room; and when all is well."""

    def code(settings: IntakeSettings) -> str:
        config = site.config.model_copy(update={"intake": settings})
        try:
            return doctor_checks.intake(site.folder, config)
        except MyofedError as error:
            return error.code

    assert code(SETTINGS) == "INTAKE_WAITS"
    assert code(SETTINGS.model_copy(update={"legal_basis": None})) == "NO_LEGAL_BASIS"
    assert code(SETTINGS.model_copy(update={"reserve_gb": 1e6})) == "INTAKE_NO_ROOM"
    assert code(IntakeSettings()) == "INTAKE_LEFT", "patients' names lie there, and nobody works on them"
    desk = IntakeDesk(site)
    desk.discard(STUDY, now=NOW)
    assert code(IntakeSettings()) == "no DICOM port (intake.port)"
    StudyStore(site.folder.intake_store).put(StudyRow(STUDY, StudyState.DONE, "OK", 1, 0, NOW_TEXT))
    assert code(SETTINGS) == "MYOFED on 127.0.0.1:11112, 1 peers, 1 studies"
    site.folder.intake_store.unlink()
    assert code(SETTINGS).endswith("0 studies")


def test_up_starts_port_and_pipeline_where_the_site_has_a_port(site: Site) -> None:
    """The port is kept from the key like every service; the pipeline de-identifies, and is not."""
    specs = {spec.name: spec for group in up.children(site.folder, site.config, up.Ports(1, 2)) for spec in group}
    assert list(specs)[-3:] == ["intake", "intake-2", "pipeline"]
    assert all("myofed_node.confinement" in specs[name].argv for name in ("intake", "intake-2"))
    assert [specs[name].argv[-1] for name in ("intake", "intake-2")] == ["1", "2"]
    assert "myofed_node.confinement" not in specs["pipeline"].argv
    alone = up.without_network(["x"], isolation=up.find_isolation())[:-1]
    assert list(specs["pipeline"].argv)[: len(alone)] == alone, (
        "as the worker, it has no network where this host can do that"
    )
    assert list(specs["pipeline"].argv)[-2:] == ["myofed_node.intake.study_process", str(site.folder.root)]
    assert specs["intake"].ready() is False
