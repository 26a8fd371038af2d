"""Which converter gets which series right: ours, dcm2niix and dcm2omids over the vendor matrix and the public real sets, one run.

Not timed. Writes docs/convert-right.md. dcm2niix names no suffix, so that only its pixels, geometry and echo times are judged;
`overwritten` means that a series came out with its number in the name and not without, as users call dcm2omids.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pydicom

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests" / "functional"))  # the judge lies with the tests that use it

from bench.converters import Output, Run, match, of_series, run_dcm2niix, run_dcm2omids, told_echo_times, verdict  # noqa: E402
from bench.source_truth import volumes_of  # noqa: E402
from myofed_anonymization import SiteKeys, default_policy, deidentify, new_uid  # noqa: E402
from myofed_demo.protocols import Kind  # noqa: E402
from myofed_demo.vendor_matrix import SUFFIXES, ImageTruth, SeriesTruth, write_matrix  # noqa: E402
from myofed_node.mids.convert import convert  # noqa: E402
from myofed_schemas.conversion import SeriesOutcome  # noqa: E402
from myofed_schemas.mids import Part, Suffix  # noqa: E402

PAGE = REPOSITORY / "docs" / "convert-right.md"
REAL_SETS: dict[str, frozenset[tuple[Suffix, Part]]] = {
    "ge_gre_anat": frozenset({(Suffix.T1W, Part.MAG)}),
    "philips_enh_t1": frozenset({(Suffix.T1W_FS, Part.MAG)}),
    "philips_ir_anat": frozenset(),
    "siemens_gre_2echo_mag": frozenset({(Suffix.MEGRE, Part.MAG)}),
    "siemens_gre_2echo_phase": frozenset(),
    "siemens_tse_pdt2_2echo": frozenset(),
    "siemens_xa30_enh_t1w": frozenset({(Suffix.T1W, Part.MAG)}),
}
"""What each public set must be called; nothing where its headers do not prove it."""
TOOLS = ("myofed", "dcm2niix", "dcm2omids")
"""Columns of the table."""


@dataclass(frozen=True, eq=False)
class Subject:
    """One series of the comparison.

    Attributes:
        case: As the table names it.
        folder: Its files alone.
        visit: The folder of its visit, with other series.
        volumes: What is in it.
        names: What its images must be called.
    """

    case: str
    folder: Path
    visit: Path
    volumes: tuple[ImageTruth, ...]
    names: frozenset[tuple[Suffix, Part]]


def measure() -> dict[str, Any]:
    """Counts by tool and verdict, with every series; docs/convert-right.md is written.

    Raises:
        SystemExit: MYOFED_SHARED_DATA names no folder.
    """
    data = Path(os.environ.get("MYOFED_SHARED_DATA", "/nonexistent")) / "dicom"
    if not data.is_dir():
        sys.exit("bench convert-right needs the public data: set MYOFED_SHARED_DATA")
    with tempfile.TemporaryDirectory() as folder:
        rows = _rows(Path(folder), data)
    counts = {tool: Counter(_kind(row[tool]) for row in rows) for tool in TOOLS}
    PAGE.write_text(page(rows, counts))
    return {
        "figures": {key: float(value) for key, value in sorted(counts[TOOLS[0]].items())},
        "peers": {tool: {k: float(v) for k, v in sorted(counts[tool].items())} for tool in TOOLS[1:]},
        "ratios": {},
        "runs": 1,
        "series": rows,
    }


def _rows(work: Path, data: Path) -> list[dict[str, str]]:
    truths = write_matrix(work / "matrix")
    subjects = [_generated(truth) for truth in truths]
    subjects += [Subject(n, data / n, data / n, volumes_of(data / n), names) for n, names in REAL_SETS.items()]
    ours = _ours(subjects, work)
    reference = _reference(subjects, work)
    niix = [run_dcm2niix(s.folder, work / "niix" / str(n)) for n, s in enumerate(subjects)]
    return [
        {
            "case": subject.case,
            "myofed": ours[n],
            "dcm2niix": verdict(niix[n], subject.volumes, subject.names),
            "dcm2omids": reference[n],
        }
        for n, subject in enumerate(subjects)
    ]


def _generated(truth: SeriesTruth) -> Subject:
    folder = truth.written.files[0].parent
    unitless = truth.code == "FAT_FRACTION_UNIT_UNKNOWN"  # no reader of the headers can know its factor
    volumes = tuple(
        ImageTruth(
            suffix=Suffix.T1W if unitless else SUFFIXES.get(stored.volume.kind, Suffix.T1W),
            part=Part.PHASE if stored.volume.kind is Kind.PHASE else Part.MAG,
            echo_times_ms=(stored.volume.echo_time_ms,),
            values=stored.real[..., None],
            affine_lps=stored.volume.affine_lps,
            markers_mm=(),
        )
        for stored in truth.written.volumes
    )
    names = frozenset((image.suffix, image.part) for image in truth.images)
    return Subject(truth.case, folder, folder.parent, volumes, names)


def _ours(subjects: Sequence[Subject], work: Path) -> list[str]:
    """Each visit de-identified and converted in one call."""
    keys, now = SiteKeys.generate(), datetime.now(UTC)
    outcomes: dict[Path, list[tuple[SeriesOutcome, Path]]] = {}
    for number, visit in enumerate(dict.fromkeys(s.visit for s in subjects)):
        clean, dataset = work / "clean" / str(number), work / "ours" / str(number)
        deidentify(visit, clean, keys=keys, policy=default_policy(), now=now)
        dataset.parent.mkdir(parents=True, exist_ok=True)
        outcomes[visit] = [(series, dataset) for series in convert(clean, dataset, now=now).series]
    return [_our_verdict(subject, outcomes[subject.visit], keys) for subject in subjects]


def _our_verdict(subject: Subject, outcomes: list[tuple[SeriesOutcome, Path]], keys: SiteKeys) -> str:
    uid = new_uid(keys, _series_uid(subject.folder))
    found = [(outcome, dataset) for outcome, dataset in outcomes if outcome.series_instance_uid == uid]
    if not found:
        return "lost silently"
    outcome, dataset = found[0]
    if outcome.outcome != "converted":
        return f"{'skipped' if outcome.outcome == 'skipped' else 'refused'}: {outcome.code}"
    outputs = tuple(
        Output(
            dataset / image.path,
            (image.suffix.value.lower(), (image.part or Part.MAG).value),
            told_echo_times(dataset / image.sidecar),
        )
        for image in outcome.images
    )
    return verdict(Run(outputs, 0), subject.volumes, subject.names)


def _series_uid(folder: Path) -> str:
    return str(_header(folder).SeriesInstanceUID)


def _series_number(folder: Path) -> int:
    return int(_header(folder).SeriesNumber)


def _header(folder: Path) -> pydicom.Dataset:
    path = next(p for p in sorted(folder.iterdir()) if p.read_bytes()[128:132] == b"DICM")
    return pydicom.dcmread(path, stop_before_pixels=True)


def _reference(subjects: Sequence[Subject], work: Path) -> list[str]:
    """Each visit twice: with series numbers in the names, and as users call it, where one series may overwrite another."""
    home = work / "home"
    visits = list(dict.fromkeys(s.visit for s in subjects))
    numbered, plain = (
        {
            visit: run_dcm2omids(visit, work / f"omids-{flag}" / str(n), home=home, numbered=flag)
            for n, visit in enumerate(visits)
        }
        for flag in (True, False)
    )
    verdicts = []
    for subject in subjects:
        alone = of_series(numbered[subject.visit], _series_number(subject.folder))
        found = verdict(alone, subject.volumes, subject.names)
        lost = bool(alone.outputs) and not match(plain[subject.visit].outputs, subject.volumes)[0]
        verdicts.append(f"{found}; overwritten in its visit" if lost else found)
    return verdicts


def _kind(told: str) -> str:
    return told.split(":", maxsplit=1)[0].split(";", maxsplit=1)[0]


def page(rows: Sequence[dict[str, str]], counts: dict[str, Counter[str]]) -> str:
    """docs/convert-right.md."""
    kinds = sorted({kind for counted in counts.values() for kind in counted})
    versions = {
        "myofed": "this commit",
        "dcm2niix": version("dcm2niix"),
        "dcm2omids": f"ormir-mids {version('ormir-mids')}",
    }
    lines = [
        "# Which converter gets which series right",
        "",
        f"Made by `make bench NAME=convert-right`: {len(rows)} series in one run, each from the same DICOM files. The first",
        "ones are made by the demo's generator (docs/synthetic-patients.md), oblique, of uneven size, with known truth; the last",
        f"{len(REAL_SETS)} are public real data. A series is right when each of its volumes is in the patient where it belongs,",
        "with its values and echo time, and is called what it is. Arbitrary units may have any one factor; radians, percent, Hz",
        "and ms may not. dcm2niix names no suffix and was judged without; it leaves phase in the vendor's numbers (`scaled`) and",
        "was never meant to classify. `lost silently` is exit code 0 and no image. Ours is de-identified first.",
        "",
        "| | " + " | ".join(f"{tool} ({versions[tool]})" for tool in TOOLS) + " |",
        "|---|" + "---|" * len(TOOLS),
        *(f"| {kind} | " + " | ".join(str(counts[tool][kind]) for tool in TOOLS) + " |" for kind in kinds),
        "",
        "| series | " + " | ".join(TOOLS) + " |",
        "|---|" + "---|" * len(TOOLS),
        *(f"| {row['case']} | " + " | ".join(_cell(row[tool]) for tool in TOOLS) + " |" for row in rows),
        "",
    ]
    return "\n".join(lines)


def _cell(told: str) -> str:
    kind, colon, code = told.partition(": ")
    return f"{kind}: `{code}`" if colon and kind in {"refused", "skipped"} else told
