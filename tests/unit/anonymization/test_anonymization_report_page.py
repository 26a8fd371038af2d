from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from anonymization_factories import UID, mr, policy_with, run

from myofed_anonymization import default_policy
from myofed_anonymization.report_page import ACTIONS, NOTES, REASONS, report_page
from myofed_schemas.deid import PAGE_NAME, DeidentificationSummary, NoteCode, WithheldCode


class Text(HTMLParser):
    """Collects text, tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not {"src", "href"} & {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: bytes) -> Text:
    found = Text()
    found.feed(page.decode())
    return found


def test_the_page_tells_what_the_report_tells(tmp_path: Path) -> None:
    """Counts, reasons in words, claims and the policy's digest; no script, no link, no value of the input."""
    report = run(tmp_path, mr(), mr(SOPInstanceUID=UID + "8", PatientID=None), mr(SOPClassUID="1.2.3"))
    found = read((tmp_path / "out" / PAGE_NAME).read_bytes())
    assert "not an image of an allowed kind" in found.text
    assert "named after its study" in found.text
    assert "DCM 113107" in found.text
    assert f"{report.checks:,} comparisons" in found.text
    assert report.policy_digest in found.text
    assert "never anonymous" in found.text or "not anonymous" in found.text
    assert "script" not in found.tags
    assert not [word for word in ("Fantasia", "884422", "Wolkenstein", UID, str(tmp_path)) if word in found.text]


def test_every_code_has_words() -> None:
    """A person reads why, not only the code."""
    assert set(REASONS) == set(WithheldCode)
    assert set(NOTES) == set(NoteCode)
    assert len(ACTIONS) == 10


def test_an_option_that_is_off_says_that_nothing_stays(tmp_path: Path) -> None:
    """And a policy that retains UIDs cannot be overlooked."""
    summary = DeidentificationSummary.model_validate(run(tmp_path, mr()).model_dump(exclude={"files"}))
    assert "nothing stays" in read(report_page(summary, policy_with(retain_safe_private=False))).text
    assert "THE SCANNER'S OWN" in read(report_page(summary, policy_with(retain_uids=True))).text
    assert "THE SCANNER'S OWN" not in read(report_page(summary, default_policy())).text
