"""The study wizard's steps as data, the draft that a person fills in over days, and the manifest that comes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError

from myofed_schemas.canonical import canonical_json
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import write_atomically
from myofed_schemas.study import StudyManifest
from myofed_schemas.wire import WireModel

Kind = Literal["text", "area", "number", "choice", "boxes"]
EXAMPLE: Mapping[str, str] = {
    "muscles": "VL, RF",
    "architecture": "name: monai-unet-2d\nin_channels: 1\nout_channels: 3\nchannels: [16, 32, 64]\nstrides: [2, 2]\n"
    "num_res_units: 1\nnorm: instance\n",
    "image": "kind: in-phase-magnitude\nspacing_mm: 1.5\nsize_px: [128, 128]\n",
    "optimiser": "adamw",
    "learning_rate": "0.003",
    "learning_rate_end": "0.0003",
    "weight_decay": "0.0001",
    "batch_size": "8",
    "local_steps": "40",
    "augmentation": "geometric-intensity",
    "seed": "1",
    "test_percent": "25",
    "validation_percent": "15",
    "salt": "a-new-word",
    "strategy": "fedavg",
    "weighting": "uniform",
    "rounds": "12",
    "min_sites": "2",
    "min_subjects": "40",
    "round_timeout_s": "900",
    "demo": "no",
    "more": "",
}
"""What a new draft begins with: docs/study.md's example."""


@dataclass(frozen=True)
class WizardField:
    """One field of the form.

    Attributes:
        name: Of the draft.
        label: What the form calls it.
        explained: What it means, and for whom.
        kind: How it is filled in.
        options: Of a choice.
        optional: It may stay empty.
    """

    name: str
    label: str
    explained: str
    kind: Kind = "text"
    options: tuple[str, ...] = ()
    optional: bool = False


@dataclass(frozen=True)
class Step:
    """One page of the wizard."""

    key: str
    title: str
    intro: str
    fields: tuple[WizardField, ...]


STEPS = (
    Step(
        "purpose",
        "Purpose",
        "Every site's principal investigator and data protection officer read this before they sign.",
        (
            WizardField("study_id", "Id", "Lower-case letters, digits, hyphens; stays the same over all versions."),
            WizardField("title", "Title", "3 to 200 signs."),
            WizardField("purpose", "Purpose", "What the model is for, in sentences that a layperson follows.", "area"),
            WizardField("duo", "Data use terms", "DUO codes the study keeps to, with commas.", optional=True),
        ),
    ),
    Step(
        "sites",
        "Sites",
        "Each named site is asked on its own; none sees another's update.",
        (
            WizardField("sites", "Sites that are asked", "Only enrolled ones can be named.", "boxes"),
            WizardField("min_sites", "Quorum", "A round with fewer valid updates fails the run.", "number"),
            WizardField("min_subjects", "Labelled subjects a site", "A site with fewer must not take part.", "number"),
            WizardField("demo", "Demonstration", "On synthetic patients only; real sites refuse it.", "choice", ("no", "yes")),
        ),
    ),
    Step(
        "network",
        "Network and labels",
        "The sites build exactly this network and compare every tensor with the initial weights.",
        (
            WizardField("muscles", "Muscles", "Ids of muscles.tsv with commas; class 1, class 2, ...; 0 is background."),
            WizardField("weights", "Initial weights", "Uploaded here, or a model of this consortium.", "choice"),
            WizardField("architecture", "Network", "From the allow-list (docs/study.md), as YAML.", "area"),
            WizardField("image", "Input", "What a site makes of its images, as YAML.", "area"),
        ),
    ),
    Step(
        "training",
        "Training",
        "A site runs exactly these steps in every round, and nothing else.",
        (
            WizardField("rounds", "Rounds", "1 to 1000.", "number"),
            WizardField("round_timeout_s", "Seconds a round", "A site that is later has an error in that round.", "number"),
            WizardField("local_steps", "Local steps", "Optimiser steps of one site in one round.", "number"),
            WizardField("batch_size", "Batch size", "Slices a step.", "number"),
            WizardField("optimiser", "Optimiser", "", "choice", ("adamw",)),
            WizardField("learning_rate", "Learning rate", "In the first round."),
            WizardField("learning_rate_end", "Learning rate at the end", "Cosine from the first to this."),
            WizardField("weight_decay", "Weight decay", "0 to 1."),
            WizardField("augmentation", "Augmentation", "", "choice", ("none", "geometric", "geometric-intensity")),
            WizardField("seed", "Seed", "The same seed, the same run.", "number"),
            WizardField("test_percent", "Test subjects (%)", "Never trained on; drawn by each site's own key.", "number"),
            WizardField("validation_percent", "Validation subjects (%)", "Score every round.", "number"),
            WizardField("salt", "Word of the split", "Another word is another draw."),
            WizardField(
                "strategy", "Strategy", "How updates become weights.", "choice",
                ("fedavg", "fedprox", "fedadam", "fedbn", "trimmed-mean"),
            ),
            WizardField("weighting", "Weighting", "Each site alike, or by its bucket of subjects.", "choice", ("uniform", "examples")),
            WizardField(
                "more", "Further sections", "Legal basis, privacy, schedule, transport, strategy options: as YAML, see docs/study.md.",
                "area", optional=True,
            ),
        ),
    ),
)  # fmt: skip
TRAINING = (
    "optimiser",
    "learning_rate",
    "learning_rate_end",
    "weight_decay",
    "batch_size",
    "local_steps",
    "augmentation",
    "seed",
)
SPLIT = ("test_percent", "validation_percent", "salt")
PLAIN = (
    "study_id",
    "title",
    "purpose",
    "strategy",
    "weighting",
    "rounds",
    "min_sites",
    "min_subjects",
    "round_timeout_s",
)


