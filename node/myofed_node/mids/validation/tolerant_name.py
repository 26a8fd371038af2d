"""File names as the draft standard, its reference implementation and the profile write them; read by the validator only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from myofed_schemas.mids import Part, Suffix

IMAGE_ENDING = ".nii.gz"
SIDECAR_ENDING = ".json"
_NAME = re.compile(
    r"(?P<prefix>[0-9]{3}_)?sub-(?P<subject>[A-Za-z0-9]+)(_ses-(?P<session>[A-Za-z0-9]+))?"
    r"(?P<entities>(_[a-z]+-[A-Za-z0-9]+)*)_(?P<suffix>[A-Za-z][A-Za-z0-9_-]*)"
)
_ENTITIES = re.compile(r"(_acq-[A-Za-z0-9]+)?(_run-[1-9][0-9]*)?(_part-(mag|phase|real|imag))?")
"""Those of the profile, in its order."""
_PART = re.compile(r"_part-(mag|phase|real|imag)(?![A-Za-z0-9])")
_KINDS = {suffix.value.lower(): suffix for suffix in Suffix}
DRAFT_FOLDERS = {
    "vel": "mr-quant",
    "strain": "mr-quant",
    "strain-vec": "mr-quant",
    "strain-rate": "mr-quant",
    "strain-rate-vec": "mr-quant",
    "megre-reco": "mr-quant",
    "ct": "ct",
    "pcct": "ct",
    "cbct": "ct",
    "hrpqct": "ct",
    "cr": "rx",
}
"""Suffixes of the draft standard and its reference implementation (0.1.11) that the profile does not use."""


@dataclass(frozen=True)
class MidsName:
    """The parts of a file name that is at least of the form sub-<label>_<suffix>.

    Attributes:
        path: Relative to the data set.
        prefix: Number of the series before the name, as the reference implementation writes it on request, else empty.
        session: None where the name has none.
        entities: What stands between session and suffix.
        part: None for magnitude.
        written_suffix: As it stands in the name.
        kind: The suffix of the profile, whatever its case; None for another.
    """

    path: PurePosixPath
    prefix: str
    subject: str
    session: str | None
    entities: str
    part: Part | None
    written_suffix: str
    kind: Suffix | None

    @property
    def is_known(self) -> bool:
        """Whether draft or profile know the suffix."""
        return self.kind is not None or self._plain in DRAFT_FOLDERS

    @property
    def method(self) -> str:
        """The folder that draft and profile keep such images in; empty for an unknown suffix."""
        return self.kind.folder if self.kind else DRAFT_FOLDERS.get(self._plain, "")

    @property
    def has_entities_of_the_profile(self) -> bool:
        """Whether acq, run and part are the only ones, in this order."""
        return _ENTITIES.fullmatch(self.entities) is not None

    @property
    def magnitude(self) -> PurePosixPath:
        """Path of the image without its part."""
        return self.with_part("")

    def with_part(self, part: str) -> PurePosixPath:
        """Path of the image with another part; empty for magnitude, which is not written."""
        entities = _PART.sub(f"_part-{part}" if part else "", self.entities)
        session = f"_ses-{self.session}" if self.session else ""
        stem = f"{self.prefix}sub-{self.subject}{session}{entities}_{self.written_suffix}"
        return self.path.with_name(stem + IMAGE_ENDING)

    @property
    def _plain(self) -> str:
        return self.written_suffix.lower().replace("_", "-")


def name_of(path: PurePosixPath) -> MidsName | None:
    """The parts of an image's or sidecar's name, None where it has another form."""
    ending = IMAGE_ENDING if path.name.endswith(IMAGE_ENDING) else SIDECAR_ENDING
    stem = path.name.removesuffix(ending)
    match = _NAME.fullmatch(stem)
    if match is None:
        return None
    part = _PART.search(match["entities"])
    written = match["suffix"]
    return MidsName(
        path=path,
        prefix=match["prefix"] or "",
        subject=match["subject"],
        session=match["session"],
        entities=match["entities"],
        part=Part(part[1]) if part and part[1] != Part.MAG else None,
        written_suffix=written,
        kind=_KINDS.get(written.lower().replace("_", "-")),
    )
