"""Records of rounds lead from a manifest to one model, or the first that does not is named."""

from __future__ import annotations

from wire_examples import WIRE_EXAMPLES

from myofed_schemas.canonical import digest
from myofed_schemas.lineage import Lineage, LineageRecord, first_broken
from myofed_schemas.model import ModelRecord

OTHER = "9" * 64


def rounds(*, parent: str | None = None) -> tuple[Lineage, ModelRecord]:
    """Two rounds and the model that the second made."""
    example, model = WIRE_EXAMPLES["lineage-record"], WIRE_EXAMPLES["model-record"]
    assert isinstance(example, LineageRecord)
    assert isinstance(model, ModelRecord)
    of = model.statement
    first = example.statement.model_copy(
        update={
            "run_id": of.run_id,
            "study_id": of.study_id,
            "manifest_digest": of.manifest_digest,
            "round": 1,
            "previous": of.manifest_digest,
        }
    )
    second = first.model_copy(
        update={
            "round": 2,
            "previous": digest(first),
            "parent_sha256": parent or first.aggregated_sha256,
            "aggregated_sha256": of.sha256,
        }
    )
    made = model.model_copy(update={"statement": of.model_copy(update={"rounds": 2})})
    return Lineage(records=tuple(example.model_copy(update={"statement": s}) for s in (first, second))), made


def test_round_on_other_weights_than_the_round_before_made_is_named() -> None:
    """Its parent is not what round 1 gave."""
    lineage, model = rounds(parent=OTHER)
    assert first_broken(lineage, model.statement) == 2


def test_rounds_that_lead_to_the_model_hold() -> None:
    """From the manifest's digest to the model's."""
    lineage, model = rounds()
    assert first_broken(lineage, model.statement) is None