class StudyDraft(WireModel):
    """What was filled in so far, as it was typed.

    Attributes:
        texts: Field -> text.
        sites: Ticked.
    """

    schema_version: Literal["myofed-study-draft-1"] = "myofed-study-draft-1"
    texts: dict[str, str] = Field(default_factory=dict, max_length=64)
    sites: tuple[str, ...] = Field(default=(), max_length=1000)

    def text(self, name: str) -> str:
        """Empty where nothing was typed."""
        return self.texts.get(name, "")


class Drafts:
    """One draft a person, in the coordinator's home; nobody else reads it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, account: str) -> StudyDraft | None:
        """The person's draft; None where there is none, or one that this release does not know."""
        try:
            return StudyDraft.model_validate_json(self._path(account).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def write(self, account: str, draft: StudyDraft) -> None:
        """The draft is on disk."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        write_atomically(self._path(account), canonical_json(draft))

    def discard(self, account: str) -> None:
        """The person has no draft."""
        self._path(account).unlink(missing_ok=True)

    def _path(self, account: str) -> Path:
        return self._folder / f"{account}.json"


def begin(earlier: StudyManifest | None) -> StudyDraft:
    """A new draft: of the example, or of an earlier study's newest version."""
    if earlier is None:
        return StudyDraft(texts=dict(EXAMPLE))
    document = earlier.model_dump(mode="json")
    flat = {name: str(document[name]) for name in PLAIN}
    flat |= {name: str(document["training"][name]) for name in TRAINING}
    flat |= {name: str(document["split"][name]) for name in SPLIT}
    known = {*PLAIN, "training", "split", "architecture", "image", "muscles", "duo", "sites", "demo", "version"}
    completed = {"schema_version", "state_dict", "initial_weights_sha256", "label_set"}
    more = {name: value for name, value in document.items() if name not in known | completed}
    flat |= {
        "muscles": ", ".join(earlier.muscles),
        "duo": ", ".join(earlier.duo),
        "architecture": yaml.safe_dump(document["architecture"], sort_keys=False),
        "image": yaml.safe_dump(document["image"], sort_keys=False),
        "weights": earlier.initial_weights_sha256,
        "demo": "yes" if earlier.demo else "no",
        "more": yaml.safe_dump(more, sort_keys=False) if more else "",
    }
    return StudyDraft(texts=flat, sites=earlier.sites)


def manifest_text(draft: StudyDraft) -> bytes:
    """The draft as `studies.draft` reads it, without what it completes.

    Raises:
        MyofedError: STUDY_INVALID, a part that should be YAML is not.
    """
    document: dict[str, object] = {name: _number(draft.text(name)) for name in PLAIN}
    document |= {
        "training": {name: _number(draft.text(name)) for name in TRAINING},
        "split": {name: draft.text(name) if name == "salt" else _number(draft.text(name)) for name in SPLIT},
        "sites": list(draft.sites),
        "muscles": _listed(draft.text("muscles")),
        "duo": _listed(draft.text("duo")),
        "architecture": _yaml(draft, "architecture"),
        "image": _yaml(draft, "image"),
        "demo": draft.text("demo") == "yes",
    }
    return json.dumps({**_yaml(draft, "more"), **document}).encode()


def _number(text: str) -> object:
    """A number where it is one; whatever else stays a text, and the manifest refuses it by name."""
    try:
        return json.loads(text) if text[:1].isdigit() else text
    except ValueError:
        return text


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _yaml(draft: StudyDraft, name: str) -> Mapping[str, object]:
    try:
        found = yaml.safe_load(draft.text(name)) or {}
    except yaml.YAMLError:
        found = None
    if not isinstance(found, Mapping):
        raise MyofedError(
            "STUDY_INVALID",
            f"the study does not hold: {name}: expected YAML with names and values",
            hint="docs/study.md explains every field and holds an example",
            exit_code=ExitCode.BAD_INPUT,
        )
    return found
