"""How many, where: published counts as they stand, lower bounds, a budget, and a log without answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from catalog_examples import DIAGNOSIS, DIXON, FEMALE, LABELS, cell, make_cube, publish
from coordinator_factories import HOUR, NOW, FakeSite, make_card
from test_coordinator_catalog_search import choice

from myofed_coordinator.catalog.budget import BudgetError, CountLog, QueryBudget
from myofed_coordinator.catalog.feasibility import Asker
from myofed_coordinator.services import Services
from myofed_schemas.catalog_search import CountAnswer, CountQuestion, DatasetCount
from myofed_schemas.cube import CellFilter, CubePolicy

Enrol = Callable[[str], FakeSite]
FSHD_THIGH = CountQuestion(cards=choice(region="thigh"), filters=(DIAGNOSIS, DIXON, LABELS))


def ask(services: Services, question: CountQuestion = FSHD_THIGH, account: str = "ann") -> CountAnswer:
    return services.catalog_reading.feasibility.ask(question, asker=Asker(account, NOW))


def outcomes(answer: CountAnswer) -> dict[str, tuple[str, int | None, int]]:
    def line(each: DatasetCount) -> tuple[str, int | None, int]:
        return each.outcome, each.subjects, each.subjects_at_least

    return {f"{each.site}/{each.dataset}": line(each) for each in answer.datasets}


@pytest.fixture
def catalog(services: Services, enrol: Enrol) -> Services:
    """Five data sets of three sites: told, told, withheld, no cube, another region."""
    for name in ("hospital-a", "hospital-b", "hospital-c"):
        enrol(name)
    many = (cell(20, DIAGNOSIS, DIXON, LABELS), cell(20, DIAGNOSIS))
    publish(services, make_card("hospital-a"), make_cube("hospital-a", *many))
    second = {"dataset": "thigh-late"}
    publish(
        services,
        make_card("hospital-a", **second),
        make_cube("hospital-a", cell(10, DIAGNOSIS, DIXON, LABELS), **second),
    )
    publish(services, make_card("hospital-b"), make_cube("hospital-b", cell(15, DIAGNOSIS)))
    publish(services, make_card("hospital-c"))
    leg = {"dataset": "leg"}
    publish(services, make_card("hospital-c", region="leg", **leg), make_cube("hospital-c", *many, **leg))
    return services


def test_answer_says_of_each_data_set_what_was_published(catalog: Services) -> None:
    """A cell, or that it is withheld, or that there is no cube; data sets of another region are not asked."""
    answer = ask(catalog)
    assert outcomes(answer) == {
        "hospital-a/thigh-dixon": ("told", 20, 18),
        "hospital-a/thigh-late": ("told", 10, 10),
        "hospital-b/thigh-dixon": ("withheld", None, 0),
        "hospital-c/thigh-dixon": ("no-cube", None, 0),
    }
    assert (answer.told, answer.withheld, answer.no_cube, answer.not_listed) == (2, 1, 1, 0)
    assert answer.datasets[0].policy == CubePolicy(k=5, public_k=10, round_to=5)


def test_total_counts_one_data_set_a_site(catalog: Services) -> None:
    """The same subjects may be in two data sets of a hospital: the larger one is sure, the sum is not."""
    answer = ask(catalog)
    assert (answer.subjects_at_least, answer.sites) == (18, 1)


def test_withheld_cell_is_not_worked_out_from_others(catalog: Services) -> None:
    """hospital-b told 15 of the diagnosis and nothing of its part: nothing is said of the part, nor of the rest."""
    question = CountQuestion(cards=choice(site="hospital-b"), filters=(DIAGNOSIS, FEMALE))
    assert outcomes(ask(catalog, question)) == {"hospital-b/thigh-dixon": ("withheld", None, 0)}


def test_without_conditions_the_number_of_subjects_is_told(catalog: Services) -> None:
    """As the cubes say it."""
    answer = ask(catalog, CountQuestion(cards=choice(region="leg")))
    assert outcomes(answer) == {"hospital-c/leg": ("told", 20, 18)}


def test_zero_where_the_policy_tells_it_is_no_withheld_count(services: Services, enrol: Enrol) -> None:
    """Zero is told apart only where the site told it."""
    enrol("hospital-a")
    policy = CubePolicy(k=5, public_k=10, round_to=5, zeros_told=True)
    publish(services, make_card("hospital-a"), make_cube("hospital-a", cell(0, DIAGNOSIS), policy=policy))
    answer = ask(services, CountQuestion(filters=(DIAGNOSIS,)))
    assert outcomes(answer) == {"hospital-a/thigh-dixon": ("told", 0, 0)}
    assert (answer.subjects_at_least, answer.sites, answer.told) == (0, 0, 1)


def test_question_has_three_conditions_at_most_and_one_value_of_each() -> None:
    """More is refused before anything is looked at; sequences are what a subject may have several of."""
    mese = CellFilter(dimension="sequence", value="MESE")
    assert len(CountQuestion(filters=(DIXON, mese)).filters) == 2
    for filters in (
        (DIAGNOSIS, DIXON, LABELS, FEMALE),
        (FEMALE, FEMALE),
        (FEMALE, FEMALE.model_copy(update={"value": "male"})),
    ):
        with pytest.raises(ValueError, match="validation error"):
            CountQuestion(filters=filters)


def test_question_over_the_budget_is_refused_until_an_hour_has_passed(catalog: Services) -> None:
    """Sixty an hour of one person; another person's count for themselves; the wait is said in seconds."""
    log = catalog.catalog_reading.log
    for minute in range(60):
        log.take(FSHD_THIGH, account="ann", now=NOW + timedelta(seconds=minute))
    with pytest.raises(BudgetError, match="QUERY_BUDGET") as refusal:
        log.take(FSHD_THIGH, account="ann", now=NOW + timedelta(minutes=50))
    assert refusal.value.retry_after_s == 600
    log.take(FSHD_THIGH, account="bob", now=NOW + timedelta(minutes=50))
    log.take(FSHD_THIGH, account="ann", now=NOW + timedelta(seconds=3600))


