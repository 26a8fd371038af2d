"""Where pseudonyms come from: the site's key, or a trusted third party's list or service."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

from pydantic import TypeAdapter, ValidationError

from myofed_anonymization.keys import SiteKeys
from myofed_anonymization.private_files import read_private_file
from myofed_anonymization.pseudonyms import pseudonym
from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import WithheldCode
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.ids import SubjectLabel

COLUMNS = ["issuer", "patient_id", "pseudonym"]
MOST_DEFECTS = 10
"""Lines that a refusal names; the file is refused whole at the first."""
_LABEL: TypeAdapter[SubjectLabel] = TypeAdapter(SubjectLabel)


class PseudonymSource(Protocol):
    """Gives a patient's pseudonym; UIDs and date shifts stay keyed with the site's key.

    A source travels to worker processes (pickle over a private pipe), so it holds no open connection, and its repr shows
    no secret and no identity. A third party's REST service (gPAS, Mainzelliste) becomes a source in a few lines:

        @dataclass(frozen=True)
        class Service:
            url: str
            keys: SiteKeys
            token: str = field(repr=False)

            def label(self, *, issuer: str, patient_id: str) -> SubjectLabel:
                reply = httpx.post(self.url, json={"issuer": issuer, "id": patient_id}, headers=..., timeout=10)
                if reply.status_code == 404:
                    raise WithheldError(WithheldCode.PSEUDONYM_MISSING)
                reply.raise_for_status()
                return checked_label(reply.json()["pseudonym"], patient_id=patient_id)

            def check(self) -> str:
                return self.keys.mac("pseudonym service", self.url).hex()[:16]

    The service must answer with the same pseudonym for the same patient for ever. Its failure is an exception that ends
    the run, which is then made again; only "not known" is PSEUDONYM_MISSING.
    """

    def label(self, *, issuer: str, patient_id: str) -> SubjectLabel:
        """The patient's pseudonym, the same at every call.

        Args:
            issuer: IssuerOfPatientID (0010,0021), or the empty string; surrounding spaces do not count.
            patient_id: PatientID (0010,0020); surrounding spaces do not count. For a file without one, issuer is
                `StudyInstanceUID` and this is the study's UID.

        Raises:
            WithheldError: PSEUDONYM_MISSING, the source knows no pseudonym of this patient.
        """

    def check(self) -> str:
        """16 hexadecimal digits that tell this source from others and reveal nothing of it."""


@dataclass(frozen=True, slots=True)
class KeyedPseudonyms:
    """The default: pseudonyms are made of the site's key and known for every patient."""

    keys: SiteKeys

    def label(self, *, issuer: str, patient_id: str) -> SubjectLabel:
        """The keyed pseudonym; never missing."""
        return pseudonym(self.keys, issuer=issuer, patient_id=patient_id)

    def check(self) -> str:
        """The check of the key."""
        return self.keys.check()


@dataclass(frozen=True, slots=True)
class CsvPseudonyms:
    """A third party's list, validated whole: one pseudonym a patient, one patient a pseudonym."""

    labels: dict[tuple[str, str], SubjectLabel] = field(repr=False)
    digest: str
    """Keyed: an unkeyed digest of a short list would let its reader test guesses of who is on it."""

    @classmethod
    def load(cls, path: Path, *, keys: SiteKeys) -> Self:
        """The list in this file: UTF-8, comma-separated, columns issuer, patient_id, pseudonym.

        Args:
            path: Mode 0600.
            keys: The site's key, for `check` only.

        Raises:
            MyofedError: PSEUDONYMS_INVALID, naming lines and no value; PRIVATE_FILE_MISSING or PRIVATE_FILE_PERMISSIONS.
        """
        content = read_private_file(path, what="the list of pseudonyms")
        try:
            text = content.decode("utf-8-sig")  # spreadsheets put a byte order mark first
        except UnicodeDecodeError:
            raise _invalid("a file that is not UTF-8") from None
        labels = _parsed(text)
        rows = sorted((*patient, label) for patient, label in labels.items())
        return cls(labels, keys.mac("pseudonym list", *(cell for row in rows for cell in row)).hex()[:16])

    def label(self, *, issuer: str, patient_id: str) -> SubjectLabel:
        """The pseudonym on the list.

        Raises:
            WithheldError: PSEUDONYM_MISSING.
        """
        try:
            return self.labels[issuer.strip(), patient_id.strip()]
        except KeyError:
            raise WithheldError(WithheldCode.PSEUDONYM_MISSING) from None

    def check(self) -> str:
        """Keyed digest of the list's content; the order of its rows does not count."""
        return self.digest


def checked_label(text: str, *, patient_id: str) -> SubjectLabel:
    """`text`, which has the form of a pseudonym and does not show the patient's identifier.

    The identifier is looked for without its signs, in any case: AB-12 is seen in xab12.

    Raises:
        ValueError: Says which of the two does not hold, and nothing of the values.
    """
    try:
        label = _LABEL.validate_python(text)
    except ValidationError:
        raise ValueError("a pseudonym that is not 1 to 32 letters and digits") from None
    bare = "".join(sign for sign in patient_id if sign.isalnum()).casefold()
    if bare and bare in label.casefold():
        raise ValueError("a pseudonym that holds the patient's identifier")
    return label


def _parsed(text: str) -> dict[tuple[str, str], SubjectLabel]:
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        if next(lines, None) != COLUMNS:
            raise _invalid(f"another first line than {','.join(COLUMNS)}")
        rows = [(lines.line_num, row) for row in lines if row]
    except csv.Error:
        raise _invalid(f"a quoting error at line {lines.line_num}") from None
    found: dict[tuple[str, str], SubjectLabel] = {}
    defects = list(_defects(rows, into=found))
    if defects:
        more = f"; and {len(defects) - MOST_DEFECTS} more" * (len(defects) > MOST_DEFECTS)
        raise _invalid("; ".join(defects[:MOST_DEFECTS]) + more)
    if not found:
        raise _invalid("no patient")
    return found


def _defects(rows: list[tuple[int, list[str]]], *, into: dict[tuple[str, str], SubjectLabel]) -> Iterator[str]:
    """What is wrong at which line; sound rows go `into` the result."""
    identifiers = {row[1].strip().casefold() for _, row in rows if len(row) == len(COLUMNS)}
    taken: set[str] = set()
    for line, row in rows:
        if len(row) != len(COLUMNS) or not row[1].strip():
            yield f"line {line}: expected issuer, patient_id and pseudonym, found other columns or no patient_id"
            continue
        patient = (row[0].strip(), row[1].strip())
        try:
            label = checked_label(row[2].strip(), patient_id=patient[1])
        except ValueError as error:
            yield f"line {line}: {error}"
            continue
        if patient in into:
            yield f"line {line}: a patient for the second time"
        elif label.casefold() in taken:  # file systems and people mix up letters that differ by case only
            yield f"line {line}: another patient's pseudonym"
        elif label.casefold() in identifiers:
            yield f"line {line}: a pseudonym that is a patient's identifier"
        else:
            into[patient] = label
            taken.add(label.casefold())


def _invalid(found: str) -> MyofedError:
    return MyofedError(
        "PSEUDONYMS_INVALID",
        f"expected a list of pseudonyms, found {found}",
        hint="docs/key-custody.md shows the form; ask the third party for a sound list",
        exit_code=ExitCode.BAD_INPUT,
    )
