"""What the site says to and asks of its coordinator, `/site/*`, always through the egress; answers are checked."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import Literal, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from myofed_node.federation.egress_client import EgressClient, Response
from myofed_schemas.audit import CosignedHead, ProvenHead, SignedAuditHead, WitnessedHead
from myofed_schemas.canonical import canonical_json
from myofed_schemas.catalog import DatasetCard
from myofed_schemas.cube import CountCube
from myofed_schemas.enrolment import RenewalReply, SignedRenewal
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.federation import Heartbeat, HeartbeatReply
from myofed_schemas.negotiation import NegotiationAnswer, NegotiationThread
from myofed_schemas.planning_query import PlanningAnswer, SignedPlanningQuery
from myofed_schemas.study import SignedDecision, SignedManifest

Answer = TypeVar("Answer", bound=BaseModel)
MANIFESTS = TypeAdapter(list[SignedManifest])
QUERIES = TypeAdapter(list[SignedPlanningQuery])
THREADS = TypeAdapter(list[NegotiationThread])
AWAY = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
REVOKED = frozenset({"SITE_REVOKED", "REVOKED", "SITE_UNKNOWN", "HTTP_403"})
"""Codes with which a 403 says that the certificate is out."""


class CoordinatorApi:
    """One method a call of the sites' port."""

    def __init__(self, egress: EgressClient) -> None:
        self._egress = egress

    def heartbeat(self, beat: Heartbeat) -> HeartbeatReply:
        """The coordinator knows that this node lives; the answer carries its clock.

        Raises:
            MyofedError: COORDINATOR_AWAY, SITE_REVOKED, NODE_NOT_RUNNING, REPLY_INVALID, or the coordinator's code.
        """
        return _parse(HeartbeatReply, self._call("POST", "/site/heartbeat", canonical_json(beat)))

    def put_card(self, card: DatasetCard) -> None:
        """The coordinator shows this card.

        Raises:
            MyofedError: As `heartbeat`.
        """
        self._call("PUT", "/site/card", canonical_json(card))

    def put_cube(self, cube: CountCube) -> None:
        """The coordinator answers from this cube.

        Raises:
            MyofedError: As `heartbeat`.
        """
        self._call("PUT", "/site/cube", canonical_json(cube))

    def withdraw_card(self, dataset: str) -> None:
        """The coordinator no longer shows card and cube of this data set.

        Raises:
            MyofedError: As `heartbeat`.
        """
        self._call("DELETE", f"/site/card/{dataset}")

    def studies(self) -> tuple[SignedManifest, ...]:
        """All manifests that name this site, as the coordinator sent them (signatures not yet checked).

        Raises:
            MyofedError: As `heartbeat`.
        """
        try:
            return tuple(MANIFESTS.validate_json(self._call("GET", "/site/studies")))
        except ValidationError:
            raise _reply_invalid() from None

    def send_decision(self, decision: SignedDecision) -> None:
        """The coordinator knows what this site's people decided.

        Raises:
            MyofedError: As `heartbeat`.
        """
        self._call("POST", "/site/decision", canonical_json(decision), study=decision.decision.study_id)

    def planning(self) -> tuple[SignedPlanningQuery, ...]:
        """All planning queries that ask this site, as the coordinator sent them (signatures not yet checked).

        Raises:
            MyofedError: As `heartbeat`.
        """
        try:
            return tuple(QUERIES.validate_json(self._call("GET", "/site/planning")))
        except ValidationError:
            raise _reply_invalid() from None

    def answer_planning(self, answer: PlanningAnswer, *, study: str) -> None:
        """The coordinator has this answer.

        Args:
            answer: As this site's people saw it.
            study: The study that is planned, for the ledger.

        Raises:
            MyofedError: As `heartbeat`.
        """
        self._call("PUT", f"/site/planning/{answer.query_id}", canonical_json(answer), study=study)

    def negotiations(self) -> tuple[NegotiationThread, ...]:
        """All requests for participation to this site with their threads, as the coordinator sent them (not yet checked).

        Raises:
            MyofedError: As `heartbeat`.
        """
        try:
            return tuple(THREADS.validate_json(self._call("GET", "/site/negotiations")))
        except ValidationError:
            raise _reply_invalid() from None

    def answer_negotiation(self, answer: NegotiationAnswer, *, study: str) -> NegotiationThread:
        """The coordinator has this answer; the thread as it is then.

        Args:
            answer: As this site's person wrote it.
            study: The study that is drafted, for the ledger.

        Raises:
            MyofedError: As `heartbeat`.
        """
        path = f"/site/negotiations/{answer.negotiation_id}"
        return _parse(NegotiationThread, self._call("PUT", path, canonical_json(answer), study=study))

    def model(self, sha256: str, *, study: str) -> bytes:
        """The safetensors bytes with this digest.

        Raises:
            MyofedError: As `heartbeat`, or MODEL_DIGEST where other bytes came.
        """
        weights = self._call("GET", f"/site/models/{sha256}", study=study)
        if hashlib.sha256(weights).hexdigest() != sha256:
            raise MyofedError(
                "MODEL_DIGEST",
                "expected the weights of the digest that was asked for, found others",
                hint="tell the coordinator; nothing was kept",
                exit_code=ExitCode.REFUSED,
            )
        return weights

    def last_cosigned(self) -> CosignedHead:
        """The head of this site's chain that the coordinator co-signed last (a hint only: it shows which proof it needs).

        Raises:
            MyofedError: As `heartbeat`.
        """
        return _parse(CosignedHead, self._call("GET", "/site/audit-head"))

    def cosign(self, head: ProvenHead) -> SignedAuditHead:
        """The coordinator's signature over this site's audit head (not yet checked).

        Raises:
            MyofedError: As `heartbeat`.
        """
        return _parse(SignedAuditHead, self._call("POST", "/site/audit-head", canonical_json(head)))

    def renew(self, renewal: SignedRenewal) -> RenewalReply:
        """The next client certificate (not yet checked).

        Raises:
            MyofedError: As `heartbeat`.
        """
        return _parse(RenewalReply, self._call("POST", "/site/certificate", canonical_json(renewal)))

    def coordinator_head(self, *, since: int) -> ProvenHead:
        """Where the coordinator's own chain stands, with the proof (its signature and the proof not yet checked).

        Args:
            since: Sequence of the head that this site witnessed last; 0 where it witnessed none.

        Raises:
            MyofedError: As `heartbeat`.
        """
        return _parse(ProvenHead, self._call("GET", f"/site/coordinator-head/{since}"))

    def witness(self, witnessed: WitnessedHead) -> None:
        """The coordinator keeps this site's signature over its head.

        Raises:
            MyofedError: As `heartbeat`.
        """
        self._call("POST", "/site/coordinator-head", canonical_json(witnessed))

    def _call(
        self, method: Literal["GET", "PUT", "POST", "DELETE"], path: str, body: bytes = b"", *, study: str = ""
    ) -> bytes:
        response = self._egress.request(method, path, body=body, study=study)
        if response.status == HTTPStatus.OK:
            return response.body
        raise _refusal(response)


