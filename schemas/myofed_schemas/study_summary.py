"""A study as people see it: in lists, in the API, on the pages and in the Python client."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from myofed_schemas.ids import Sha256, SiteId, StudyId, UtcTime
from myofed_schemas.study import StudyManifest
from myofed_schemas.wire import WireModel

Decision = Literal["approved", "declined", "revoked", "open"]
MAX_DRAFT_FIELDS = 64


class StudySummary(WireModel):
    """The newest version of a study and where its sites stand."""

    study_id: StudyId
    version: int = Field(ge=1)
    title: str
    digest: Sha256
    created_at: UtcTime
    rounds: int
    min_sites: int
    demo: bool
    decisions: dict[SiteId, Decision]


class StudyDetail(StudySummary):
    """A summary and the whole manifest."""

    manifest: StudyManifest


class NewStudy(WireModel):
    """A study as somebody writes it, to become the next version.

    Attributes:
        draft: Fields of the manifest; `version`, `state_dict` and `initial_weights_sha256` may be left out.
        initial_weights_sha256: Of weights that were uploaded before, or are a model of the registry.
    """

    draft: dict[str, JsonValue] = Field(max_length=MAX_DRAFT_FIELDS)
    initial_weights_sha256: Sha256


class UploadedWeights(WireModel):
    """Weights that lie at the coordinator, waiting for a study.

    Attributes:
        sha256: Of the file.
        size_bytes: Of it.
        tensors: How many it holds.
    """

    sha256: Sha256
    size_bytes: int = Field(ge=1)
    tensors: int = Field(ge=1)
