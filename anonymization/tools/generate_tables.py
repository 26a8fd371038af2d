# ruff: noqa: INP001  a script, not a package
"""Writes the package's tables of facts from their development-time sources; not part of the wheel.

Sources: PS3.15 Table E.1-1, edition 2024b with option columns (innolitics/dicom-standard, a JSON file given as
argument), edition 2026c basic profile (PyPI dicom-anonymizer 2.1) and PS3.3 attribute types (PyPI highdicom 0.28.2).

Usage: python anonymization/tools/generate_tables.py CONFIDENTIALITY_PROFILE_ATTRIBUTES_JSON
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TABLES = Path(__file__).resolve().parents[1] / "myofed_anonymization" / "tables"
OPTIONS = {
    "rtnLongModifDatesOpt": "dates",
    "cleanDescOpt": "desc",
    "rtnPatCharsOpt": "patient",
    "rtnDevIdOpt": "device",
    "rtnUIDsOpt": "uids",
    "rtnInstIdOpt": "institution",
    "cleanGraphOpt": "graphics",
    "cleanStructContOpt": "structure",
}
ACTIONS = {
    "D_TAGS": "D",
    "Z_TAGS": "Z",
    "X_TAGS": "X",
    "U_TAGS": "U",
    "Z_D_TAGS": "Z/D",
    "X_Z_TAGS": "X/Z",
    "X_D_TAGS": "X/D",
    "X_Z_D_TAGS": "X/Z/D",
    "X_Z_U_STAR_TAGS": "X/Z/U*",
}
IODS = {"mr": "mr-image", "enhanced": "enhanced-mr-image", "seg": "segmentation"}
STRICTEST_FIRST = ("1", "1C", "2", "2C", "3")
OTHER_MODULES = ("modality-lut",)
"""Modules outside the three IODs whose numbers MR files carry all the same (Rescale Slope in classic MR)."""


def main(source: Path) -> None:
    """Both tables lie in the package folder, sorted by tag."""
    rows = list(confidentiality_rows(source))
    head = f"# PS3.15 Table E.1-1; basic profile 2026c, options 2024b; rows {len(rows)}\ntag\tkeyword\tbasic\toptions\n"
    (TABLES / "confidentiality.tsv").write_text(head + "".join("\t".join(row) + "\n" for row in sorted(rows)))
    types = list(attribute_type_rows())
    head = f"# PS3.3 attribute types (highdicom 0.28.2); M: module mandatory; rows {len(types)}\nparent\ttag\tkeyword\t"
    head += "\t".join([*IODS, "other"]) + "\n"
    (TABLES / "attribute_types.tsv").write_text(head + "".join("\t".join(row) + "\n" for row in sorted(types)))


def confidentiality_rows(source: Path) -> Iterator[tuple[str, str, str, str]]:
    """Each row once: tag (x for any digit), keyword, action of the basic profile, options as name=action."""
    from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as edition_2026c
    from pydicom.datadict import keyword_for_tag

    options = {row["id"]: row for row in json.loads(source.read_text())}
    for name, action in ACTIONS.items():
        for entry in getattr(edition_2026c, name):
            tag = f"{entry[0]:04x}{entry[1]:04x}"
            if len(entry) == 4:
                tag = {0x5000: "50xxxxxx", 0x6000: f"60xx{entry[1]:04x}"}[entry[0]]
            keyword = keyword_for_tag(int(tag, 16)) if "x" not in tag else ""
            row = options.get(tag, {})
            marks = " ".join(f"{short}={row[long]}" for long, short in OPTIONS.items() if long in row)
            yield tag, keyword or "".join(row.get("name", "").split()) or "-", action, marks or "-"


def attribute_type_rows() -> Iterator[tuple[str, ...]]:
    """Each attribute once a parent: parent tag, tag, keyword, and its strictest type in every IOD."""
    from highdicom import _standard_utils as standard
    from pydicom.datadict import tag_for_keyword

    modules, attributes = standard.get_iod_module_map(), standard.get_module_attribute_map()
    found: dict[tuple[int, int, str], dict[str, str]] = {}
    for short, iod in IODS.items():
        for module in modules[iod]:
            for attribute in attributes[module["key"]]:
                note(found, attribute, (short, module["usage"]), tag_for_keyword)
    for module_name in OTHER_MODULES:
        for attribute in attributes[module_name]:
            note(found, attribute, ("other", "U"), tag_for_keyword)
    for (parent, tag, keyword), types in found.items():
        yield f"{parent:08x}", f"{tag:08x}", keyword, *(types.get(short, "-") for short in [*IODS, "other"])


def note(
    found: dict[tuple[int, int, str], dict[str, str]], attribute: dict[str, Any], where: tuple[str, str], tag_of: Any
) -> None:
    """The table knows this attribute with the strictest type seen so far."""
    short, usage = where
    tag = tag_of(attribute["keyword"])
    if tag is None:
        return
    parent = tag_of(attribute["path"][-1]) if attribute["path"] else 0
    types = found.setdefault((parent, tag, attribute["keyword"]), {})
    mark = attribute["type"] + ("M" if usage == "M" and not attribute["path"] else "")
    old = types.get(short, "3")
    types[short] = min(old, mark, key=lambda text: STRICTEST_FIRST.index(text.rstrip("M")))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
