"""The page of label maps."""

from __future__ import annotations

import re
from pathlib import Path

from myofed_node.label_exchange.delivery import SCHEMES
from myofed_node.label_exchange.export import ExportFormat
from myofed_node.label_exchange.name_tables import read_names
from myofed_schemas.anatomy import MUSCLES_VERSION, muscles
from myofed_schemas.label_schemes import LabelScheme, scheme_rows

CODE = re.compile(r'"((?:LABEL|SEG|SUBJECT|SERIES|MUSCLE|SIDE|OUT)S?_[A-Z_]+)"')


def test_every_code_scheme_and_format_stands_on_the_page(repository: Path) -> None:
    """A person who meets one finds it."""
    node = repository / "node" / "myofed_node"
    sources = [
        *(node / "label_exchange").glob("*.py"), node / "labels.py", node / "label_map.py", node / "commands" / "labels.py",
    ]  # fmt: skip
    raised = {code for path in sources for code in CODE.findall(path.read_text())}
    page = (repository / "docs" / "label-maps.md").read_text()
    named = set(re.findall(r"`([A-Za-z0-9_-]+)`", page))
    assert len(raised) > 25
    assert raised - named == set()
    assert {*SCHEMES, *(f.value for f in ExportFormat)} - named == set()


def test_counts_of_the_page_are_those_of_the_tables(repository: Path) -> None:
    """Regions, version, and labels of each scheme."""
    page = (repository / "docs" / "label-maps.md").read_text()
    assert f"(version {MUSCLES_VERSION})" in page
    for region in {m.region for m in muscles()}:
        assert f"| {region} | {sum(m.region == region for m in muscles())} |" in page
    rows = {name: count for names, count in re.findall(r"^\| (`.*?) \| ([\d, ]+) \|", page, re.MULTILINE)
            for name, count in zip(re.findall(r"`([^`]+)`", names), count.split(", "), strict=True)}  # fmt: skip
    assert rows == {scheme.value: str(len(scheme_rows(scheme))) for scheme in LabelScheme}


def test_qmritools_own_file_of_the_leg_reads_as_itksnap(tmp_path: Path) -> None:
    """Its lines have a number in the name; two of them carry another's."""
    (tmp_path / "t.txt").write_text('  91    60  179  113        1  1  1    "89 Quadratus lumborum Left"\n')
    assert read_names(tmp_path / "t.txt") == {91: "89 Quadratus lumborum Left"}
