"""All that a researcher does at a coordinator, typed: search, ask, write a study, follow its run, fetch and verify its model."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from myofed_client.transport import Query, Transport, Way
from myofed_schemas.catalog import DatasetCard
from myofed_schemas.catalog_search import CardChoice, CardPage, CardShown, CountAnswer, CountQuestion, FacetAnswer
from myofed_schemas.duo import ResearchPurpose
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.federation import RunStatus
from myofed_schemas.files import fsync_folder
from myofed_schemas.lineage import Lineage
from myofed_schemas.model import ModelRecord
from myofed_schemas.model_card import ModelCard
from myofed_schemas.negotiation import NegotiationThread
from myofed_schemas.run_start import StartRecord
from myofed_schemas.study import SignedManifest
from myofed_schemas.study_summary import NewStudy, StudyDetail, StudySummary, UploadedWeights

TIMEOUT_S = 60.0
PER_PAGE = 100
ENDED = frozenset({"completed", "failed", "stopped"})


class Coordinator:
    """One coordinator, for one person's API token (made on the page of one's own account); a context.

    Every call raises MyofedError with the coordinator's own code where it refuses, COORDINATOR_UNREACHABLE, or ANSWER_INVALID.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        ca: Path | str | None = None,
        timeout_s: float = TIMEOUT_S,
        proxy: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """The coordinator at this address; nothing is asked yet.

        Args:
            url: Of the people's port, `https://...`.
            token: A personal API token.
            ca: PEM file of the consortium's CA; None trusts the system's.
            timeout_s: For each step of a request.
            proxy: `http://proxy.example:3128`; None does as HTTPS_PROXY, ALL_PROXY and NO_PROXY say, the empty text uses none.
            transport: Another way than the network, for tests.

        Raises:
            MyofedError: CLIENT_URL where the address is not https; CLIENT_PROXY where the proxy cannot be one.
        """
        if not url.startswith("https://"):
            raise MyofedError(
                "CLIENT_URL",
                "expected an address that begins with https://, found another",
                hint="a token never goes over an open line",
                exit_code=ExitCode.USAGE,
            )
        way = Way(None if ca is None else Path(ca), timeout_s, proxy, transport)
        self._transport = Transport(url, token, way)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return "Coordinator()"

    def close(self) -> None:
        """No connection is open any more."""
        self._transport.close()

    def facets(self, choice: CardChoice | None = None) -> FacetAnswer:
        """How many cards match, and what each further choice would leave."""
        return self._transport.get(FacetAnswer, "/catalog/facets", query=_chosen(choice))

    def cards(self, choice: CardChoice | None = None) -> Iterator[DatasetCard]:
        """All cards that match, page by page."""
        number = 1
        while True:
            query = [*_chosen(choice), ("page", str(number)), ("per_page", str(PER_PAGE))]
            page = self._transport.get(CardPage, "/catalog/cards", query=query)
            yield from page.cards
            if not page.cards or number * PER_PAGE >= page.total:
                return
            number += 1

    def card(self, site: str, dataset: str) -> CardShown:
        """One card, and how its counts are protected."""
        return self._transport.get(CardShown, f"/catalog/cards/{site}/{dataset}")

    def count(self, question: CountQuestion) -> CountAnswer:
        """How many subjects, where, as the hospitals suppressed and rounded them; costs one question of your budget."""
        return self._transport.post(CountAnswer, "/catalog/feasibility", question)

    def ask_participation(
        self, site: str, dataset: str, *, study_id: str, purpose: ResearchPurpose, message: str
    ) -> NegotiationThread:
        """The site is asked, from its card, whether it would take part."""
        asked = {
            "site": site,
            "dataset": dataset,
            "study_id": study_id,
            "purpose": purpose.model_dump(mode="json"),
            "message": message,
        }
        return self._transport.post(NegotiationThread, "/negotiations", asked)

    def thread(self, negotiation_id: str) -> NegotiationThread:
        """What was asked, and all that was answered."""
        return self._transport.get(NegotiationThread, f"/negotiations/{negotiation_id}")

    def reply(self, negotiation_id: str, text: str) -> NegotiationThread:
        """One more message of yours."""
        return self._transport.post(NegotiationThread, f"/negotiations/{negotiation_id}/messages", {"text": text})

    def upload_weights(self, path: Path | str) -> UploadedWeights:
        """These initial weights (safetensors) wait at the coordinator for a study, seven days at most.

        Raises:
            OSError: The file cannot be read.
        """
        source = Path(path)
        with source.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        return self._transport.put_file(UploadedWeights, f"/weights/{sha256}", source)

    def create_study(self, draft: Mapping[str, object], *, initial_weights_sha256: str) -> SignedManifest:
        """The draft (docs/study.md) is the next version of its study, signed, and offered to the sites that it names."""
        wanted = NewStudy.model_validate({"draft": dict(draft), "initial_weights_sha256": initial_weights_sha256})
        return self._transport.post(SignedManifest, "/studies", wanted)

    def studies(self) -> list[StudySummary]:
        """The newest version of every study, with each site's decision."""
        return self._transport.get(list[StudySummary], "/studies")

    def study(self, study_id: str) -> StudyDetail:
        """The newest version of one study with its whole manifest, and each site's decision."""
        return self._transport.get(StudyDetail, f"/studies/{study_id}")

    def start(self, study_id: str) -> StartRecord:
        """A run of the newest version is asked for; where four eyes are asked, it starts once somebody else confirms."""
        return self._transport.post(StartRecord, "/starts", {"study_id": study_id})

    def start_record(self, start_id: str) -> StartRecord:
        """What became of a start that was asked for."""
        return self._transport.get(StartRecord, f"/starts/{start_id}")

    def runs(self) -> list[RunStatus]:
        """Every run with its rounds so far, oldest first."""
        return self._transport.get(list[RunStatus], "/runs")

    def run(self, run_id: str) -> RunStatus:
        """One run with its rounds so far: who gave an update, loss, Dice, codes."""
        return self._transport.get(RunStatus, f"/runs/{run_id}")

    def follow(
        self, run_id: str, *, every_s: float = 5.0, sleep: Callable[[float], None] = time.sleep
    ) -> Iterator[RunStatus]:
        """The run each time it has come further, until it has ended.

        Args:
            run_id: The run.
            every_s: Between two questions.
            sleep: How to wait, for tests.
        """
        last: RunStatus | None = None
        while True:
            status = self.run(run_id)
            if status != last:
                yield status
                last = status
            if status.state in ENDED:
                return
            sleep(every_s)

    def models(self) -> list[ModelRecord]:
        """All registered models, oldest first, each record signed."""
        return self._transport.get(list[ModelRecord], "/models")

    def model(self, sha256: str) -> ModelRecord:
        """The signed record of one model."""
        return self._transport.get(ModelRecord, f"/models/{sha256}")

    def model_card(self, sha256: str) -> ModelCard:
        """What the model was made from, how it scored, what is known of its privacy, and its licence."""
        return self._transport.get(ModelCard, f"/models/{sha256}/card")

    def lineage(self, sha256: str) -> Lineage:
        """The signed records of the rounds that the model is made of."""
        return self._transport.get(Lineage, f"/models/{sha256}/lineage")

    def fetch_model(self, sha256: str, out: Path | str) -> Path:
        """The weights lie in `out`, whole, with exactly this digest; nothing lies there otherwise.

        Raises:
            MyofedError: MODEL_DIGEST, other bytes came.
            OSError: The file cannot be written.
        """
        path = Path(out)
        partial = path.with_name(path.name + ".part")
        counted = hashlib.sha256()
        try:
            with partial.open("wb") as stream:
                for piece in self._transport.fetch(f"/models/{sha256}/weights"):
                    counted.update(piece)
                    stream.write(piece)
            if counted.hexdigest() != sha256:
                raise MyofedError(
                    "MODEL_DIGEST",
                    "expected the bytes of this digest, found others",
                    hint="tell the coordinator's people",
                    exit_code=ExitCode.REFUSED,
                )
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        fsync_folder(path.parent)
        return path


def _chosen(choice: CardChoice | None) -> Query:
    if choice is None:
        return []
    text = [("text", choice.text)] if choice.text else []
    return [*text, *((each.facet.replace("-", "_"), each.value) for each in choice.choices)]
