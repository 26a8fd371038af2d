"""The report as one HTML page that a data protection officer reads; it needs no network and no script."""

from __future__ import annotations

from html import escape

from myofed_anonymization.dataset import METHODS
from myofed_anonymization.policy import Policy
from myofed_schemas.deid import DeidentificationSummary, NoteCode, WithheldCode

ACTIONS = {
    "kept": "kept as they were (numbers, geometry, defined terms)",
    "removed": "removed",
    "emptied": "emptied, because the standard demands the attribute",
    "replaced": "replaced by a dummy or by the pseudonym",
    "cleaned": "free text reduced to words of the policy's vocabulary",
    "shifted": "dates and times shifted, by the same amount for all files of a patient",
    "uid": "identifiers (UIDs) replaced by keyed ones",
    "private_kept": "private elements kept: numbers on the safe list",
    "private_removed": "private elements removed",
    "added": "added empty, because the standard demands the attribute",
}
REASONS = {
    WithheldCode.NOT_A_REGULAR_FILE: "a link, a device or a pipe",
    WithheldCode.UNREADABLE: "no permission, or a disk error",
    WithheldCode.TOO_LARGE: "larger than the policy allows",
    WithheldCode.TIME_LIMIT: "took longer than the policy allows",
    WithheldCode.MEMORY_LIMIT: "needed more memory than the policy allows",
    WithheldCode.WORKER_DIED: "its process ended before it was done",
    WithheldCode.NOT_DICOM: "no DICOM file",
    WithheldCode.PREAMBLE_MISSING: "DICOM elements without the head of a DICOM file",
    WithheldCode.DICOM_DAMAGED: "cannot be parsed, or holds nothing but zeros",
    WithheldCode.TRANSFER_SYNTAX_REFUSED: "video, an unknown encoding or none stated",
    WithheldCode.SOP_CLASS_REFUSED: "not an image of an allowed kind (capture, report, document, other modality)",
    WithheldCode.UID_MISSING: "no usable study, series or instance UID",
    WithheldCode.SCREEN_SAVE: "a captured or composed page",
    WithheldCode.BURNED_IN_ANNOTATION: "says itself that text is burned in",
    WithheldCode.BURNED_IN_TEXT: "text was read in its pixels",
    WithheldCode.OCR_NEEDED: "its pixels may hold text, and text recognition is not installed or not allowed",
    WithheldCode.PIXELS_UNDECODABLE: "compressed so that its pixels cannot be looked at here",
    WithheldCode.PHOTOMETRIC_REFUSED: "colour, or not stated",
    WithheldCode.MODALITY_LUT: "its values need a table that cannot be kept",
    WithheldCode.NO_PIXEL_DATA: "no pixels",
    WithheldCode.PIXEL_LENGTH: "too few pixels, or something behind them",
    WithheldCode.PIXEL_BITS_IN_USE: "spare bits of its pixels hold something",
    WithheldCode.PIXEL_STREAM_REFUSED: "its compressed pixels hold a comment, or bytes that no decoder reads",
    WithheldCode.OVERLAY_IN_PIXEL_DATA: "a retired overlay in its pixels",
    WithheldCode.NESTED_TOO_DEEP: "nested deeper than the policy allows",
    WithheldCode.TOO_MANY_ELEMENTS: "more elements than the policy allows",
    WithheldCode.TOO_MANY_PIXELS: "claims more pixels than the policy allows",
    WithheldCode.ELEMENT_TOO_LONG: "an element longer than the policy allows",
    WithheldCode.INFLATES_TOO_LARGE: "inflates to more than the policy allows",
    WithheldCode.PSEUDONYM_MISSING: "the trusted third party knows no pseudonym for its patient",
    WithheldCode.TYPE_1_LOST: "a mandatory attribute would be missing",
    WithheldCode.LEAK_FOUND: "the verification found an identifying value in the written file; it was deleted",
    WithheldCode.VALUE_CHANGED: "geometry or a quantity would differ",
    WithheldCode.PIXELS_CHANGED: "the pixels would differ",
    WithheldCode.NOTHING_CHECKED: "the verification had nothing to compare",
    WithheldCode.DUPLICATE_CONFLICT: "several inputs claim to be this image and differ",
}
NOTES = {
    NoteCode.PATIENT_ID_MISSING: "without PatientID: named after its study, so that two studies of one person get two pseudonyms",
    NoteCode.DUPLICATE_IDENTICAL: "another input gave exactly this output",
    NoteCode.ALREADY_DEIDENTIFIED: "claimed to be de-identified already; treated like any other",
    NoteCode.INFLATED: "was deflated; the output is not",
    NoteCode.CODE_REPLACED: "a code of a local scheme (of a segment, or a unit) was replaced by a general one",
    NoteCode.VENDOR_HEADER_DAMAGED: "the vendor's binary header could not be parsed; its numbers are missing",
}
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}"
    "table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}td,th{border-bottom:1px solid #ccc;padding:.3rem .6rem;"
    "text-align:left;vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums}code{font-size:.9em;"
    "overflow-wrap:anywhere}.claim{border-left:4px solid #1d5c8a;padding:.5rem 1rem;background:#f2f6f9}"
)


