"""The pages of the study wizard: begin, four steps, a look at what each site would be asked, and the offer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import TypeAdapter, ValidationError

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Permission, Person
from myofed_coordinator.services import Services
from myofed_coordinator.studies import draft as drafts_of_studies
from myofed_coordinator.studies.leads import doer_of
from myofed_coordinator.studies.uploads import Uploads
from myofed_coordinator.web.forms import Form, form_of
from myofed_coordinator.web.render import Asked, Renderer, done
from myofed_coordinator.web.studies_page import Fact, facts_of
from myofed_coordinator.web.wizard import STEPS, Drafts, Step, StudyDraft, WizardField, begin, manifest_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.ids import Sha256
from myofed_schemas.study import StudyManifest

AT = "/studies"
HERE = "/study-draft"
Key = Literal["purpose", "sites", "network", "training"]
Writer = Annotated[Person, Depends(gate.page(Permission.WRITE_STUDIES))]
Posted = Annotated[Form, Depends(form_of)]


@dataclass(frozen=True)
class Option:
    """One entry to choose."""

    value: str
    name: str
    chosen: bool


@dataclass(frozen=True)
class FieldView:
    """One field with what was typed, and what can be chosen."""

    field: WizardField
    value: str
    options: tuple[Option, ...]


@dataclass(frozen=True)
class BeginView:
    """How a draft begins; `kept` where the person has one already; id, title and whether it is the person's for each study."""

    kept: bool
    studies: tuple[tuple[str, str, bool], ...]


@dataclass(frozen=True)
class StepView:
    """One step of the draft."""

    step: Step
    steps: tuple[Step, ...]
    fields: tuple[FieldView, ...]
    back: str


@dataclass(frozen=True)
class ReviewView:
    """What each site would be asked, or what does not hold yet."""

    steps: tuple[Step, ...]
    fault: str
    manifest: StudyManifest | None
    facts: tuple[Fact, ...]


def add_wizard(
    router: APIRouter, renderer: Renderer, services: Services, uploads: Uploads, *, clock: Callable[[], datetime]
) -> None:
    """The router serves the pages of the wizard."""
    drafts = Drafts(services.home.root / "drafts")

    def of(person: Person) -> StudyDraft:
        return drafts.read(person.account) or begin(None)

    @router.get("/study-draft")
    def start(request: Request, person: Writer) -> HTMLResponse:
        every = (s.signed.manifest for s in services.studies.list_studies())
        known = ((m.study_id, m.title, services.leads.may(m.study_id, doer_of(person), deed="write")) for m in every)
        view = BeginView(drafts.read(person.account) is not None, tuple(known))
        return renderer.page(Asked(request, person), "wizard_begin.html", at=AT, view=view)

    @router.post("/study-draft")
    def make(form: Posted, person: Writer) -> RedirectResponse:
        earlier = form.text("from")
        drafts.write(person.account, begin(services.studies.show(earlier).signed.manifest if earlier else None))
        return done(f"{HERE}/{STEPS[0].key}")

    @router.get("/study-draft/review")
    def review(request: Request, person: Writer) -> HTMLResponse:
        view = review_of(services, uploads, of(person), person=person)
        return renderer.page(Asked(request, person), "wizard_review.html", at=AT, view=view)

    @router.post("/study-draft/offer")
    def offer(person: Writer) -> RedirectResponse:
        draft = of(person)
        manifest, content = completed(services, uploads, draft)
        services.studies.create(manifest, content, actor=doer_of(person), now=clock())
        uploads.used(manifest.initial_weights_sha256)
        drafts.discard(person.account)
        return done(f"{AT}/{manifest.study_id}", "study-offered")

    @router.post("/study-draft/discard")
    def discard(person: Writer) -> RedirectResponse:
        drafts.discard(person.account)
        return done(AT, "draft-discarded")

    @router.get("/study-draft/{key}")
    def step(key: Key, request: Request, person: Writer) -> HTMLResponse:
        view = step_view(services, uploads, of(person), key)
        return renderer.page(Asked(request, person), "wizard_step.html", at=AT, view=view)

    @router.post("/study-draft/{key}")
    def fill(key: Key, form: Posted, person: Writer) -> RedirectResponse:
        drafts.write(person.account, filled(of(person), key, form))
        keys = [s.key for s in STEPS]
        at = keys.index(key) + 1
        return done(f"{HERE}/{keys[at] if at < len(keys) else 'review'}")