def test_budget_of_a_day_holds_beside_that_of_an_hour(catalog: Services) -> None:
    """Settings say how many; a slow asker meets the day's end."""
    log = CountLog(catalog.database, catalog.audit, QueryBudget(per_hour=2, per_day=3))
    for hours in (0, 2, 4):
        log.take(FSHD_THIGH, account="ann", now=NOW + hours * HOUR)
    with pytest.raises(BudgetError, match="3 count questions a day") as refusal:
        log.take(FSHD_THIGH, account="ann", now=NOW + 6 * HOUR)
    assert refusal.value.retry_after_s == 18 * 3600


def test_log_says_who_asked_what_when_and_no_result(catalog: Services) -> None:
    """Newest first; a refusal stands there once an hour and in the audit chain, with a digest of the question."""
    reading = catalog.catalog_reading
    log = CountLog(catalog.database, catalog.audit, QueryBudget(per_hour=1))
    ask(catalog)
    for _ in range(3):
        with pytest.raises(BudgetError):
            log.take(FSHD_THIGH, account="ann", now=NOW + timedelta(minutes=1))
    page = reading.log.page(1)
    assert [(e.account, e.refused, e.question) for e in page.entries] == [
        ("ann", True, FSHD_THIGH),
        ("ann", False, FSHD_THIGH),
    ]
    assert "20" not in page.entries[1].model_dump_json().replace("2026", "").replace("ORPHA:269", "")
    assert [e.action for e in catalog.audit.entries()].count("QUERY_BUDGET_SPENT") == 1


def test_old_entries_leave_the_log(catalog: Services) -> None:
    """After the days that are set; it holds names of people."""
    log = CountLog(catalog.database, catalog.audit, replace(QueryBudget(), log_days=30))
    log.take(FSHD_THIGH, account="ann", now=NOW)
    log.take(FSHD_THIGH, account="bob", now=NOW + timedelta(days=31))
    assert [e.account for e in log.page(1).entries] == ["bob"]
