"""Tiny sites, staged data sets and a coordinator that answers from memory, for the tests of the node."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from wire_examples import manifest

from myofed_anonymization.escrow import ScryptCost
from myofed_node.audit import SiteAudit
from myofed_node.config import DEMO_POLICY, DatasetSettings, SiteConfig
from myofed_node.coordinator_link import CoordinatorLink, save_link
from myofed_node.federation.egress_client import Response
from myofed_node.key_custody import Escrow
from myofed_node.mids.dataset_files import write_dataset_files
from myofed_node.site_setup import Site, make_site
from myofed_schemas.audit import AuditHead, CosignedHead, HeadProof, ProvenHead
from myofed_schemas.audit_tree import AuditTree
from myofed_schemas.canonical import canonical_json, digest
from myofed_schemas.conversion import ConvertedImage, FileResult, IngestReport, Outcome, SeriesOutcome
from myofed_schemas.duo import DuoMatch
from myofed_schemas.errors import ErrorBody, MyofedError
from myofed_schemas.federation import HeartbeatReply
from myofed_schemas.mids import ImageName, Suffix
from myofed_schemas.negotiation import (
    NegotiationAnswer,
    NegotiationThread,
    ParticipationRequest,
    SignedParticipationRequest,
    ThreadMessage,
)
from myofed_schemas.planning_query import PlanningQuery, SignedPlanningQuery
from myofed_schemas.sidecar import Provenance, Sidecar
from myofed_schemas.study import SignedManifest, StudyManifest

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOW_TEXT = "2026-01-01T00:00:00Z"
DIGEST = "0" * 64
TOOLS = {"myofed": "0.1.0"}


def demo_site(root: Path, **settings: object) -> Site:
    """A new site named alpha with the demonstration's policy."""
    config = SiteConfig(site="alpha", policy=DEMO_POLICY, dataset=DatasetSettings(title="Thigh MRI"))
    return make_site(root, config=config.model_copy(update=settings), now=NOW)


def uid(number: int) -> str:
    """A new SeriesInstanceUID."""
    return f"2.25.{number}"


def refusal_code(call: Callable[[], object]) -> str:
    """The code with which this call is refused."""
    with pytest.raises(MyofedError) as caught:
        call()
    return caught.value.code


def audited_actions(site: Site) -> list[str]:
    """What the site's audit chain, which verifies, names after its first entry."""
    SiteAudit(site.folder).verify()
    return [entry.action for entry in SiteAudit(site.folder).entries()][1:]


def entry_digest(number: int, text: str = "entry") -> str:
    """The digest of some entry."""
    return hashlib.sha256(f"{text} {number}".encode()).hexdigest()


PASSPHRASE = "fourteen signs"


def quick_escrow(tmp_path: Path, name: str = "key.json", passphrase: str = PASSPHRASE) -> Escrow:
    """An escrow whose passphrase is derived cheaply."""
    return Escrow(tmp_path / name, passphrase, ScryptCost(n=4))


@dataclass(frozen=True)
class Scan:
    """One series to stage."""

    number: int
    name: ImageName = field(default_factory=lambda: ImageName("S1", "A", Suffix.MEGRE))
    content: str = "voxels"
    manufacturer: str = "SIEMENS"
    tesla: float = 2.89362


def write_image(dataset: Path, scan: Scan) -> ConvertedImage:
    """The scan's image and sidecar lie in the data set; the image is a gzip of a few bytes."""
    (dataset / scan.name.folder).mkdir(parents=True, exist_ok=True)
    image = gzip.compress(f"{scan.number} {scan.content}".encode(), mtime=0)
    sha256 = hashlib.sha256(image).hexdigest()
    (dataset / scan.name.image).write_bytes(image)
    provenance = Provenance.model_validate(
        {
            "SourceSeriesInstanceUID": uid(scan.number),
            "SourceDigest": hashlib.sha256(scan.content.encode()).hexdigest(),
            "SourceFiles": 1,
            "PolicyDigest": DIGEST,
            "ImageDigest": sha256,
            "ValueScaling": "stored",
            "Tools": TOOLS,
        }
    )
    sidecar = Sidecar(manufacturer=scan.manufacturer, magnetic_field_strength_tesla=scan.tesla, provenance=provenance)
    (dataset / scan.name.sidecar).write_bytes(sidecar.to_json())
    return ConvertedImage(
        path=str(scan.name.image),
        sidecar=str(scan.name.sidecar),
        suffix=scan.name.suffix,
        part=scan.name.part,
        sha256=sha256,
        voxels_checked=1,
    )