def filled(draft: StudyDraft, key: str, form: Form) -> StudyDraft:
    """The draft with this step's fields as they were sent."""
    (step,) = (s for s in STEPS if s.key == key)
    texts = {field.name: form.secret(field.name)[:20_000].strip() for field in step.fields if field.kind != "boxes"}
    sites = form.many("sites") if key == "sites" else draft.sites
    return StudyDraft(texts={**draft.texts, **texts}, sites=sites)


def step_view(services: Services, uploads: Uploads, draft: StudyDraft, key: str) -> StepView:
    """One step with what can be chosen now."""
    keys = [s.key for s in STEPS]
    at = keys.index(key)
    fields = tuple(_field(services, uploads, draft, field) for field in STEPS[at].fields)
    return StepView(STEPS[at], STEPS, fields, f"{HERE}/{keys[at - 1]}" if at else HERE)


def review_of(services: Services, uploads: Uploads, draft: StudyDraft, *, person: Person) -> ReviewView:
    """What the draft would become, if this person offered it."""
    try:
        manifest, _ = completed(services, uploads, draft)
        services.leads.check(manifest.study_id, doer_of(person))
    except MyofedError as error:
        return ReviewView(STEPS, f"{error.code}: {error.message}", None, ())
    return ReviewView(STEPS, "", manifest, facts_of(manifest))


def completed(services: Services, uploads: Uploads, draft: StudyDraft) -> tuple[StudyManifest, bytes]:
    """The manifest of the draft's next version (the last one where nothing changed), and its initial weights.

    Raises:
        MyofedError: STUDY_INVALID, WEIGHTS_UNKNOWN and the others of `studies.draft`.
    """
    text = manifest_text(draft)
    content = uploads.read(_digest(draft.text("weights")))
    last = services.studies.last_manifest(draft.text("study_id"))
    return drafts_of_studies.next_manifest(text, initial_weights=content, last=last), content


def _digest(text: str) -> str:
    """A digest, before it becomes a part of a file's name."""
    try:
        return TypeAdapter(Sha256).validate_python(text)
    except ValidationError:
        raise MyofedError(
            "WEIGHTS_UNKNOWN",
            "expected initial weights to be chosen, found none",
            hint="choose or upload them in the step of the network",
            exit_code=ExitCode.BAD_INPUT,
        ) from None


def _field(services: Services, uploads: Uploads, draft: StudyDraft, field: WizardField) -> FieldView:
    value = draft.text(field.name)
    if field.name == "sites":
        names = [r.site for r in services.enrolment.list_sites() if r.state == "approved"]
        return FieldView(field, value, tuple(Option(name, name, name in draft.sites) for name in names))
    if field.name == "weights":
        return FieldView(
            field, value, tuple(Option(d, name, d == value) for d, name in _weights(services, uploads, value))
        )
    return FieldView(field, value, tuple(Option(each, each, each == value) for each in field.options))


def _weights(services: Services, uploads: Uploads, chosen: str) -> list[tuple[str, str]]:
    """Digest and name of what a study can begin with: uploads first, then models, then what the draft names."""
    waiting = sorted(uploads.folder.glob("*.safetensors")) if uploads.folder.exists() else []
    found = {path.stem: f"uploaded, {path.stem[:12]}" for path in waiting}
    for record in services.models.list_models():
        said = record.statement
        found.setdefault(said.sha256, f"model of {said.study_id}, {said.rounds} rounds, {said.sha256[:12]}")
    if chosen and chosen not in found:
        found[chosen] = f"initial weights of an earlier version, {chosen[:12]}"
    return list(found.items())
