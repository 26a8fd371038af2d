"""Where a model comes from: signed round by round, on both databases, and found out when anything in between is changed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from coordinator_factories import NOW, FakeSite, make_manifest, make_weights
from pydantic import ValidationError

from myofed_coordinator.models.lineage import RoundTrace, TracedRun, verify_lineage
from myofed_coordinator.services import Services
from myofed_schemas.canonical import canonical_json
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import RoundReport, RunStatus
from myofed_schemas.lineage import Lineage, LineageRecord, LineageStatement
from myofed_schemas.model import ModelStatement
from myofed_schemas.study import StudyManifest

Enrol = Callable[[str], FakeSite]
SITES = ("hospital-a", "hospital-b")
RUN = "run-0a1b2c3d"
MANIFEST: StudyManifest = make_manifest(make_weights(), sites=SITES)
UPDATES = {"hospital-a": "b" * 64, "hospital-b": "a" * 64, "hospital-c": "c" * 64}


def made(number: int) -> str:
    """Digest of the weights of this round."""
    return f"{number:064x}"


def run_of(rounds: int) -> TracedRun:
    """A run that has come so far; hospital-c sent something that was refused."""
    reports = tuple(
        RoundReport(
            round=number,
            started_at="2026-11-22T12:00:00Z",
            seconds=1.0,
            sites=SITES,
            errors=(),
            loss=0.123456789,
            dice=0.5,
            dice_per_site={},
            weights_sha256=made(number),
        )
        for number in range(1, rounds + 1)
    )
    status = RunStatus(
        run_id=RUN,
        study_id=MANIFEST.study_id,
        manifest_digest=MANIFEST.digest(),
        state="running",
        code="OK",
        rounds=reports,
    )
    traces = [RoundTrace(UPDATES, {"hospital-a": 50, "hospital-b": 20})] * rounds
    return TracedRun(status, MANIFEST, traces)


def model_of(rounds: int) -> ModelStatement:
    return ModelStatement(
        sha256=made(rounds),
        size_bytes=10,
        study_id=MANIFEST.study_id,
        manifest_digest=MANIFEST.digest(),
        run_id=RUN,
        rounds=rounds,
        registered_at="2026-11-22T12:00:00Z",
    )


@pytest.fixture
def lineage(services: Services, enrol: Enrol) -> Lineage:
    for site in SITES:
        enrol(site)
    services.lineage.record(run_of(3), now=NOW)
    return services.lineage.of_run(RUN)


def signer_of(lineage: Lineage) -> str:
    return lineage.records[0].signer


def refusal(lineage: Lineage, model: ModelStatement, signer: str) -> str:
    with pytest.raises(MyofedError) as caught:
        verify_lineage(lineage, model, signer=signer)
    return caught.value.code


def changed(lineage: Lineage, place: int, **fields: object) -> Lineage:
    """The same with one statement changed, its signature as it was."""
    records = list(lineage.records)
    statement = records[place].statement.model_copy(update=fields)
    records[place] = records[place].model_copy(update={"statement": statement})
    return Lineage(records=tuple(records))


@pytest.mark.parametrize("field", sorted(LineageStatement.model_fields))
def test_statement_changed_in_any_field_is_found(lineage: Lineage, field: str) -> None:
    """Nothing in a record can be put right afterwards."""
    found = getattr(lineage.records[1].statement, field)
    other = found + 1 if isinstance(found, int | float) else ("0" * 64 if isinstance(found, str) else None)
    assert refusal(changed(lineage, 1, **{field: other}), model_of(3), signer_of(lineage)) == "BAD_SIGNATURE"


def test_round_that_is_left_out_doubled_swapped_or_cut_off_is_found(lineage: Lineage) -> None:
    """Each genuine record has one place, and the last one leads to the model."""
    one, two, three = lineage.records
    for records in ((one, three), (two, three), (one, one, two, three), (two, one, three), (one, two), ()):
        assert refusal(Lineage(records=records), model_of(3), signer_of(lineage)) == "LINEAGE_BROKEN"
    assert refusal(lineage, model_of(2), signer_of(lineage)) == "LINEAGE_BROKEN"


def test_lineage_of_another_signer_run_or_study_is_refused(lineage: Lineage) -> None:
    """The key comes from the invite, run and manifest from the model's own record."""
    assert refusal(lineage, model_of(3), "0" * 64) == "BAD_SIGNATURE"
    for change in ({"run_id": "run-ffffffff"}, {"manifest_digest": "f" * 64}, {"study_id": "another"}):
        assert refusal(lineage, model_of(3).model_copy(update=change), signer_of(lineage)) == "LINEAGE_BROKEN"


def test_lineage_leads_from_the_manifest_to_the_model(lineage: Lineage) -> None:
    """Parents, buckets of subjects without a site's name, refused updates left out, and what computed it."""
    verify_lineage(lineage, model_of(3), signer=signer_of(lineage))
    first, second, _ = (record.statement for record in lineage.records)
    assert first.parent_sha256 == MANIFEST.initial_weights_sha256
    assert (second.parent_sha256, second.aggregated_sha256) == (made(1), made(2))
    assert [(u.sha256[0], u.examples) for u in first.updates] == [("a", 20), ("b", 50)]
    assert (first.sites, first.loss) == (2, 0.123457)
    assert first.software.myofed
    assert first.software.nodes
    assert b"hospital" not in b"".join(canonical_json(record.statement) for record in lineage.records)


def test_rounds_are_recorded_once_and_as_they_come(services: Services, enrol: Enrol) -> None:
    """A second call changes nothing; each new record is in the audit chain."""
    enrol("hospital-a")
    assert services.lineage.record(run_of(1), now=NOW) == 1
    before = services.lineage.of_run(RUN)
    assert services.lineage.record(run_of(1), now=NOW) == 1
    assert services.lineage.record(run_of(3), now=NOW) == 3
    assert services.lineage.of_run(RUN).records[:1] == before.records
    assert [e.action for e in services.audit.entries()].count("ROUND_RECORDED") == 3


def test_model_has_the_rounds_up_to_its_own(services: Services, lineage: Lineage) -> None:
    """A run that kept an earlier round; an unknown run has none."""
    assert len(services.lineage.of_model(model_of(2)).records) == 2
    verify_lineage(services.lineage.of_model(model_of(2)), model_of(2), signer=signer_of(lineage))
    assert services.lineage.of_run("run-ffffffff").records == ()


def test_record_with_an_unknown_field_is_refused(lineage: Lineage) -> None:
    """Nothing rides along."""
    document = lineage.records[0].model_dump(mode="json")
    document["statement"]["site"] = "hospital-a"
    with pytest.raises(ValidationError):
        LineageRecord.model_validate(document)
