"""The site's desk for planning queries: fetched when genuine, shown as what would leave, answered or declined by a person, once."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from myofed_node.audit import SiteAudit
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.federation.approvals import demo_mark
from myofed_node.federation.planning_files import PlanningFiles, refused
from myofed_node.keys import settled_split_key
from myofed_node.site_setup import Site
from myofed_schemas.canonical import digest
from myofed_schemas.errors import MyofedError
from myofed_schemas.ids import Sha256, StudyId
from myofed_schemas.planning import Fingerprint
from myofed_schemas.planning_query import PlanningAnswer, PlanningQuery, asked_of
from myofed_schemas.study import StudyManifest
from myofed_schemas.study_networks import DynUnet, Network, SegResNet
from myofed_schemas.study_planning import QueryId
from myofed_schemas.wire import WireModel

State = Literal["waiting", "told", "declined"]


class PlanningItem(WireModel):
    """One query as `planning list --json` shows it."""

    query_id: QueryId
    study_id: StudyId
    title: str
    state: State
    sent: bool
    """The coordinator has the answer."""
    demo: bool


class PlanningList(WireModel):
    """What `planning list --json` prints."""

    queries: tuple[PlanningItem, ...]


class PlanningShown(WireModel):
    """What `planning show`, `answer` and `decline` print: the query, and the exact document that would leave, or has left.

    Attributes:
        query: As the coordinator signed it.
        state: `waiting`: nobody here has decided.
        sent: The coordinator has the answer.
        answer: Its canonical JSON is the body of the request, byte for byte.
        sha256: Digest of it: what a study that uses the answer names.
    """

    query: PlanningQuery
    state: State
    sent: bool
    answer: PlanningAnswer
    sha256: Sha256


@dataclass(frozen=True)
class PlanningDesk:
    """The use cases of planning at one site."""

    site: Site
    api: CoordinatorApi

    @property
    def files(self) -> PlanningFiles:
        """Queries and answers on disk."""
        return PlanningFiles(self.site.folder)

    def fetch(self) -> int:
        """Every query that asks this site lies here; nothing is answered. One that is refused holds no other back.

        Returns:
            Number of queries that were new.

        Raises:
            MyofedError: Of the exchange, or of the first query that is not genuine, after all were tried.
        """
        new, wrong = 0, list[MyofedError]()
        for signed in self.api.planning():
            try:
                new += self.files.store(signed, site=self.site.config.site)
            except MyofedError as error:
                wrong.append(error)
        if wrong:
            raise wrong[0]
        return new

    def list(self) -> PlanningList:
        """All queries that asked this site."""
        return PlanningList(queries=tuple(self._item(query_id) for query_id in self.files.query_ids()))

    def show(self, query_id: str) -> PlanningShown:
        """What would leave if somebody answered now, or what was answered; nothing is sent or kept.

        Raises:
            MyofedError: PLANNING_*, DATASET_UNREADABLE.
        """
        query = self.files.query(query_id)
        return self._shown(query, self.files.answer(query_id) or self._told(query))

    def answer(self, query_id: str, *, by: str, now: datetime, read: str = "") -> PlanningShown:
        """The coordinator has this site's fingerprint; it is sent once, and the same bytes if it has to be sent again.

        Killed between keeping and sending, the next call sends what was kept.

        Args:
            query_id: The query.
            by: Login of the person who decides.
            now: UTC.
            read: Beginning of the digest that `show` printed; where images changed since, nothing is sent.

        Raises:
            MyofedError: PLANNING_UNKNOWN, PLANNING_DECIDED, PLANNING_NOT_THE_ONE_READ, POLICY_DEMO, NODE_NOT_RUNNING, or the
                coordinator's refusal.
        """
        query = self.files.query(query_id)
        policy = self.site.config.policy
        if query.demo != policy.demo:
            expected = "a demonstration" if policy.demo else "a query about patients"
            raise refused("POLICY_DEMO", f"{expected}, as this site's policy says", "the other")
        kept = self.files.answer(query_id)
        answer = kept or self._told(query)
        if answer.answer != "told":
            raise refused("PLANNING_DECIDED", "a query that nobody here has decided on", "one that was declined")
        if not digest(answer).startswith(read):
            raise refused("PLANNING_NOT_THE_ONE_READ", f"digest {read}", digest(answer)[:16])
        return self._send(query, answer, new=kept is None, by=by, now=now)

    def decline(self, query_id: str, *, by: str, now: datetime) -> PlanningShown:
        """The coordinator knows that this site tells nothing, and no reason.

        Raises:
            MyofedError: PLANNING_UNKNOWN, PLANNING_DECIDED, NODE_NOT_RUNNING, or the coordinator's refusal.
        """
        query = self.files.query(query_id)
        kept = self.files.answer(query_id)
        if kept is not None and kept.answer != "declined":
            raise refused("PLANNING_DECIDED", "a query that nobody here has decided on", "one that was answered")
        return self._send(query, kept or self._document(query, None), new=kept is None, by=by, now=now)

    def _send(
        self, query: PlanningQuery, answer: PlanningAnswer, *, new: bool, by: str, now: datetime
    ) -> PlanningShown:
        """Entered in the audit chain and kept first: nothing leaves that is in neither."""
        if new:
            SiteAudit(self.site.folder).append(
                f"PLANNING_{answer.answer.upper()}",
                subject=query.query_id,
                now=now,
                actor=by,
                detail={"query": answer.query_sha256, "answer": digest(answer), **demo_mark(self.site.config.policy)},
            )
            self.files.keep(answer)
        if not self.files.is_sent(answer):
            self.api.answer_planning(answer, study=query.study_id)
            self.files.mark_sent(answer)
        return self._shown(query, answer)

    def _told(self, query: PlanningQuery) -> PlanningAnswer:
        """The same bytes as long as the same subjects are there."""
        from myofed_node.learning.fingerprint import fingerprint

        config = self.site.config
        found = fingerprint(self.site.folder.dataset, site=config.site, policy=config.policy.disclosure())
        return self._document(query, asked_of(found, query))

    def _document(self, query: PlanningQuery, told: Fingerprint | None) -> PlanningAnswer:
        message = f"myofed planning answer 1\0{digest(query)}".encode()
        return PlanningAnswer(
            query_id=query.query_id,
            query_sha256=digest(query),
            site=self.site.config.site,
            answer="told" if told else "declined",
            fingerprint=told,
            salt=hmac.digest(settled_split_key(self.site.folder), message, hashlib.sha256)[:16].hex(),
        )

    def _shown(self, query: PlanningQuery, answer: PlanningAnswer) -> PlanningShown:
        kept = self.files.answer(query.query_id)
        return PlanningShown(
            query=query,
            state=kept.answer if kept else "waiting",
            sent=self.files.is_sent(answer),
            answer=answer,
            sha256=digest(answer),
        )

    def _item(self, query_id: str) -> PlanningItem:
        query, kept = self.files.query(query_id), self.files.answer(query_id)
        return PlanningItem(
            query_id=query.query_id,
            study_id=query.study_id,
            title=query.title,
            state=kept.answer if kept else "waiting",
            sent=kept is not None and self.files.is_sent(kept),
            demo=query.demo,
        )


def plan_lines(manifest: StudyManifest, *, site: str) -> Iterator[str]:
    """What of a study came from planning, and whether this site's answer is in it; nothing for a study that was not planned."""
    planning = manifest.planning
    if planning is None:
        return
    image, own = manifest.image, planning.answer_of(site)
    yield f"  planned by {planning.query_id} from the answers of {', '.join(a.site for a in planning.answers)}"
    yield f"    spacing {planning.spacing_mm:g} mm proposed, {_used(planning.spacing_mm, image.spacing_mm, ' mm')}"
    size, used_size = (f"{rows} x {columns}" for rows, columns in (planning.size_px, image.size_px))
    yield f"    size {size} px proposed, {_used(size, used_size, ' px')}"
    yield f"    normalisation {planning.normalisation} proposed, used"
    levels = _levels(manifest.architecture)
    yield f"    {planning.levels} levels of the network proposed, {_used(planning.levels, levels, '')}"
    yield f"    this site's answer: {f'used, digest {own[:16]}' if own else 'not among them'}"


def _used(proposed: object, used: object, unit: str) -> str:
    return "used" if proposed == used else f"the study has {used}{unit}"


def _levels(network: Network) -> int:
    if isinstance(network, SegResNet):
        return len(network.blocks_down)
    return len(network.filters if isinstance(network, DynUnet) else network.channels)
