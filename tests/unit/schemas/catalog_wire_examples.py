"""One example of each type of the catalog's questions and answers, and of negotiation."""

from __future__ import annotations

from pydantic import BaseModel

from myofed_schemas import catalog_search as search
from myofed_schemas import duo, negotiation
from myofed_schemas.catalog import DatasetCard
from myofed_schemas.cube import CellFilter, CubeCell, CubePolicy

SHA = "ab" * 32
NOW = "2026-11-22T10:00:00Z"
POLICY = CubePolicy(k=5, public_k=10, round_to=5)
DIAGNOSIS = CellFilter(dimension="diagnosis", value="ORPHA:269")
COUNTS = search.CountQuestion(
    cards=search.CardChoice(choices=(search.FacetChoice(facet="region", value="thigh"),), text="dixon"),
    filters=(DIAGNOSIS,),
)
REQUEST = negotiation.ParticipationRequest(
    negotiation_id="ask-0123abcd",
    site="hospital-a",
    dataset="thigh-dixon",
    card_version=2,
    study_id="thigh-muscles",
    purpose=duo.ResearchPurpose(diseases=("ORPHA:269",), methods=True, accepts=("DUO:0000021",)),
    asked_by="ann.lee",
    message="Would you take part?",
    asked_at=NOW,
)


def catalog_examples(card: DatasetCard) -> dict[str, BaseModel]:
    """Name of the golden file -> example, around this card."""
    return {
        "facet-answer": search.FacetAnswer(
            cards=2,
            subjects_at_least=18,
            withheld=1,
            facets=(
                search.Facet(
                    facet="diagnosis",
                    values=(
                        search.FacetCount(
                            value="ORPHA:269",
                            name="facioscapulohumeral dystrophy",
                            cards=2,
                            subjects_at_least=18,
                            withheld=1,
                        ),
                    ),
                ),
            ),
        ),
        "card-page": search.CardPage(total=1, page=1, per_page=20, subjects_at_least=23, withheld=0, cards=(card,)),
        "card-shown": search.CardShown(card=card, published_at=NOW, policy=POLICY, cube_version=3),
        "card-counts": search.CardCounts(
            site="hospital-a",
            dataset="thigh-dixon",
            cube_version=3,
            policy=POLICY,
            subjects=25,
            cells=(CubeCell(at=(DIAGNOSIS,), count=20),),
        ),
        "count-answer": search.CountAnswer(
            question=COUNTS,
            subjects_at_least=18,
            sites=1,
            told=1,
            withheld=0,
            no_cube=0,
            datasets=(
                search.DatasetCount(
                    site="hospital-a",
                    dataset="thigh-dixon",
                    title="Thigh Dixon",
                    outcome="told",
                    subjects=20,
                    subjects_at_least=18,
                    cube_version=3,
                    policy=POLICY,
                ),
            ),
            not_listed=0,
        ),
        "asked-counts": search.AskedCounts(
            total=1,
            page=1,
            entries=(search.AskedCount(account="ann.lee", asked_at=NOW, question=COUNTS, refused=False),),
        ),
        "negotiation-thread": negotiation.NegotiationThread(
            signed=negotiation.SignedParticipationRequest(request=REQUEST, sha256=SHA, signature="cd" * 64, signer=SHA),
            match=duo.DuoMatch(verdict="allowed", terms=(duo.TermVerdict(term="DUO:0000007", verdict="allowed"),)),
            messages=(
                negotiation.ThreadMessage(number=1, sender="site", kind="question", text="Which sequences?", at=NOW),
            ),
        ),
        "negotiation-answer": negotiation.NegotiationAnswer(
            negotiation_id="ask-0123abcd",
            request_sha256=SHA,
            site="hospital-a",
            number=1,
            answer="question",
            text="Which sequences?",
        ),
    }
