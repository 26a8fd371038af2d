"""Commands about facts of subjects that DICOM does not carry; they never leave this machine."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from myofed_node.commands.console import JsonOption, SiteOption, reporting
from myofed_schemas.clock import system_now
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

FactsArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", exists=True, dir_okay=False, help="CSV, or JSON of a FHIR R4 bundle.", show_default=False
    ),
]


def register(app: typer.Typer) -> None:
    """The commands have their names in `app`."""
    subjects = typer.Typer(help="Facts of subjects: diagnosis, genetics, sex, age, ambulation.", no_args_is_help=True)
    subjects.command("import", epilog="Example: myofed-node subjects import facts.csv --site /srv/myofed")(import_file)
    subjects.command("list", epilog="Example: myofed-node subjects list --site /srv/myofed")(list_all)
    subjects.command("show", epilog="Example: myofed-node subjects show ABCDEFGH23456777 --site /srv/myofed")(show)
    subjects.command("export-template", epilog="Example: myofed-node subjects export-template facts.csv")(template)
    app.add_typer(subjects, name="subjects")


def import_file(
    file: FactsArgument,
    site: SiteOption,
    issuer: Annotated[str, typer.Option("--issuer", help="Issuer of patient ID in the images (FHIR only).")] = "",
    system: Annotated[
        str, typer.Option("--identifier-system", metavar="URI", help="Which identifier is the patient ID (FHIR only).")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Read facts into the site's register: all rows or none; hospital numbers become pseudonyms and are not kept."""
    with reporting(as_json=as_json) as console:
        from myofed_node.key_custody import login_of
        from myofed_node.site_setup import open_site
        from myofed_node.subjects.register import FactsFile, import_facts

        facts = FactsFile(file, issuer=issuer, system=system)
        done = import_facts(open_site(site), facts, now=system_now(), actor=login_of(os.getuid()))
        counts = f"{done.subjects} subjects, {done.new} new, {done.changed} changed"
        console.result(done, [f"{done.state}: {counts}, {done.without_images} without images here"])


def list_all(site: SiteOption, as_json: JsonOption = False) -> None:
    """List whom facts are known of, and how many of each diagnosis; exact, for people of this site only."""
    with reporting(as_json=as_json) as console:
        from myofed_node.site_setup import open_site
        from myofed_node.subjects.register import read_register

        known = read_register(open_site(site))
        diagnoses = Counter(facts.diagnosis or "diagnosis unknown" for facts in known.subjects)
        lines = [
            f"{facts.subject}  {facts.diagnosis or 'unknown'}  genetic {facts.genetic}  {facts.sex}  "
            f"born {facts.birth_years or 'unknown'}  {facts.ambulation}  visits {len(facts.visits)}"
            for facts in known.subjects
        ]
        console.result(known, [*lines, *(f"{name}: {count}" for name, count in sorted(diagnoses.items()))])


def show(
    subject: Annotated[str, typer.Argument(metavar="PSEUDONYM", show_default=False)],
    site: SiteOption,
    as_json: JsonOption = False,
) -> None:
    """Show what is known of one subject."""
    with reporting(as_json=as_json) as console:
        from myofed_node.site_setup import open_site
        from myofed_node.subjects.register import facts_of

        facts = facts_of(open_site(site), subject)
        console.result(facts, [f"{name}: {value}" for name, value in facts.model_dump(mode="json").items()])


def template(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="New file.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Write an empty CSV with the columns that `subjects import` reads."""
    with reporting(as_json=as_json) as console:
        from myofed_node.subjects.csv_facts import TEMPLATE
        from myofed_schemas.files import write_atomically
        from myofed_schemas.subject_facts import CSV_COLUMNS

        if out.exists():
            raise MyofedError(
                "OUTPUT_EXISTS", "expected a new file, found one", hint="name another", exit_code=ExitCode.USAGE
            )
        write_atomically(out, TEMPLATE.encode())
        console.result({"columns": list(CSV_COLUMNS)}, [f"{len(CSV_COLUMNS)} columns"])
