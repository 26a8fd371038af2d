"""Planning queries at a site: what the coordinator asked, what this site's people answered, and the check of a study against it."""

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
from myofed_schemas.planning_query import PlanningAnswer, PlanningQuery, SignedPlanningQuery
from myofed_schemas.study import StudyManifest


class PlanningFiles:
    """Names, reads and writes the files; a damaged one is refused."""

    def __init__(self, folder: SiteFolder) -> None:
        self._folder = folder

    def query_ids(self) -> list[str]:
        """All queries that came, sorted; their names begin with the time."""
        return sorted(path.parent.name for path in self._folder.planning.glob("plan-*/query.json"))

    def store(self, signed: SignedPlanningQuery, *, site: str) -> bool:
        """The query lies here; True where it was new.

        Raises:
            MyofedError: PLANNING_CHANGED, PLANNING_SIGNATURE, PLANNING_NOT_FOR_US, or PLANNING_REUSED where the same id
                came before with other content.
        """
        self._check_genuine(signed)
        if site not in signed.query.sites:
            raise refused("PLANNING_NOT_FOR_US", "a query that asks this site", "one that does not")
        path = self._path(signed.query.query_id, "query.json")
        if path.exists():
            if digest(self.query(signed.query.query_id)) != signed.sha256:
                raise refused("PLANNING_REUSED", "each query once", "its id again with other content")
            return False
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, canonical_json(signed))
        return True

    def query(self, query_id: str) -> PlanningQuery:
        """The query as it came, signed by the coordinator.

        Raises:
            MyofedError: PLANNING_UNKNOWN, PLANNING_CHANGED, PLANNING_SIGNATURE.
        """
        if query_id not in self.query_ids():
            raise MyofedError(
                "PLANNING_UNKNOWN",
                "expected a planning query that the coordinator sent, found none of this name",
                hint="myofed-node planning list; a running node fetches new queries by itself",
                exit_code=ExitCode.BAD_INPUT,
            )
        try:
            signed = SignedPlanningQuery.model_validate_json(self._path(query_id, "query.json").read_bytes())
        except ValidationError:
            raise refused("PLANNING_CHANGED", "the stored query", "a damaged one") from None
        self._check_genuine(signed)
        return signed.query

    def answer(self, query_id: str) -> PlanningAnswer | None:
        """What this site's people answered; None where they did not.

        Raises:
            MyofedError: PLANNING_CHANGED.
        """
        path = self._path(query_id, "answer.json")
        if not path.exists():
            return None
        try:
            return PlanningAnswer.model_validate_json(path.read_bytes())
        except ValidationError:
            raise refused("PLANNING_CHANGED", "the stored answer", "a damaged one") from None

    def keep(self, answer: PlanningAnswer) -> None:
        """The answer lies here, not yet sent."""
        write_atomically(self._path(answer.query_id, "answer.json"), canonical_json(answer))

    def mark_sent(self, answer: PlanningAnswer) -> None:
        """The coordinator has taken this answer."""
        write_atomically(self._path(answer.query_id, "answer.sent"), digest(answer).encode())

    def is_sent(self, answer: PlanningAnswer) -> bool:
        """Whether the coordinator has taken this very answer."""
        path = self._path(answer.query_id, "answer.sent")
        return path.exists() and path.read_text(encoding="ascii") == digest(answer)

    def check(self, manifest: StudyManifest, *, site: str) -> None:
        """What the manifest says of this site's answer is what this site answered.

        Raises:
            MyofedError: PLANNING_NOT_OUR_ANSWER, PLANNING_CHANGED.
        """
        planning = manifest.planning
        named = planning.answer_of(site) if planning else None
        if planning is None or named is None:
            return
        own = self.answer(planning.query_id)
        if own is None or own.answer != "told" or own.query_sha256 != planning.query_sha256 or digest(own) != named:
            found = "none here" if own is None else "another one here"
            raise refused("PLANNING_NOT_OUR_ANSWER", "this site's own answer to the planning query", found)

    def _path(self, query_id: str, name: str) -> Path:
        return self._folder.planning / query_id / name

    def _check_genuine(self, signed: SignedPlanningQuery) -> None:
        if signed.sha256 != digest(signed.query):
            raise refused("PLANNING_CHANGED", "a query with the digest it names", "another")
        key = load_link(self._folder).coordinator_key
        if not is_signed(signed.query, signature=signed.signature, public_key=key):
            raise refused("PLANNING_SIGNATURE", "the coordinator's signature", "another")


def refused(code: str, expected: str, found: str) -> MyofedError:
    """A refusal of a query, of an answer, or of what a study says of one."""
    return MyofedError(
        code,
        f"expected {expected}, found {found}",
        hint="myofed-node planning show QUERY; nothing was sent or changed",
        exit_code=ExitCode.NOT_APPROVED,
    )
