"""HTTP of writing a study: its initial weights, streamed, and its draft."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.openapi.models import Example

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Permission, Person
from myofed_coordinator.studies import draft
from myofed_coordinator.studies.leads import doer_of
from myofed_coordinator.studies.service import StudiesService
from myofed_coordinator.studies.uploads import Uploads
from myofed_schemas.ids import Sha256
from myofed_schemas.study import SignedManifest
from myofed_schemas.study_summary import NewStudy, UploadedWeights

Writer = Annotated[Person, Depends(gate.require(Permission.WRITE_STUDIES))]
UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
EXAMPLES = {
    "thigh": Example(
        summary="docs/study.md has every field",
        value={
            "draft": {"study_id": "thigh-muscles", "title": "Thigh muscles", "sites": ["hospital-a", "hospital-b"]},
            "initial_weights_sha256": "3f2a9c01" * 8,
        },
    )
}
Asked = Annotated[NewStudy, Body(openapi_examples=EXAMPLES)]


def new_studies_router(studies: StudiesService, uploads: Uploads, *, clock: Callable[[], datetime]) -> APIRouter:
    """`PUT /weights/{sha256}` and `POST /studies`."""
    router = APIRouter(tags=["studies"])

    @router.put("/weights/{sha256}", status_code=201, openapi_extra=UPLOAD_BODY)
    async def upload(sha256: Sha256, request: Request, person: Writer) -> UploadedWeights:
        """Initial weights for a study, as safetensors with exactly this digest; they wait seven days for it."""
        now = clock()
        partial = await uploads.receive(sha256, request.stream(), account=person.account, now=now)
        return await run_in_threadpool(uploads.settle, sha256, partial, account=person.account, now=now)

    @router.post("/studies", status_code=201)
    def create(body: Asked, person: Writer) -> SignedManifest:
        """The draft becomes the next version of its study, is signed, and is offered to the sites that it names.

        An unchanged draft is the last version. Of a study that exists only its leads write the next one.
        """
        text = json.dumps(body.draft).encode()
        content = uploads.read(body.initial_weights_sha256)
        last = studies.last_manifest(draft.study_id_of(text))
        manifest = draft.next_manifest(text, initial_weights=content, last=last)
        signed = studies.create(manifest, content, actor=doer_of(person), now=clock())
        uploads.used(body.initial_weights_sha256)
        return signed

    return router
