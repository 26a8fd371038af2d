"""`catalog` on the command line: as over the API, with the same log and budget."""

from __future__ import annotations

from pathlib import Path

import pytest
from catalog_examples import make_cube, publish
from coordinator_factories import HOUR, NOW, make_card, make_site
from test_coordinator_cli import call
from typer.testing import CliRunner

from myofed_coordinator.cli import app
from myofed_coordinator.config import load_config
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.services import open_services
from myofed_schemas.exit_codes import ExitCode


@pytest.fixture
def catalog(home: HomeFolder) -> HomeFolder:
    """A home with one site, its card and its cube."""
    services = open_services(home, load_config(home))
    site = make_site("hospital-a")
    invite = services.enrolment.create_invite("hospital-a", actor="admin", now=NOW, valid=HOUR, pre_approved=True)
    services.enrolment.receive_request(site.request(invite), now=NOW)
    publish(services, make_card("hospital-a"), make_cube("hospital-a"))
    services.close()
    return home


def run(home: HomeFolder, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["catalog", *arguments, "--home", str(home.root)])
    return done.exit_code, done.stderr


def test_malformed_conditions_are_refused(catalog: HomeFolder) -> None:
    """No equals sign, an unknown facet or dimension, four conditions."""
    for wrong in (
        ("facets", "--choose", "thigh"),
        ("facets", "--choose", "patient=x"),
        ("count", "--where", "patient=x"),
        ("count", *(part for n in range(4) for part in ("--where", f"sequence=S{n}"))),
    ):
        assert run(catalog, *wrong)[0] == ExitCode.USAGE, wrong


def test_count_says_where_and_stands_in_the_log(catalog: HomeFolder) -> None:
    """Under the login of the person at this machine."""
    answer = call(catalog, "catalog", "count", "--where", "diagnosis=ORPHA:269", "--choose", "region=thigh")
    assert (answer["subjects_at_least"], answer["told"]) == (18, 1)
    assert (
        "hospital-a               thigh-dixon              20"
        in run(catalog, "count", "--where", "diagnosis=ORPHA:269")[1]
    )
    log = call(catalog, "catalog", "queries")
    assert log["total"] == 2
    assert "diagnosis=ORPHA:269" in run(catalog, "queries")[1]


def test_facets_are_shown_with_their_names(catalog: HomeFolder) -> None:
    """A code beside what it means."""
    code, said = run(catalog, "facets", "--text", "fshd")
    assert code == 0
    assert "ORPHA:269 (facioscapulohumeral dystrophy): 1 cards, at least 18, 0 withheld" in said


@pytest.mark.parametrize(
    ("arguments", "note"),
    [
        (("query", "--vendor", "Simens"), "No card has vendor Simens; values of vendor: Siemens"),
        (("facets", "--choose", "region=tigh"), "No card has region tigh; values of region: thigh"),
        (("count", "--choose", "follow-up=yearly"), "No card has follow-up yearly; values of follow-up: none yet"),
    ],
)
def test_value_that_no_card_has_is_named(catalog: HomeFolder, arguments: tuple[str, ...], note: str) -> None:
    """A slip is no answer of zero; with a known value nothing is said."""
    code, said = run(catalog, *arguments)
    assert code == 0
    assert note in said
    assert "No card has" not in run(catalog, "query", "--vendor", "Siemens")[1]


@pytest.mark.parametrize("form", ["ttl", "jsonld"])
def test_whole_catalog_is_exported(catalog: HomeFolder, tmp_path: Path, form: str) -> None:
    """As a file that anybody may read; with --public only what everybody may see."""
    out = tmp_path / f"catalog.{form}"
    assert call(catalog, "catalog", "export", "--format", form, "--out", str(out))["datasets"] == 1
    assert b"DIXON" in out.read_bytes()
    assert run(catalog, "export", "--format", form, "--out", str(out), "--public")[0] == 0
    assert b"DIXON" not in out.read_bytes()
