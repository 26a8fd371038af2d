"""Pages say what is true: links lead somewhere, commands exist, every code is explained."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click
import pytest
import typer.main

from myofed_coordinator.catalog.names import name_of

PACKAGES = (
    "schemas/myofed_schemas",
    "anonymization/myofed_anonymization",
    "node/myofed_node",
    "coordinator/myofed_coordinator",
    "deploy/myofed_demo",
    "deploy/myofed_simulation",
    "deploy/myofed_client",
)
ERROR_CALLS = {"MyofedError"}


def pages(repository: Path) -> list[Path]:
    return [repository / "README.md", *sorted((repository / "docs").rglob("*.md"))]


def sources(repository: Path) -> list[Path]:
    return [path for package in PACKAGES for path in sorted((repository / package).rglob("*.py"))]


def programs() -> dict[str, click.Command]:
    from myofed_coordinator.cli import app as coordinator
    from myofed_demo.cli import app as demo
    from myofed_node.cli import app as node
    from myofed_simulation.cli import app as simulate

    apps = {
        "myofed-node": node,
        "myofed-coordinator": coordinator,
        "myofed-demo": demo,
        "myofed-simulate": simulate,
    }
    return {name: typer.main.get_command(app) for name, app in apps.items()}


def commands(prefix: str, command: click.Command) -> dict[str, click.Command]:
    if not isinstance(command, click.Group):
        return {prefix: command}
    found = {}
    for name, below in command.commands.items():
        found |= commands(f"{prefix} {name}", below)
    return found


def all_commands() -> dict[str, click.Command]:
    return {name: c for program, root in programs().items() for name, c in commands(program, root).items()}


def test_every_relative_link_leads_to_a_file(repository: Path) -> None:
    """A reader never meets a dead link."""
    dead = [
        f"{page.relative_to(repository)} -> {target}"
        for page in pages(repository)
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
        if not target.startswith("http") and not (page.parent / target).exists()
    ]
    assert dead == []


def test_every_page_is_reached_from_the_index(repository: Path) -> None:
    """docs/README.md names each page."""
    index = (repository / "docs" / "README.md").read_text()
    assert [p.name for p in (repository / "docs").glob("*.md") if p.name not in index and p.name != "README.md"] == []


SHOWN = re.compile(
    r"(?:^\s*(?:\$ )?(?:\S*/)?|`)(myofed-(?:node|coordinator|demo|simulate)(?: [^`\n]*)?)(?=`|$)", re.MULTILINE
)
"""A command at the beginning of a line, behind a prompt or not, or as code within a sentence."""


def test_every_command_a_page_shows_exists(repository: Path) -> None:
    """What a page shows as a command can be typed, and its options exist."""
    known = all_commands()
    groups = {" ".join(name.split()[:depth]) for name in known for depth in range(1, len(name.split()))}
    wrong, shown = [], 0
    for page in pages(repository):
        for line in SHOWN.findall(page.read_text().replace("\\\n", " ")):
            words = re.split(r"[#|;&>]", line)[0].split()
            shown += 1
            name = max((n for n in known if words[: len(n.split())] == n.split()), key=len, default=None)
            options = {o for p in known[name].params for o in [*p.opts, *p.secondary_opts]} if name else set()
            used = {w.split("=")[0].strip("[]") for w in words if w.startswith(("--", "[--"))}
            if not used <= options | {"--help"} or (name is None and " ".join(words) not in groups):
                wrong.append(f"{page.name}: {line}")
    assert shown > 200, "the search for commands found few: it is broken"
    assert wrong == []


def test_every_code_of_a_disease_or_phenotype_that_is_shown_has_a_name(repository: Path) -> None:
    """Pages, settings, schemas and the API's examples show no code that the catalog shows as a bare number."""
    read = [path.read_text() for path in [*pages(repository), *sources(repository)]]
    codes = {code for text in read for code in re.findall(r"ORPHA:[0-9]+|HP:[0-9]{7}", text)}
    assert len(codes) > 5, "the search for codes found few: it is broken"
    assert {code for code in codes if name_of(code) == code} == set()


@pytest.mark.parametrize("program", ["myofed-node", "myofed-coordinator", "myofed-demo", "myofed-simulate"])
def test_every_command_has_help_with_an_example(program: str) -> None:
    """`--help` says what is true afterwards, what each option means, and shows one call."""
    lacking = []
    for name, command in all_commands().items():
        if not name.startswith(program):
            continue
        text = f"{command.help or ''}\n{command.epilog or ''}"
        if program not in text:
            lacking.append(f"{name}: no example")
        lacking += [
            f"{name}: {p.opts[0]} has no help"
            for p in command.params
            if isinstance(p, click.Option) and not p.help and "--help" not in p.opts
        ]
    assert lacking == []


def codes_in(path: Path) -> set[str]:
    """String literals passed as the first argument, or as `code=`, to something that takes a code."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        first = node.args[:1] if name in ERROR_CALLS else []
        for value in [*first, *(k.value for k in node.keywords if k.arg == "code")]:
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found.add(value.value)
    return found


def test_every_error_code_is_explained(repository: Path) -> None:
    """Whoever meets a code finds in docs/codes.md what it means and what to do."""
    documented = set(
        re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \|", (repository / "docs" / "codes.md").read_text(), re.MULTILINE)
    )
    used = {code for path in sources(repository) for code in codes_in(path) if re.fullmatch(r"[A-Z][A-Z0-9_]+", code)}
    assert used, "the search for codes found none: it is broken"
    assert used - documented == set()


BROAD_EXCEPTS = {
    "node/myofed_node/intake/studies.py": 2,  # one study's defect costs that study; told by type and place
    "node/myofed_node/intake/instance.py": 1,  # a sender's bytes: pydicom raises many kinds on damaged ones
    "anonymization/myofed_anonymization/worker_process.py": 1,  # one file's bug costs that file; told by type and place
    "node/myofed_node/cli.py": 1,  # entry point: no traceback with patients' data reaches a screen
    "node/myofed_node/federation/executor_process.py": 1,  # the loop goes on; the coordinator learns one code
    "node/myofed_node/mids/convert_worker.py": 1,  # one session's defect costs that session; told by type and place
    "node/myofed_node/learning/worker.py": 1,  # the loop goes on; the caller learns one code
}


def test_broad_excepts_are_these_and_no_other(repository: Path) -> None:
    """`except Exception` stands once per process entry point, each with its reason; a new one is noticed here."""
    found: dict[str, int] = {}
    for path in sources(repository):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler) and (
                node.type is None
                or any(getattr(t, "id", "") in {"Exception", "BaseException"} for t in ast.walk(node.type))
            ):
                reraises = any(isinstance(n, ast.Raise) and n.exc is None for n in ast.walk(node))
                if not reraises:
                    name = str(path.relative_to(repository))
                    found[name] = found.get(name, 0) + 1
    assert found == BROAD_EXCEPTS