def outcome(number: int, scan: Scan | None, image: ConvertedImage | None, *, code: str | None) -> SeriesOutcome:
    """A series' outcome: converted with an image, else skipped or quarantined by its code."""
    kind: Outcome = "converted" if image else ("skipped" if code == "LOCALIZER" else "quarantined")
    return SeriesOutcome(
        number=number,
        series_instance_uid=uid(scan.number if scan else 900 + number),
        subject=scan.name.subject if scan else None,
        session=scan.name.session if scan else None,
        files=1,
        outcome=kind,
        code=code,
        evidence=(),
        images=(image,) if image else (),
    )


def report(series: tuple[SeriesOutcome, ...], *, conforms: bool = True) -> IngestReport:
    """An ingest's report with one file a series."""
    files = tuple(
        FileResult(
            number=number,
            sha256=DIGEST,
            outcome=item.outcome,
            code=item.code,
            series=item.number,
            paths=tuple(image.path for image in item.images),
        )
        for number, item in enumerate(series, start=1)
    )
    return IngestReport(
        created=NOW_TEXT,
        policy_digest=DIGEST,
        tools=TOOLS,
        files=files,
        series=series,
        errors=0 if conforms else 1,
        warnings=0,
        conforms=conforms,
    )


def stage_scans(dataset: Path, scans: tuple[Scan, ...], *, codes: tuple[str, ...] = ()) -> IngestReport:
    """A staged data set with these scans, and series of these codes that were not converted."""
    dataset.mkdir(parents=True, exist_ok=True)
    converted = [outcome(n, scan, write_image(dataset, scan), code=None) for n, scan in enumerate(scans, start=1)]
    others = [outcome(n, None, None, code=code) for n, code in enumerate(codes, start=len(scans) + 1)]
    write_dataset_files(dataset, tools=TOOLS)
    return report((*converted, *others))


def write_labels(dataset: Path, subject: str, *, values: tuple[int, ...] = (7101,), origin: str = "manual") -> None:
    """A label map's sidecar and an empty map."""
    stem = f"sub-{subject}_ses-A_MEGRE_dseg"
    folder = dataset / "derivatives" / "labels" / f"sub-{subject}" / "ses-A" / "mr-anat"
    folder.mkdir(parents=True, exist_ok=True)
    document = {"LabelOrigin": origin, "Labels": {str(value): "a muscle" for value in values}}
    (folder / f"{stem}.json").write_text(json.dumps(document))
    (folder / f"{stem}.nii.gz").write_bytes(b"")


