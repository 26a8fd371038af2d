"""Every code that a person may meet is documented."""

from __future__ import annotations

import re
from pathlib import Path

from myofed_node.mids.validation.validate import rules

RAISES = re.compile(r"(?:Error|_refusal|_not_ours|_invalid)\(\s*\"([A-Z][A-Z0-9_]+)\"")
NAMED = re.compile(r"\b(?:CODE|CONTRADICTION|DIED|code) = \"([A-Z][A-Z0-9_]+)\"(?: if .+ else \"([A-Z][A-Z0-9_]+)\")?")
"""Codes that a constant or variable holds before they are raised."""


def test_every_code_of_conversion_ingest_and_labels_is_documented(repository: Path) -> None:
    """A code in the source stands on a page."""
    node = repository / "node" / "myofed_node"
    sources = [*sorted((node / "mids").rglob("*.py")), node / "ingest.py", node / "labels.py", node / "label_map.py"]
    texts = [path.read_text() for path in sources]
    raised = {code for text in texts for code in RAISES.findall(text)}
    raised |= {code for text in texts for pair in NAMED.findall(text) for code in pair if code}
    pages = ("conversion.md", "label-maps.md", "profile-myofed-1.md", "codes.md")
    text = "".join((repository / "docs" / page).read_text() for page in pages)
    documented = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", text))
    assert len(raised) > 40
    assert {"SERIES_INCOMPLETE_BY_HEADER", "OVERRIDE_CONTRADICTS_HEADERS", "FAT_FRACTION_UNIT_UNKNOWN"} <= raised
    assert raised - documented == set()


def test_every_rule_is_documented(repository: Path) -> None:
    """A rule of the validator stands on its page with its level and source."""
    text = (repository / "docs" / "validator.md").read_text()
    assert [
        rule.code for rule in rules().rules if f"| `{rule.code}` | {rule.level} | {rule.source} |" not in text
    ] == []
