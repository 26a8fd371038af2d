"""Requests for participation at a site: threads as the coordinator sent them, and what this site's people answered."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from myofed_node.coordinator_link import load_link
from myofed_node.signatures import is_signed
from myofed_node.site_folder import SiteFolder
from myofed_schemas.canonical import canonical_json, digest
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import write_atomically
from myofed_schemas.negotiation import NegotiationAnswer, NegotiationThread, SignedParticipationRequest


class NegotiationFiles:
    """Names, reads and writes the files; a damaged one is refused."""

    def __init__(self, folder: SiteFolder) -> None:
        self._folder = folder

    def ids(self) -> list[str]:
        """All requests that came, sorted; their names begin with the time."""
        return sorted(path.parent.name for path in self._folder.negotiations.glob("ask-*/thread.json"))

    def store(self, thread: NegotiationThread, *, site: str) -> bool:
        """The thread lies here as it is now; True where something in it was new.

        A thread only grows: one that lost or changed a message, or its request, is refused and the kept one stays.

        Raises:
            MyofedError: NEGOTIATION_CHANGED, NEGOTIATION_SIGNATURE, NEGOTIATION_NOT_FOR_US, NEGOTIATION_REWRITTEN.
        """
        self._check_genuine(thread.signed)
        if thread.signed.request.site != site:
            raise refused("NEGOTIATION_NOT_FOR_US", "a request to this site", "one to another")
        name = thread.signed.request.negotiation_id
        path = self._path(name, "thread.json")
        if path.exists():
            kept = self.thread(name)
            if kept == thread:
                return False
            if thread.signed.sha256 != kept.signed.sha256 or thread.messages[: len(kept.messages)] != kept.messages:
                raise refused("NEGOTIATION_REWRITTEN", "the messages that were read here", "others in their place")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, canonical_json(thread))
        return True

    def thread(self, negotiation_id: str) -> NegotiationThread:
        """The thread as it came last; its request is signed by the coordinator.

        Raises:
            MyofedError: NEGOTIATION_UNKNOWN, NEGOTIATION_CHANGED, NEGOTIATION_SIGNATURE.
        """
        if negotiation_id not in self.ids():
            raise MyofedError(
                "NEGOTIATION_UNKNOWN",
                "expected a request that the coordinator sent, found none of this name",
                hint="myofed-node requests list; a running node fetches new ones by itself",
                exit_code=ExitCode.BAD_INPUT,
            )
        try:
            thread = NegotiationThread.model_validate_json(self._path(negotiation_id, "thread.json").read_bytes())
        except ValidationError:
            raise refused("NEGOTIATION_CHANGED", "the stored thread", "a damaged one") from None
        self._check_genuine(thread.signed)
        return thread

    def answer(self, negotiation_id: str, number: int) -> NegotiationAnswer | None:
        """What this site's people wrote as this message; None where they wrote none.

        Raises:
            MyofedError: NEGOTIATION_CHANGED.
        """
        path = self._path(negotiation_id, f"answer-{number}.json")
        if not path.exists():
            return None
        try:
            return NegotiationAnswer.model_validate_json(path.read_bytes())
        except ValidationError:
            raise refused("NEGOTIATION_CHANGED", "the stored answer", "a damaged one") from None

    def keep(self, answer: NegotiationAnswer) -> None:
        """The answer lies here, not yet sent."""
        write_atomically(self._path(answer.negotiation_id, f"answer-{answer.number}.json"), canonical_json(answer))

    def forget(self, answer: NegotiationAnswer) -> None:
        """The answer, which the coordinator refused as it was written without the last message, is gone."""
        self._path(answer.negotiation_id, f"answer-{answer.number}.json").unlink(missing_ok=True)

    def _path(self, negotiation_id: str, name: str) -> Path:
        return self._folder.negotiations / negotiation_id / name

    def _check_genuine(self, signed: SignedParticipationRequest) -> None:
        if signed.sha256 != digest(signed.request):
            raise refused("NEGOTIATION_CHANGED", "a request with the digest it names", "another")
        key = load_link(self._folder).coordinator_key
        if not is_signed(signed.request, signature=signed.signature, public_key=key):
            raise refused("NEGOTIATION_SIGNATURE", "the coordinator's signature", "another")


def refused(code: str, expected: str, found: str) -> MyofedError:
    """A refusal of a request, or of an answer to one."""
    return MyofedError(
        code,
        f"expected {expected}, found {found}",
        hint="myofed-node requests show REQUEST; nothing was sent",
        exit_code=ExitCode.NOT_APPROVED,
    )
