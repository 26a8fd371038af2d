"""The page that a person reads: verdict, summary by code, findings by path; nothing in it runs."""

from __future__ import annotations

from html.parser import HTMLParser

from myofed_node.mids.validation.validation_page import MOST_FINDINGS, validation_page
from myofed_schemas.rules import Finding, ValidationReport


def finding(number: int = 1, *, level: str = "error", code: str = "SOME_RULE", path: str = "sub-A/x") -> Finding:
    return Finding.model_validate(
        {
            "code": code,
            "level": level,
            "source": "profile",
            "path": path,
            "message": f"found {number}",
            "hint": "do that",
        }
    )


def page(*findings: Finding) -> str:
    return validation_page(ValidationReport(checks=1200, images=3, findings=findings)).decode()


class _Tags(HTMLParser):
    """Open tags, and whether each was closed in order."""

    VOID = ("meta", "br", "!doctype")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_verdict_says_what_was_asked_and_what_came_of_it() -> None:
    """Conforming, with how much was asked."""
    good = page()
    assert "The data set conforms." in good
    assert "1,200 checks of 3 images: 0 errors, 0 warnings." in good
    assert "draft standard" in good
    assert good.count("None.") == 2
    assert "does not conform" in page(finding())
    assert "The data set conforms." in page(finding(level="warning"))


def test_summary_counts_each_code_and_findings_stand_under_their_path() -> None:
    """Errors first; a path once."""
    text = page(finding(1, level="warning", code="A_WARNING"), finding(2), finding(3), finding(4, path="sub-B/y"))
    summary, findings = text.split("<h2>Findings</h2>")
    assert summary.index("SOME_RULE") < summary.index("A_WARNING")
    assert '<td class="n">3</td>' in summary
    assert findings.count("<code>sub-A/x</code>") == 1
    assert findings.index("found 3") < findings.index("sub-B/y") < findings.index("found 4")


def test_page_is_one_whole_document_without_script_and_link() -> None:
    """It needs no network, and what a data set brings cannot run in it."""
    text = page(finding(path="<script>alert(1)</script>"), finding(path="a\"b'c&d"))
    tags = _Tags()
    tags.feed(text)
    assert tags.open == []
    assert tags.seen.isdisjoint({"script", "link", "img", "a", "iframe"})
    assert "&lt;script&gt;" in text
    assert "default-src 'none'" in text


def test_page_of_a_wrong_folder_stays_readable() -> None:
    """Two thousand are shown, and how many there are besides."""
    text = page(*(finding(number) for number in range(MOST_FINDINGS + 1500)))
    assert text.count("found ") == MOST_FINDINGS
    assert "And 1,500 more" in text
    assert f"{MOST_FINDINGS + 1500:,}" in text
