"""`publication.json`: what left last, and the exact rows behind what was told, for the proof of the next version."""

from __future__ import annotations

from typing import Literal

from pydantic import ValidationError

from myofed_node.count_cube import release_of
from myofed_node.disclosure.base_table import Subject
from myofed_node.disclosure.versions import Release
from myofed_node.site_folder import SiteFolder
from myofed_schemas.canonical import canonical_json
from myofed_schemas.catalog import DatasetCard
from myofed_schemas.cube import CellValue, CountCube, DimensionName
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import write_atomically
from myofed_schemas.wire import WireModel


class CountedSubject(WireModel):
    """One subject's values, without its pseudonym."""

    values: dict[DimensionName, tuple[CellValue, ...]]


class CountedVersion(WireModel):
    """A cube and the subjects it counted; the subjects never leave."""

    cube: CountCube
    subjects: tuple[CountedSubject, ...]

    def rows(self) -> tuple[Subject, ...]:
        """The exact rows."""
        return tuple(each.values for each in self.subjects)


class PublicationRecord(WireModel):
    """The newest version, whether it was sent or not.

    Attributes:
        schema_version: Of this file.
        card: Of the newest version.
        newest: Cube and rows of the newest version.
        dimensions: By which it was counted.
        told: The last version that told anything and may have left: what an attacker may hold beside the next one.
        state: Of the newest version: `kept`, it may have left or not; `sent`, the coordinator took it; `withdrawn`.
    """

    schema_version: Literal["myofed-publication-1"] = "myofed-publication-1"
    card: DatasetCard
    newest: CountedVersion
    dimensions: tuple[DimensionName, ...]
    told: CountedVersion | None
    state: Literal["kept", "sent", "withdrawn"]

    def release(self) -> Release | None:
        """What the next version is proven beside."""
        return release_of(self.told.cube, self.told.rows()) if self.told else None


def counted(cube: CountCube, subjects: tuple[Subject, ...]) -> CountedVersion:
    """The version in the form in which it is kept, in an order that says nothing of who is who."""
    kept = [CountedSubject(values=dict(subject)) for subject in subjects]
    return CountedVersion(cube=cube, subjects=tuple(sorted(kept, key=canonical_json)))


def read_record(folder: SiteFolder) -> PublicationRecord | None:
    """What was published last; None before the first.

    Raises:
        MyofedError: PUBLICATION_BROKEN: without it no further version can be proven safe beside what left.
    """
    try:
        return PublicationRecord.model_validate_json(folder.publication.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        raise publication_broken("something else") from None


def publication_broken(found: str) -> MyofedError:
    """Nothing may be published."""
    return MyofedError(
        "PUBLICATION_BROKEN",
        f"expected what was published last in publication.json, found {found}",
        hint="restore it from the backup: without it nothing new can be proven safe beside what left before",
        exit_code=ExitCode.SITE_FOLDER,
    )


def write_record(folder: SiteFolder, record: PublicationRecord) -> None:
    """The record is on disk, 0600."""
    write_atomically(folder.publication, canonical_json(record))
