"""The draft of a study from a proposal: YAML of the form that `study create` takes, for people to finish."""

from __future__ import annotations

import yaml

from myofed_coordinator.planning.proposal import Proposal
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

TRAINING = {
    "optimiser": "adamw",
    "learning_rate": 0.01,
    "learning_rate_end": 0.0005,
    "weight_decay": 0.0001,
    "batch_size": 8,
    "local_steps": 30,
    "augmentation": "geometric",
    "seed": 1,
}
"""Of these, and of rounds, split and strategy, a fingerprint says nothing: they are the demonstration's (docs/learning.md)."""
MIN_SUBJECTS, MIN_SUBJECTS_DEMO = 40, 3
HEADER = """\
# Draft of {study}, from {query}. `planning` is as it was proposed and stays as it is; `image` and `architecture`
# follow it, and may be changed: sites see both. Everything else is a beginning for people to finish (docs/study.md).
"""


def draft_yaml(proposal: Proposal) -> bytes:
    """A draft that `study create` completes; weights for it are drawn by `myofed-node model init --study`.

    Raises:
        MyofedError: PLANNING_NO_MUSCLE, no muscle that was asked for is drawn singly at every site that counts;
            PLANNING_NO_CHANNEL, none of them tells a sequence.
    """
    query, plan = proposal.query, proposal.plan
    muscles = [m for m in query.muscles if m in plan.muscles_everywhere]
    if not muscles:
        raise MyofedError(
            "PLANNING_NO_MUSCLE",
            "expected a muscle that every site of the plan draws singly, found none",
            hint="`planning show` says what each draws; a study with mixed_labels is written by hand (docs/study.md)",
            exit_code=ExitCode.BAD_INPUT,
        )
    if not plan.channels:
        raise MyofedError(
            "PLANNING_NO_CHANNEL",
            "expected a sequence that enough subjects of some site share, found none told",
            hint="ask the sites which sequences they have, and write `image` by hand (docs/study.md)",
            exit_code=ExitCode.BAD_INPUT,
        )
    image = _image(proposal)
    document = {
        "study_id": query.study_id,
        "title": query.title,
        "purpose": query.purpose,
        "duo": [],
        "sites": list(plan.sites),
        "label_set": query.label_set,
        "muscles": muscles,
        "architecture": {
            "name": "monai-unet-2d",
            "in_channels": len(plan.channels) if image["kind"] == "channels" else 1,
            "out_channels": len(muscles) + 1,
            "channels": list(plan.network_channels),
            "strides": list(plan.strides),
            "num_res_units": 0,
            "norm": "instance",
        },
        "image": image,
        "training": TRAINING,
        "split": {"test_percent": 25, "validation_percent": 15, "salt": query.study_id},
        "strategy": "fedavg",
        "weighting": "uniform",
        "rounds": 10,
        "min_sites": min(query.min_answers, len(plan.sites)),
        "min_subjects": MIN_SUBJECTS_DEMO if query.demo else MIN_SUBJECTS,
        "round_timeout_s": 900,
        "demo": query.demo,
        "planning": proposal.planning.model_dump(mode="json"),
    }
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000)
    return (HEADER.format(study=query.study_id, query=query.query_id) + text).encode()


def _image(proposal: Proposal) -> dict[str, object]:
    """One channel where every site of the plan tells that it has in-phase images, else all that some site has."""
    plan = proposal.plan
    grid = {"spacing_mm": plan.spacing_mm, "size_px": list(plan.size_px)}
    if "in-phase" in plan.channels_everywhere:
        return {"kind": "in-phase-magnitude", **grid}
    return {"kind": "channels", "channels": list(plan.channels), "dropout": 0.0, **grid}
