"""Rules that a site adds: asked like the shipped ones, or refused with the reason before a data set is read."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from myofed_node.mids.validation.rule_files import load_rules, rules
from myofed_node.mids.validation.validate import validate
from myofed_schemas.errors import MyofedError

HEAD = "format: myofed-rules-1\nprofile: myofed-1\nrules:\n"
RULE = """
  - code: SITE_ECHO_RANGE
    level: warning
    selector: sidecar
    suffixes: [MEGRE]
    check: echo_time_in_ms
    limits: {low_ms: 1.0, high_ms: 8.0}
    message: "expected echoes of our Dixon protocol, 1..8 ms, found {found}"
    hint: another protocol was used
    source: site
    reference: protocol of the study
"""


def written(folder: Path, text: str) -> Path:
    (folder / "rules.yaml").write_text(text)
    return folder / "rules.yaml"


def test_added_rule_is_asked_beside_the_shipped_ones(tmp_path: Path) -> None:
    """Its source says that a site asked."""
    from broken.good import good
    from broken.sets import keys

    (tmp_path / "d").mkdir()
    dataset = good(tmp_path / "d")
    added = load_rules(written(tmp_path, HEAD + RULE))
    assert validate(dataset, added=added).findings == ()
    for stem in ("MEGRE", "part-phase_MEGRE", "part-real_MEGRE", "part-imag_MEGRE"):
        keys(stem, EchoTime=[4.6, 9.2])(dataset)
    report = validate(dataset, added=added)
    assert {(f.code, f.source, f.level) for f in report.findings} == {("SITE_ECHO_RANGE", "site", "warning")}
    assert report.sources == ("ormir-mids", "profile", "site")
    assert "9.2" in report.findings[0].message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found the file"),
        ("a: [", "no YAML"),
        (HEAD + RULE + RULE, "stand twice"),
        (HEAD + RULE.replace("SITE_ECHO_RANGE", "NDIM"), "NDIM, which ships already"),
        (HEAD + RULE.replace("source: site", "source: profile"), "expected site"),
        (HEAD + RULE.replace("echo_time_in_ms", "no_such_check"), "no check no_such_check"),
        (HEAD + RULE.replace("selector: sidecar", "selector: label_map"), "no check echo_time_in_ms of a label_map"),
        (HEAD + RULE.replace("low_ms: 1.0, ", ""), "limits high_ms, low_ms expected"),
        (HEAD + RULE.replace("[MEGRE]", "[MEGREE]"), "suffixes"),
        (HEAD + RULE.replace("{found}", ""), "message"),
        (HEAD + RULE.replace("level: warning", "level: &x warning\n    more: *x"), "alias"),
        ("x" * 17 * 2**20, "16 MiB"),
    ],
)
def test_file_of_rules_that_cannot_be_asked_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """What is wrong is told; nothing is guessed."""
    with pytest.raises(MyofedError) as refusal:
        load_rules(written(tmp_path, text))
    assert refusal.value.code == "RULES_INVALID"
    assert said in str(refusal.value)


def test_file_of_rules_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The path is not repeated."""
    with pytest.raises(MyofedError, match="cannot be opened") as refusal:
        load_rules(tmp_path / "Mustermann")
    assert "Mustermann" not in str(refusal.value)


def test_shipped_rules_have_sources_and_references() -> None:
    """Draft and profile only, and more than eighty of them."""
    assert {rule.source for rule in rules().rules} == {"ormir-mids", "profile"}
    assert len(rules().rules) >= 80


def test_page_says_of_every_rule_what_it_expects_and_of_what_it_is_asked(repository: Path) -> None:
    """The table of docs/validator.md is the rules' own."""
    page = (repository / "docs" / "validator.md").read_text()
    rows = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}
    assert list(rows) == [rule.code for rule in rules().rules]
    for rule in rules().rules:
        asked = f" ({', '.join(rule.suffixes)})" if rule.suffixes else ""
        expected = rule.message.split(", found")[0].removeprefix("expected ").replace("|", r"\|").replace("<", "&lt;")
        row = f"| `{rule.code}` | {rule.level} | {rule.source} | {rule.selector}{asked} | {expected} |"
        assert rows[rule.code] == row


def test_example_of_the_page_is_a_file_of_rules(repository: Path, tmp_path: Path) -> None:
    """Who copies it has a rule that can be asked."""
    page = (repository / "docs" / "validator.md").read_text()
    example = page.split("for example:\n\n")[1].split("\n\nA code that ships")[0]
    (rule,) = load_rules(written(tmp_path, textwrap.dedent(example)))
    assert rule.code == "OUR_DIXON_ECHOES"