def tree(dataset: Path) -> dict[str, str]:
    """Every file below the folder with its digest."""
    return {
        str(path.relative_to(dataset)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(dataset.rglob("*"))
        if path.is_file()
    }


class FakeCoordinator:
    """Stands in place of the egress: answers `/site/*` as the coordinator does, and remembers what was sent."""

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.sent: list[tuple[str, str, bytes, str]] = []
        self.manifests: list[SignedManifest] = []
        self.models: dict[str, bytes] = {}
        self.queries: list[SignedPlanningQuery] = []
        self.threads: list[NegotiationThread] = []
        self.refusals: dict[str, tuple[int, str]] = {}
        self.raises: dict[str, Exception] = {}
        self.clock = NOW_TEXT
        self.own_entries = [entry_digest(number) for number in range(1, 6)]
        self.cosigned: AuditHead | None = None
        self.shown: ProvenHead | None = None

    @property
    def public_key(self) -> str:
        """Ed25519, hexadecimal."""
        return self.key.public_key().public_bytes_raw().hex()

    def request(self, method: str, path: str, *, body: bytes = b"", study: str = "") -> Response:
        """As EgressClient."""
        self.sent.append((method, path, body, study))
        for start, error in self.raises.items():
            if path.startswith(start):
                raise error
        for start, (status, code) in self.refusals.items():
            if path.startswith(start):
                return Response(status, ErrorBody(code=code).model_dump_json().encode() if code else b"<html>")
        numbered = "/models/" in path or "/coordinator-head/" in path
        return Response(200, self._answers()[path.rsplit("/", 1)[0] if numbered else path](path, body))

    def paths(self) -> list[str]:
        """Method and path of each request."""
        return [f"{method} {path}" for method, path, _, _ in self.sent]

    def offer(self, asked: StudyManifest) -> SignedManifest:
        """The study is offered from now on."""
        signed = SignedManifest(
            manifest=asked,
            digest=asked.digest(),
            signature=self.key.sign(canonical_json(asked)).hex(),
            signer=self.public_key,
        )
        self.manifests.append(signed)
        return signed

    def ask(self, query: PlanningQuery) -> SignedPlanningQuery:
        """The query is asked from now on."""
        signature = self.key.sign(canonical_json(query)).hex()
        signed = SignedPlanningQuery(query=query, sha256=digest(query), signature=signature, signer=self.public_key)
        self.queries.append(signed)
        return signed

    def _answers(self) -> Mapping[str, Callable[[str, bytes], bytes]]:
        return {
            "/site/heartbeat": lambda _p, _b: canonical_json(HeartbeatReply(received_at=self.clock)),
            "/site/card": lambda _p, _b: b"{}",
            "/site/cube": lambda _p, _b: b"{}",
            "/site/card/neuromuscular-mri": lambda _p, _b: b"{}",
            "/site/decision": lambda _p, _b: b"{}",
            "/site/studies": lambda _p, _b: json.dumps([m.model_dump(mode="json") for m in self.manifests]).encode(),
            "/site/planning": lambda _p, _b: json.dumps([q.model_dump(mode="json") for q in self.queries]).encode(),
            **{f"/site/planning/{q.query.query_id}": lambda _p, _b: b"{}" for q in self.queries},
            "/site/negotiations": lambda _p, _b: b"[" + b",".join(map(canonical_json, self.threads)) + b"]",
            **{f"/site/negotiations/{t.signed.request.negotiation_id}": self._answered for t in self.threads},
            "/site/models": lambda path, _b: self.models[path.rsplit("/", 1)[1]],
            "/site/audit-head": self._cosign,
            "/site/coordinator-head": self._witnessed,
        }

    def _witnessed(self, path: str, body: bytes) -> bytes:
        """GET: the coordinator's head, signed, with the proof; POST: nothing to say."""
        return b"{}" if body else canonical_json(self.own_head(since=int(path.rsplit("/", 1)[1])))

    def own_head(self, *, since: int = 0) -> ProvenHead:
        """Where the coordinator's chain stands, with an honest proof from `since` as far as there can be one."""
        tree = AuditTree()
        for each in self.own_entries:
            tree.append(each)
        size = tree.size
        proof = HeadProof(
            since=since,
            last=tree.inclusion(size, size),
            earlier=tree.inclusion(since, size) if 0 < since <= size else (),
            consistency=tree.consistency(since, size) if 0 < since <= size else (),
        )
        return self.signed_head(
            AuditHead(owner="coordinator", sequence=size, digest=self.own_entries[-1], root=tree.root(size)), proof
        )

    def signed_head(self, head: AuditHead, proof: HeadProof | None = None) -> ProvenHead:
        """This head under the coordinator's key."""
        return ProvenHead(head=head, signature=self.key.sign(canonical_json(head)).hex(), proof=proof)

    def negotiate(self, request: ParticipationRequest) -> NegotiationThread:
        """The request for participation is there from now on."""
        signature = self.key.sign(canonical_json(request)).hex()
        signed = SignedParticipationRequest(
            request=request, sha256=digest(request), signature=signature, signer=self.public_key
        )
        self.threads.append(NegotiationThread(signed=signed, match=DuoMatch(verdict="allowed", terms=())))
        return self.threads[-1]

    def say(self, kind: str, text: str | None, *, sender: str = "consortium") -> None:
        """The first thread has one more message."""
        thread = self.threads[0]
        message = {"number": len(thread.messages) + 1, "sender": sender, "kind": kind, "text": text, "at": NOW_TEXT}
        told = (*thread.messages, ThreadMessage.model_validate(message))
        self.threads[0] = thread.model_copy(update={"messages": told})

    def _answered(self, _path: str, body: bytes) -> bytes:
        answer = NegotiationAnswer.model_validate_json(body)
        self.say(answer.answer, answer.text, sender="site")
        return canonical_json(self.threads[0])

    def _cosign(self, _path: str, body: bytes) -> bytes:
        """GET: what was co-signed last; POST: this head, co-signed, whatever it is."""
        if not body:
            return canonical_json(CosignedHead(head=self.cosigned))
        self.shown = ProvenHead.model_validate_json(body)
        self.cosigned = self.shown.head
        return canonical_json(self.signed_head(self.cosigned).signed)


def enrol(site: Site, coordinator: FakeCoordinator) -> None:
    """The site is enrolled at this coordinator."""
    link = CoordinatorLink(
        site=site.config.site,
        people_url="https://127.0.0.1:1",
        sites_url="https://127.0.0.1:2",
        coordinator_key=coordinator.public_key,
        joined_at=NOW_TEXT,
    )
    save_link(site.folder, link)


def study(weights: bytes = b"weights", **changes: object) -> StudyManifest:
    """A demonstration's study for alpha."""
    settings: dict[str, object] = {
        "study_id": "thigh",
        "sites": ("alpha",),
        "min_sites": 1,
        "min_subjects": 3,
        "demo": True,
        "initial_weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    return manifest(**(settings | changes))
