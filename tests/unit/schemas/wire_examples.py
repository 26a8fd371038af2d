"""One example of every wire type, written out by hand; the golden JSON of each lies in tests/golden."""

from __future__ import annotations

from catalog_wire_examples import catalog_examples
from pydantic import BaseModel

from myofed_schemas import (
    approval,
    audit,
    catalog,
    cube,
    enrolment,
    errors,
    federation,
    ledger,
    lineage,
    model,
    planning,
    planning_query,
    study,
    study_planning,
    study_terms,
)

SHA = "ab" * 32
PEM = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n"
NOW = "2026-11-22T10:00:00Z"
SIGNATURE = "cd" * 64


def manifest(**changes: object) -> study.StudyManifest:
    """A valid manifest with two muscles, changed as asked."""
    values: dict[str, object] = {
        "study_id": "thigh-muscles",
        "version": 1,
        "title": "Thigh muscles",
        "purpose": "Segmentation of single thigh muscles",
        "duo": ("DUO:0000007",),
        "sites": ("hospital-a", "hospital-b"),
        "muscles": ("VL", "RF"),
        "architecture": study.Architecture(
            name="monai-unet-2d",
            in_channels=1,
            out_channels=3,
            channels=(8, 16),
            strides=(2,),
            num_res_units=0,
            norm="instance",
        ),
        "state_dict": (study.TensorSpec(name="model.0.conv.weight", shape=(8, 1, 3, 3), dtype="float32"),),
        "initial_weights_sha256": SHA,
        "image": study.InputImage(kind="in-phase-magnitude", spacing_mm=2.0, size_px=(96, 96)),
        "training": study.Training(
            optimiser="adamw",
            learning_rate=0.01,
            learning_rate_end=0.001,
            weight_decay=0.0,
            batch_size=8,
            local_steps=20,
            augmentation="geometric",
            seed=1,
        ),
        "split": study.Split(test_percent=25, validation_percent=10, salt="thigh-muscles"),
        "strategy": "fedavg",
        "weighting": "uniform",
        "rounds": 10,
        "min_sites": 2,
        "min_subjects": 20,
        "round_timeout_s": 600,
    }
    return study.StudyManifest.model_validate(values | changes)


DECISION = study.StudyDecision(
    study_id="thigh-muscles",
    version=1,
    digest=SHA,
    site="hospital-a",
    decision="approved",
    reason="REVIEWED",
    decided_at=NOW,
)
CARD = catalog.DatasetCard(
    site="hospital-a",
    dataset="thigh-dixon",
    title="Thigh Dixon",
    version=1,
    region="thigh",
    diagnoses=("ORPHA:269",),
    vendors=("Siemens",),
    field_strengths_tesla=(3.0,),
    suffixes=("MEGRE",),
    muscles=("VL", "RF"),
    label_origin="manual",
    duo=("DUO:0000007",),
    subjects=catalog.SuppressedCount(value=25, rounded_to=5),
    sessions=catalog.SuppressedCount(value=25, rounded_to=5),
    labelled_subjects=catalog.SuppressedCount(value=None, rounded_to=5),
    conforms=True,
    disclosure=catalog.DisclosurePolicy(k=10, round_to=5, demo=False),
)
ENROLMENT_BODY = enrolment.EnrolmentBody(
    site="hospital-a",
    token="t" * 43,
    csr_pem="-----BEGIN CERTIFICATE REQUEST-----\nMAo=\n-----END CERTIFICATE REQUEST-----\n",
    identity_key=SHA,
    flower_node_key="ecdsa-sha2-nistp384 AAAAE2VjZHNh",
    myofed_version="0.1.0",
    flwr_version="1.41.0",
)
ROUND = federation.RoundReport(
    round=1,
    started_at=NOW,
    seconds=12.5,
    sites=("hospital-a", "hospital-b"),
    errors=(federation.SiteError(site="hospital-c", code="WORKER_LOST"),),
    loss=0.7,
    dice=0.5,
    dice_per_site={"hospital-a": 0.5},
    weights_sha256=SHA,
)
HEAD = audit.AuditHead(owner="hospital-a", sequence=3, digest=SHA)
QUERY = planning_query.PlanningQuery(
    query_id="plan-0123abcd",
    study_id="thigh-muscles",
    title="Thigh muscles",
    purpose="Segmentation of single thigh muscles",
    sites=("hospital-a", "hospital-b"),
    muscles=("VL", "RF"),
    min_answers=2,
    asked_at=NOW,
)
FINGERPRINT = planning.Fingerprint(
    site="hospital-a",
    policy=catalog.DisclosurePolicy(k=10, round_to=5, demo=False),
    subjects=catalog.SuppressedCount(value=25, rounded_to=5),
    spacing_mm=(planning.Percentile(percent=50, value=1.2),),
    thigh_mm=(planning.Percentile(percent=90, value=190.0),),
    echo_times_ms=(1.2, 2.3),
    channels=("in-phase",),
    structures=("VL", "quadriceps"),
)
PLANNING = study_planning.Planning(
    query_id="plan-0123abcd",
    query_sha256=SHA,
    answers=(study_planning.AnswerUsed(site="hospital-a", sha256=SHA),),
    spacing_mm=1.25,
    size_px=(160, 160),
    normalisation="z-score",
    levels=6,
)