def _refusal(response: Response) -> MyofedError:
    code = response.code()
    if response.status in AWAY:
        return MyofedError(
            "COORDINATOR_AWAY",
            f"expected the coordinator to answer, found HTTP status {response.status}",
            hint="it is being restarted, or the way to it is cut; the node tries again by itself",
            exit_code=ExitCode.UNREACHABLE,
        )
    if response.status == HTTPStatus.FORBIDDEN and code in REVOKED:
        return MyofedError(
            "SITE_REVOKED",
            "expected this site to be enrolled, found its certificate refused",
            hint="ask the coordinator why the site was revoked",
            exit_code=ExitCode.REFUSED,
        )
    return MyofedError(
        code,
        f"expected the coordinator to take the request, found HTTP status {response.status}",
        hint="the code says why; docs/codes.md explains it",
        exit_code=ExitCode.REFUSED,
    )


def _parse(kind: type[Answer], body: bytes) -> Answer:
    try:
        return kind.model_validate_json(body)
    except ValidationError:
        raise _reply_invalid() from None


def _reply_invalid() -> MyofedError:
    return MyofedError(
        "REPLY_INVALID",
        "expected an answer of the coordinator's form, found something else",
        hint="compare the versions of node and coordinator: myofed-node doctor",
        exit_code=ExitCode.REFUSED,
    )
