"""The import rules hold, and each breaks loudly when violated."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOTS = ("schemas", "anonymization", "node", "coordinator", "deploy")

VIOLATIONS = {
    "schemas-lowest": ("schemas/myofed_schemas/ids.py", "import numpy"),
    "anonymization": ("anonymization/myofed_anonymization/uids.py", "import myofed_node.site_folder"),
    "two-sides": ("node/myofed_node/site_folder.py", "import myofed_coordinator.home"),
    "coordinator-no-images": ("coordinator/myofed_coordinator/home.py", "import torch"),
    "learning-no-flower": ("node/myofed_node/learning/split.py", "import flwr"),
    "federation-no-torch": ("node/myofed_node/federation/__init__.py", "import torch"),
    "intake-one-adapter": ("node/myofed_node/intake/received.py", "import pynetdicom"),
    "intake-port-takes-in": ("node/myofed_node/intake/received.py", "import httpx"),
    "validator-alone": ("node/myofed_node/mids/validation/validate.py", "import nibabel"),
    "demo-starts-processes": ("deploy/myofed_demo/settings.py", "import myofed_node.site_folder"),
    "client-alone": ("deploy/myofed_client/__init__.py", "import numpy"),
    "simulation-on-top": ("node/myofed_node/cli.py", "import myofed_simulation.cli"),
    "simulation-flower": ("deploy/myofed_simulation/courier.py", "import flwr"),
}


def lint_imports(tree: Path, contract: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    return subprocess.run(
        [*command, *(["--contract", contract] if contract else [])],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": ":".join(ROOTS)},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def tree(repository: Path, tmp_path: Path) -> Path:
    """A copy of the sources, to be spoilt."""
    for root in ROOTS:
        shutil.copytree(repository / root, tmp_path / root, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(repository / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("contract", VIOLATIONS)
def test_violated_import_rule_breaks_the_build(tree: Path, contract: str) -> None:
    """One forbidden import is enough, and the broken rule is named."""
    file, line = VIOLATIONS[contract]
    with (tree / file).open("a") as module:
        module.write(f"\n{line}\n")
    result = lint_imports(tree, contract)
    assert result.returncode != 0
    assert "0 kept, 1 broken" in result.stdout


def test_every_import_rule_has_its_violation_tested(repository: Path) -> None:
    """A new contract cannot land without the proof that it can break."""
    import tomllib

    contracts = tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert {c["id"] for c in contracts} == set(VIOLATIONS)