FULL_CARD = CARD.model_copy(
    update={
        "phenotypes": ("HP:0003307",),
        "protocols": ("fat-fraction-6-echo",),
        "repeat_subjects": catalog.SuppressedCount(value=10, rounded_to=5),
        "follow_up": "1-2-years",
        "contact": "mri-research@clinic.example",
    }
)
CUBE = cube.CountCube(
    site="hospital-a",
    dataset="thigh-dixon",
    version=2,
    policy=cube.CubePolicy(k=5, public_k=10, round_to=5),
    subjects=25,
    cells=(
        cube.CubeCell(at=(cube.CellFilter(dimension="diagnosis", value="ORPHA:269"),), count=10),
        cube.CubeCell(
            at=(
                cube.CellFilter(dimension="diagnosis", value="ORPHA:269"),
                cube.CellFilter(dimension="sequence", value="MESE"),
            ),
            count=5,
        ),
    ),
)
WIRE_EXAMPLES: dict[str, BaseModel] = {
    "error-body": errors.ErrorBody(code="NOT_APPROVED", hint="Ask the site to approve the study."),
    "study-manifest": manifest(),
    "study-manifest-of-channels": manifest(
        image=study.InputChannels(
            kind="channels", channels=("in-phase", "t1w"), dropout=0.3, spacing_mm=2.0, size_px=(96, 96)
        )
    ),
    "study-manifest-of-planning": manifest(planning=PLANNING),
    "study-manifest-of-terms": manifest(
        legal_basis=study_terms.LegalBasis(
            article_6="6(1)(e)", article_9="9(2)(j)", ethics_review="each-site", national_law="BDSG, section 27"
        ),
        data_use=study_terms.DataUse(consent="broad-consent", model_licence="CC-BY-NC-4.0", commercial=False),
    ),
    "planning-query": QUERY,
    "signed-planning-query": planning_query.SignedPlanningQuery(
        query=QUERY, sha256=SHA, signature=SIGNATURE, signer=SHA
    ),
    "planning-answer": planning_query.PlanningAnswer(
        query_id="plan-0123abcd",
        query_sha256=SHA,
        site="hospital-a",
        answer="told",
        fingerprint=FINGERPRINT,
        salt="01" * 16,
    ),
    "signed-manifest": study.SignedManifest(
        manifest=manifest(), digest=manifest().digest(), signature=SIGNATURE, signer=SHA
    ),
    "study-decision": DECISION,
    "signed-decision": study.SignedDecision(decision=DECISION, signature=SIGNATURE),
    "signed-decision-of-people": study.SignedDecision(
        decision=DECISION.model_copy(
            update={
                "signed_by": (
                    approval.RoleSignature(role="principal-investigator", sha256=SHA),
                    approval.RoleSignature(role="data-protection-officer", sha256=SHA),
                )
            }
        ),
        signature=SIGNATURE,
    ),
    "instruction": federation.Instruction(
        kind="train",
        study_id="thigh-muscles",
        manifest_digest=SHA,
        run_id="run-0123abcd",
        round=1,
        weights_sha256=SHA,
    ),
    "task-metrics": federation.TaskMetrics(
        examples=10,
        steps=20,
        loss=0.7,
        scores=(federation.MuscleScore(muscle="VL", dice_sum=1.5, subjects=2),),
    ),
    "task-metrics-of-groups": federation.TaskMetrics(
        examples=10,
        steps=20,
        loss=0.7,
        scores=(federation.MuscleScore(muscle="VL", dice_sum=0.0, subjects=0),),
        group_scores=(federation.GroupScore(structure="quadriceps", dice_sum=4.5, subjects=5),),
        exclusions=(federation.ExclusionCount(code="LABEL_GRID", subjects=5),),
    ),
    "round-report": ROUND,
    "round-report-of-exclusions": ROUND.model_copy(
        update={"exclusions": {"hospital-a": (federation.ExclusionCount(code="LABEL_GRID", subjects=5),)}}
    ),
    "run-status": federation.RunStatus(
        run_id="run-0123abcd",
        study_id="thigh-muscles",
        manifest_digest=SHA,
        state="completed",
        code="OK",
        rounds=(ROUND,),
        model_sha256=SHA,
        final=federation.FinalEvaluation(
            dice=0.75,
            dice_per_site={"hospital-a": 0.75},
            errors=(federation.SiteError(site="hospital-c", code="SITE_OFFLINE"),),
        ),
    ),
    "heartbeat": federation.Heartbeat(myofed_version="0.1.0", flwr_version="1.41.0", state="READY", sent_at=NOW),
    "heartbeat-reply": federation.HeartbeatReply(received_at=NOW),
    "invite": enrolment.Invite(
        site="hospital-a",
        people_url="https://127.0.0.1:8443",
        sites_url="https://127.0.0.1:8444",
        ca_pem=PEM,
        coordinator_key=SHA,
        token="t" * 43,
        expires_at=NOW,
    ),
    "enrolment-request": enrolment.EnrolmentRequest(body=ENROLMENT_BODY, signature=SIGNATURE),
    "enrolment-reply": enrolment.EnrolmentReply(state="approved", code="OK", certificate_pem=PEM),
    "signed-renewal": enrolment.SignedRenewal(
        body=enrolment.RenewalBody(site="hospital-a", csr_pem=PEM, asked_at="2026-11-22T10:00:00Z"), signature=SIGNATURE
    ),
    "renewal-reply": enrolment.RenewalReply(certificate_pem=PEM),
    "site-record": enrolment.SiteRecord(
        site="hospital-a",
        state="approved",
        certificate_sha256=SHA,
        certificate_not_after=NOW,
        last_seen=NOW,
        heartbeat="READY",
        identity_sha256=SHA,
        request_sha256=SHA,
        requests=1,
    ),
    "audit-entry": audit.AuditEntry(
        sequence=1,
        at=NOW,
        actor="system",
        action="STUDY_APPROVED",
        subject="thigh-muscles",
        detail={"version": 1},
        previous=audit.GENESIS,
    ),
    "signed-audit-head": audit.SignedAuditHead(head=HEAD, signature=SIGNATURE),
    "witnessed-head": audit.WitnessedHead(head=HEAD, signature=SIGNATURE, witness=SIGNATURE),
    "proven-head": audit.ProvenHead(
        head=HEAD.model_copy(update={"root": SHA}),
        signature=SIGNATURE,
        proof=audit.HeadProof(since=2, last=(SHA,), earlier=(SHA, SHA), consistency=(SHA, SHA)),
    ),
    "cosigned-head": audit.CosignedHead(head=HEAD),
    "dataset-card": CARD,
    **catalog_examples(CARD),
    "dataset-card-of-facts": FULL_CARD,
    "count-cube": CUBE,
    "catalog-answer": catalog.CatalogAnswer(cards=(CARD,), subjects_at_least=25, withheld=0),
    "egress-entry": ledger.EgressEntry(
        sequence=1,
        at=NOW,
        kind="engine",
        study="thigh-muscles",
        method="POST",
        path="/v1/fleet/pull-messages",
        status=200,
        out_bytes=10,
        out_sha256=SHA,
        in_bytes=20,
        in_sha256=SHA,
        previous=ledger.LEDGER_GENESIS,
    ),
    "egress-summary": ledger.EgressSummary(
        requests=1,
        out_bytes=10,
        in_bytes=20,
        refused=0,
        by_kind={"engine": 1},
        out_bytes_by_kind={"engine": 10},
        head=SHA,
    ),
    "lineage-record": lineage.LineageRecord(
        statement=lineage.LineageStatement(
            study_id="thigh-muscles",
            run_id="run-0123abcd",
            round=1,
            manifest_digest=SHA,
            previous=SHA,
            parent_sha256=SHA,
            aggregated_sha256=SHA,
            strategy="fedavg",
            weighting="uniform",
            updates=(lineage.UpdateTrace(sha256=SHA, examples=20),),
            sites=1,
            loss=0.5,
            dice=None,
            software=lineage.LineageSoftware(
                myofed="0.1.0",
                flwr="1.41.0",
                numpy="2.2.0",
                python="3.11.7",
                nodes=(lineage.NodeSoftware(myofed="0.1.0", flwr="1.41.0"),),
            ),
            started_at=NOW,
        ),
        signature=SIGNATURE,
        signer=SHA,
    ),
    "model-record": model.ModelRecord(
        statement=model.ModelStatement(
            sha256=SHA,
            size_bytes=150_000,
            study_id="thigh-muscles",
            manifest_digest=SHA,
            run_id="run-0a1b2c3d",
            rounds=3,
            registered_at=NOW,
        ),
        signature=SIGNATURE,
        signer=SHA,
    ),
}