def report_page(summary: DeidentificationSummary, policy: Policy) -> bytes:
    """The page: what was let through, what was withheld and why, what the files claim, and what stays open.

    Args:
        summary: The run; it holds no value of an element and no name of an input.
        policy: The policy of the run.
    """
    sections = (
        _section("What came of the files", _rows(_counts(summary))),
        _section("Withheld, by reason", _rows(_reasons(summary))),
        _section("Released, with a note", _rows((NOTES[NoteCode(c)], n) for c, n in summary.notes.items())),
        _section(
            "What was done to the elements of the released files",
            _rows((ACTIONS.get(name, name), count) for name, count in summary.actions.items()),
        ),
        _section("What each released file claims (PS3.15 Annex E; CID 7050)", _rows(_claims(summary))),
        _section("What the policy lets stay", _rows(_stays(policy))),
        _section("How it was verified", _VERIFIED.format(checks=f"{summary.checks:,}")),
        _section("What remains with the person who signs", _REMAINS),
        _section("To reproduce", _rows(_facts(summary))),
    )
    body = f'<h1>De-identification report</h1>\n<p class="claim">{escape(summary.claim)}</p>\n' + "\n".join(sections)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>De-identification report</title><style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    ).encode()


_VERIFIED = (
    "<p>After each file was written, a second program part that shares no code with the first read it back from disk and "
    "compared it with its original: {checks} comparisons in all. It searches the file for every name, identifier, institution, "
    "device, UID and date of the original (as text, as bytes in UTF-8, Latin-1 and UTF-16, dates in ten spellings), and checks "
    "that geometry, quantities, pixels and mandatory attributes are unchanged. A single hit withholds the file; so does a "
    "verification that found nothing to compare.</p>"
    "<p>Limits: text in pixels is judged by rules and, where these are suspicious, by text recognition; values of fewer than six "
    "characters are compared as whole values and words, not as bytes; a value made only of the policy's vocabulary (such as "
    "“left leg”) cannot be told from a description.</p>"
)
_REMAINS = (
    "<p>The output is pseudonymised, not anonymous (GDPR Art. 4(5)): whoever holds the site's key can test whether a person is in "
    "it. An image of a body can be recognised by who has another image of it; a head can be rebuilt to a face. Keep the "
    "key apart from the output, and treat the output as personal data.</p>"
)


def _section(title: str, content: str) -> str:
    return f"<h2>{escape(title)}</h2>\n{content or '<p>None.</p>'}"


def _rows(rows: object) -> str:
    assert hasattr(rows, "__iter__")
    lines = [
        f'<tr><td>{escape(str(name))}</td><td class="{"n" if isinstance(value, int) else ""}">'
        f"{f'{value:,}' if isinstance(value, int) else escape(str(value))}</td></tr>"
        for name, value in rows
    ]
    return f"<table>{''.join(lines)}</table>" if lines else ""


def _counts(summary: DeidentificationSummary) -> list[tuple[str, int]]:
    return [
        ("files received", summary.received),
        ("released, verified", summary.deidentified),
        ("withheld", summary.withheld),
    ]


def _reasons(summary: DeidentificationSummary) -> list[tuple[str, int]]:
    return [(f"{code}: {REASONS[WithheldCode(code)]}", count) for code, count in summary.withheld_by_code.items()]


def _claims(summary: DeidentificationSummary) -> list[tuple[str, str]]:
    return [(f"DCM {code}", METHODS[code]) for code in summary.options]


def _stays(policy: Policy) -> list[tuple[str, str]]:
    age = f"sex, age (at most {policy.age_cap_years} years), size and weight"
    settings = (
        (
            "dates and times",
            policy.retain_modified_dates,
            "shifted by a keyed number of days per patient, intervals exact",
        ),
        ("patient characteristics", policy.retain_patient_characteristics, age),
        ("free text", policy.clean_descriptors, "words of the vocabulary only"),
        (
            "device",
            policy.retain_device_identity,
            "manufacturer, model and software version; no serial number, no station",
        ),
        ("private elements", policy.retain_safe_private, "numbers on the safe list only"),
        ("UIDs", policy.retain_uids, "THE SCANNER'S OWN: a PACS leads them back to the patient"),
    )
    return [(name, text if stays else "nothing stays") for name, stays, text in settings]


def _facts(summary: DeidentificationSummary) -> list[tuple[str, str]]:
    source = summary.pseudonym_check or "the site's key"
    tools = ", ".join(f"{name} {version}" for name, version in sorted(summary.tools.items()))
    return [
        ("made at", summary.created),
        ("policy", f"{summary.policy} (SHA-256 {summary.policy_digest})"),
        ("table of the standard", f"{summary.profile_edition}, {summary.profile_rows} rows"),
        ("check of the key (tells keys apart, reveals none)", summary.key_check),
        ("pseudonyms from", source),
        ("made with", tools),
    ]
