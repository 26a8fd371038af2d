"""A reader's label maps come into the site's data set: rows with one outcome each, and an entry in the audit chain."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from myofed_node.audit import SiteAudit
from myofed_node.key_custody import pseudonym_source
from myofed_node.keys import load_deid_keys
from myofed_node.label_exchange.delivery import Reading
from myofed_node.label_map import Origin
from myofed_node.labels import PLAIN, HowDrawn, import_labels
from myofed_node.site_setup import Site
from myofed_schemas.ids import Code
from myofed_schemas.label_import import LabelRow
from myofed_schemas.wire import WireModel


class RefusedRow(WireModel):
    """One row of labels.csv that was refused; the number is its only name."""

    row: int
    code: Code
    message: str
    hint: str


class LabelIntake(WireModel):
    """What `labels import --json` prints."""

    imported: tuple[LabelRow, ...]
    refused: tuple[RefusedRow, ...]

    def lines(self) -> list[str]:
        """The outcome in words."""
        subjects = len({row.subject for row in self.imported})
        refused = [f"  row {row.row}: {row.code}: {row.message}. Hint: {row.hint}" for row in self.refused]
        return [f"{len(self.imported)} label maps of {subjects} subjects imported, {len(refused)} refused", *refused]


def import_into_site(
    site: Site, delivery: Path, *, now: datetime, reading: Reading = PLAIN, origin: Origin = "manual"
) -> LabelIntake:
    """Every row of the delivery's labels.csv is imported or refused with a code; the same delivery again changes nothing.

    Args:
        site: Its data set takes the maps.
        delivery: Folder with labels.csv, label maps and tables; it holds the hospital's own identifiers.
        now: UTC.
        reading: What was agreed to drop, and whether sides are told apart by geometry.
        origin: How the maps were made.

    Raises:
        MyofedError: KEY_*, PSEUDONYMS_INVALID, or LABELS_* where the delivery as a whole cannot be read.
    """
    keys, source = load_deid_keys(site.folder), pseudonym_source(site)
    how = HowDrawn(reading, origin)
    report = import_labels(delivery, site.folder.dataset, keys=keys, now=now, pseudonyms=source, how=how)
    imported = tuple(row for row in report.rows if row.outcome == "imported")
    refused = tuple(
        RefusedRow(row=row.row, code=row.code, message=row.message, hint=row.hint)
        for row in report.rows
        if row.code is not None
    )
    detail: dict[str, str | int] = {"imported": len(imported), "refused": len(refused)}
    SiteAudit(site.folder).append("LABELS_IMPORTED", now=now, detail=detail)
    return LabelIntake(imported=imported, refused=refused)
