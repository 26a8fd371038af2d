"""Planning at the coordinator: what is refused of an answer, then from question to draft."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import yaml
from coordinator_factories import NOW, FakeSite, make_manifest, make_weights

from myofed_coordinator.planning.draft import draft_yaml
from myofed_coordinator.planning.proposal import proposal_of
from myofed_coordinator.planning.service import Question
from myofed_coordinator.planning.summary import detail, summarise
from myofed_coordinator.services import Services
from myofed_coordinator.studies.draft import complete
from myofed_coordinator.studies.leads import Doer
from myofed_schemas.canonical import digest
from myofed_schemas.catalog import DisclosurePolicy, SuppressedCount
from myofed_schemas.errors import MyofedError
from myofed_schemas.planning import Fingerprint, Percentile
from myofed_schemas.planning_query import PlanningAnswer, PlanningQuery
from myofed_schemas.study import StudyManifest

Enrol = Callable[[str], FakeSite]
WEIGHTS = make_weights()
QUESTION = Question(
    "thigh-muscles", "Two thigh muscles", "Follow-up of weakness", ("hospital-a", "hospital-b"), ("VL", "RF")
)


def fingerprint(site: str, **changes: object) -> Fingerprint:
    fields: dict[str, object] = {
        "site": site,
        "policy": DisclosurePolicy(k=10, round_to=5, demo=False),
        "subjects": SuppressedCount(value=20, rounded_to=5),
        "spacing_mm": (Percentile(percent=50, value=1.2),),
        "thigh_mm": (Percentile(percent=90, value=190.0),),
        "channels": ("in-phase",),
        "structures": ("VL", "RF"),
    }
    return Fingerprint.model_validate({**fields, **changes})


def answer(query: PlanningQuery, site: str, **changes: object) -> PlanningAnswer:
    fields = {
        "query_id": query.query_id,
        "query_sha256": digest(query),
        "site": site,
        "answer": "told",
        "fingerprint": fingerprint(site),
        "salt": "01" * 16,
    }
    return PlanningAnswer.model_validate({**fields, **changes})


@pytest.fixture
def query(services: Services, enrol: Enrol) -> PlanningQuery:
    """Two hospitals are asked; a third is enrolled."""
    for name in ("hospital-a", "hospital-b", "hospital-c"):
        enrol(name)
    return services.planning.ask(QUESTION, actor="admin", now=NOW).query


def record(services: Services, given: PlanningAnswer, *, site: str = "hospital-a") -> None:
    services.planning.record(given, site=site, now=NOW)


def code(call: Callable[[], object]) -> str:
    with pytest.raises(MyofedError) as caught:
        call()
    return caught.value.code


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sites": ("hospital-z",)}, "PLANNING_SITE_UNKNOWN"),
        ({"muscles": ("QQ",)}, "PLANNING_INVALID"),
        ({"min_answers": 3}, "PLANNING_INVALID"),
        ({"study_id": "Thigh"}, "PLANNING_INVALID"),
    ],
)
def test_question_that_does_not_hold_is_not_asked(
    services: Services, enrol: Enrol, changes: dict[str, object], expected: str
) -> None:
    """No site sees it."""
    enrol("hospital-a")
    enrol("hospital-b")
    asked = replace(QUESTION, **changes)  # type: ignore[arg-type]
    assert code(lambda: services.planning.ask(asked, actor="admin", now=NOW)) == expected
    assert services.planning.of_site("hospital-a") == []


def test_answer_is_refused_unless_it_is_this_sites_to_this_query(services: Services, query: PlanningQuery) -> None:
    """Another site's name, an unknown query, a site that was not asked, another query's digest, more than was asked."""
    other_muscle = fingerprint("hospital-a", structures=("VL", "GR"))
    demo = fingerprint("hospital-a", policy=DisclosurePolicy(k=3, round_to=1, demo=True))
    refused = {
        "PLANNING_WRONG_SITE": [(answer(query, "hospital-b"), "hospital-a")],
        "PLANNING_UNKNOWN": [
            (answer(query, "hospital-a", query_id="plan-00000000"), "hospital-a"),
            (answer(query, "hospital-c"), "hospital-c"),
        ],
        "PLANNING_WRONG_DIGEST": [(answer(query, "hospital-a", query_sha256="0" * 64), "hospital-a")],
        "PLANNING_NOT_ASKED": [
            (answer(query, "hospital-a", fingerprint=other_muscle), "hospital-a"),
            (answer(query, "hospital-a", fingerprint=demo), "hospital-a"),
        ],
    }
    found = [
        (expected, code(lambda given=given, site=site: record(services, given, site=site)))  # type: ignore[misc]
        for expected, cases in refused.items()
        for given, site in cases
    ]
    assert all(expected == got for expected, got in found), found
    assert set(services.planning.show(query.query_id).states.values()) == {"open"}


def test_revoked_site_neither_answers_nor_counts(services: Services, query: PlanningQuery) -> None:
    """What it told before is not used any more."""
    record(services, answer(query, "hospital-a"))
    services.enrolment.revoke("hospital-a", actor="admin", now=NOW)
    services.enrolment.revoke("hospital-b", actor="admin", now=NOW)
    assert code(lambda: record(services, answer(query, "hospital-b"), site="hospital-b")) == "SITE_REVOKED"
    assert services.planning.show(query.query_id).answers == ()
    assert code(lambda: services.planning.propose(query.query_id)) == "PLANNING_TOO_FEW"


def test_second_answer_is_refused_and_the_same_one_changes_nothing(services: Services, query: PlanningQuery) -> None:
    """One row, one audit entry; neither another fingerprint nor a refusal takes its place."""
    for _ in range(2):
        record(services, answer(query, "hospital-a"))
    other = answer(query, "hospital-a", fingerprint=fingerprint("hospital-a", channels=()))
    declined = answer(query, "hospital-a", answer="declined", fingerprint=None)
    for given in (other, declined):
        assert code(lambda given=given: record(services, given)) == "PLANNING_ANSWERED"  # type: ignore[misc]
    assert [e.action for e in services.audit.entries()].count("PLANNING_TOLD") == 1
    assert services.planning.show(query.query_id).answers == (answer(query, "hospital-a"),)


def test_nothing_is_proposed_from_fewer_answers_than_were_asked_for(services: Services, query: PlanningQuery) -> None:
    """A refusal is no answer, and one that withholds all is not enough; an unknown query has no proposal."""
    assert code(lambda: services.planning.propose("plan-00000000")) == "PLANNING_UNKNOWN"
    record(services, answer(query, "hospital-a", fingerprint=fingerprint("hospital-a", spacing_mm=())))
    assert code(lambda: services.planning.propose(query.query_id)) == "PLANNING_TOO_FEW"
    record(services, answer(query, "hospital-b", answer="declined", fingerprint=None), site="hospital-b")
    assert code(lambda: services.planning.propose(query.query_id)) == "PLANNING_TOO_FEW"
    assert services.planning.show(query.query_id).states == {"hospital-a": "told", "hospital-b": "declined"}
    withheld = [answer(query, "hospital-a", fingerprint=fingerprint("hospital-a", spacing_mm=()))]
    assert code(lambda: proposal_of(query, withheld)) == "PLAN_TOO_FEW"


def test_draft_needs_a_muscle_and_a_sequence_that_the_sites_share(services: Services, query: PlanningQuery) -> None:
    """A muscle that one site does not draw is left out; where none is left, or no sequence is told, there is no draft."""
    told = [fingerprint("hospital-a"), fingerprint("hospital-b", structures=("VL", "quadriceps"), channels=("t1w",))]
    answers = [answer(query, f.site, fingerprint=f) for f in told]
    proposal = proposal_of(query, answers)
    drafted = yaml.safe_load(draft_yaml(proposal))
    assert (drafted["muscles"], proposal.left_out) == (["VL"], ("RF",))
    assert drafted["image"]["channels"] == ["in-phase", "t1w"]
    assert (drafted["architecture"]["in_channels"], drafted["architecture"]["out_channels"]) == (2, 2)
    nothing = [answer(query, f.site, fingerprint=f.model_copy(update={"structures": ()})) for f in told]
    assert code(lambda: draft_yaml(proposal_of(query, nothing))) == "PLANNING_NO_MUSCLE"
    unseen = [answer(query, "hospital-a", fingerprint=fingerprint("hospital-a", channels=()))]
    assert code(lambda: draft_yaml(proposal_of(query, unseen))) == "PLANNING_NO_CHANNEL"


def planned(services: Services, query: PlanningQuery) -> StudyManifest:
    for site in query.sites:
        record(services, answer(query, site), site=site)
    planning = services.planning.propose(query.query_id).planning
    return make_manifest(WEIGHTS, sites=query.sites, planning=planning)


@pytest.mark.parametrize(
    "changes",
    [
        {"query_id": "plan-00000000"},
        {"query_sha256": "0" * 64},
        {"answers": ({"site": "hospital-a", "sha256": "0" * 64},)},
        {"answers": ({"site": "hospital-c", "sha256": "0" * 64},)},
        {"spacing_mm": 2.0},
        {"levels": 3},
    ],
)
def test_study_that_says_other_than_was_proposed_is_not_created(
    services: Services, query: PlanningQuery, changes: dict[str, object]
) -> None:
    """Sites are not asked to approve a section that does not follow from the answers."""
    manifest = planned(services, query)
    assert manifest.planning is not None
    other = manifest.planning.model_dump() | changes
    changed = make_manifest(WEIGHTS, sites=query.sites, planning=other)
    assert code(lambda: services.studies.create(changed, WEIGHTS, actor=Doer("admin"), now=NOW)) == "PLANNING_MISMATCH"
    assert services.studies.create(manifest, WEIGHTS, actor=Doer("admin"), now=NOW).manifest == manifest


def test_query_is_seen_by_the_sites_it_asks_and_by_nobody_else(services: Services, query: PlanningQuery) -> None:
    """Signed by the coordinator; audited."""
    (signed,) = services.planning.of_site("hospital-a")
    assert (signed.query, signed.sha256) == (query, digest(query))
    assert services.planning.of_site("hospital-c") == []
    assert [e.action for e in services.audit.entries()].count("PLANNING_ASKED") == 1
    assert query.min_answers == 2


def test_draft_of_the_answers_becomes_the_study_that_was_proposed(services: Services, query: PlanningQuery) -> None:
    """Its input and depth are those of the section, and the section names the answers by their digests."""
    planned(services, query)
    proposal = services.planning.propose(query.query_id)
    text = draft_yaml(proposal)
    assert text.startswith(b"# Draft of thigh-muscles")
    manifest = complete(text, initial_weights=WEIGHTS, version=1)
    assert manifest.planning == proposal.planning
    assert (manifest.image.spacing_mm, manifest.image.size_px) == (1.25, (160, 160))
    assert len(manifest.architecture.channels) == manifest.planning.levels == 6  # type: ignore[union-attr]
    assert manifest.planning.answer_of("hospital-b") == digest(answer(query, "hospital-b"))
    assert (manifest.min_sites, manifest.min_subjects, manifest.demo) == (2, 40, False)


def test_overview_says_who_is_missing(services: Services, query: PlanningQuery) -> None:
    """As a list and in detail."""
    record(services, answer(query, "hospital-b"), site="hospital-b")
    (overview,) = services.planning.list_queries()
    assert summarise(overview).states == {"hospital-a": "open", "hospital-b": "told"}
    assert detail(overview).answers == (answer(query, "hospital-b"),)
