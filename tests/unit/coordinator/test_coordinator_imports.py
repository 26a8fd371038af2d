"""Every import of the coordinator is there, also one inside a function: `make test-coordinator` runs this where only its extra is."""

from __future__ import annotations

import ast
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType

import pytest

import myofed_coordinator
import myofed_schemas

PACKAGES = (myofed_schemas, myofed_coordinator)
RUN_BY_OTHERS = ("__main__", ".env")
"""Ends of names of modules that do something as they are imported: processes of their own, and what Alembic runs."""


def imported(source: str) -> set[str]:
    """The modules that are imported anywhere in this source."""
    found = list(ast.walk(ast.parse(source)))
    names = {alias.name for node in found if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module for node in found if isinstance(node, ast.ImportFrom) and node.module}


def is_there(name: str) -> bool:
    try:
        return name in sys.modules or find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def test_what_is_imported_within_a_function_is_seen() -> None:
    """And what is not there is noticed: silence below means something."""
    source = "import a.b\ndef f():\n    from c.d import e\n    import no_such_module"
    assert imported(source) == {"a.b", "c.d", "no_such_module"}
    assert not is_there("no_such_module")
    assert not is_there("no_such_package.of_it")


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_every_module_that_is_named_in_an_import_is_installed(package: ModuleType) -> None:
    """Also where the import stands inside a function that no other test calls here."""
    names = {name for path in Path(package.__path__[0]).rglob("*.py") for name in imported(path.read_text())}
    assert "pydantic" in names
    assert {name for name in names if not is_there(name)} == set()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_every_module_is_imported(package: ModuleType) -> None:
    """None has a mistake that only its first use would show."""
    names = [each.name for each in walk_packages(package.__path__, f"{package.__name__}.")]
    assert len(names) > 30, "the search for modules found few: it is broken"
    for name in names:
        if not name.endswith(RUN_BY_OTHERS):
            assert import_module(name).__name__ == name
