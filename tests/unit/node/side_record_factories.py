"""Side records in de-identified folders, for the tests of ORMIR-MIDS."""

from __future__ import annotations

import hashlib
from pathlib import Path

from mids_factories import write_report_file

from myofed_schemas.deid import REPORT_NAME, DeidentificationReport
from myofed_schemas.side_record import SIDE_RECORD_NAME, SideRecord

Numbers = dict[str, tuple[float, ...]]


def write_side_records(folder: Path, numbers: Numbers) -> Path:
    """The folder as `deidentify` leaves it when every file told these numbers: a side record for each series, named by the report."""
    for series in {path.parent for path in folder.rglob("*.dcm")}:
        files = sorted(path.stem for path in series.glob("*.dcm"))
        record = SideRecord(series_instance_uid=series.name, instances=dict.fromkeys(files, numbers))
        (series / SIDE_RECORD_NAME).write_bytes(record.to_json())
    return name_side_records(folder)


def name_side_records(folder: Path) -> Path:
    """The folder's report names its side records with the digests they have now."""
    report = DeidentificationReport.model_validate_json((folder / REPORT_NAME).read_bytes())
    found = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob(SIDE_RECORD_NAME))
    }
    write_report_file(folder, report.model_copy(update={"side_records": found}))
    return folder
