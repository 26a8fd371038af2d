"""A study's manifest in words: what the people who decide need to know, what would leave, and what changed since they last approved."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping

from myofed_schemas.canonical import canonical_json
from myofed_schemas.study import StudyManifest
from myofed_schemas.study_options import Privacy

FLOAT_BYTES = 4
FIELD_WORDS = {
    "title": "title",
    "purpose": "purpose",
    "duo": "data use terms",
    "sites": "sites",
    "label_set": "kind of labels",
    "muscles": "muscles",
    "architecture": "network",
    "state_dict": "tensors that leave",
    "initial_weights_sha256": "initial weights",
    "image": "what is made of the images",
    "training": "local training",
    "split": "split of the subjects",
    "strategy": "strategy",
    "weighting": "weight of a site",
    "rounds": "rounds",
    "min_sites": "least number of sites",
    "min_subjects": "least number of subjects here",
    "round_timeout_s": "time for a round (s)",
    "demo": "demonstration",
    "strategy_options": "options of the strategy",
    "local_tensors": "tensors that stay here",
    "max_update_norm": "longest update",
    "schedule": "schedule",
    "mixed_labels": "sites with other labels",
    "privacy": "privacy",
    "transport": "transport",
    "planning": "planning",
    "legal_basis": "legal basis",
    "data_use": "data use",
}
"""Every field of a manifest but those that tell one version from another."""
SAME_IN_NO_TWO = frozenset({"schema_version", "study_id", "version"})
LONGEST_VALUE = 160
"""Characters of one value on a screen; the manifest itself has all."""


def manifest_lines(manifest: StudyManifest) -> Iterator[str]:
    """The manifest in words, and what would leave this site."""
    training = manifest.training
    yield f"{manifest.study_id} version {manifest.version}: {manifest.title}"
    yield f"  purpose: {manifest.purpose}"
    yield f"  data use: {', '.join(manifest.duo) or 'not stated'}; sites: {', '.join(manifest.sites)}"
    yield f"  legal basis: {manifest.legal_basis.line() if manifest.legal_basis else 'not stated'}"
    yield f"  use of the models: {manifest.data_use.line() if manifest.data_use else 'not stated: consortium only'}"
    yield f"  learns to outline {len(manifest.muscles)} muscles: {', '.join(manifest.muscles)}"
    yield f"  {manifest.rounds} rounds of {training.local_steps} steps, batches of {training.batch_size}"
    yield f"  needs {manifest.min_subjects} subjects here and {manifest.min_sites} sites; test subjects {manifest.split.test_percent} %"
    yield f"  privacy: {_privacy(manifest.privacy)}"
    yield f"  leaves this site: {_leaving(manifest)}"
    yield "  never leaves: images, label maps, names, values or scores of one subject"
    yield f"  digest {manifest.digest()}"


def difference_lines(newest: StudyManifest, approved: StudyManifest | None) -> Iterator[str]:
    """What the newest version changes, compared with the version that was approved here last.

    Args:
        newest: The highest version that came.
        approved: None where no earlier version was approved.
    """
    if approved is None:
        return
    new, old = _document(newest), _document(approved)
    changed = [name for name in FIELD_WORDS if new.get(name) != old.get(name)]
    yield f"  since version {approved.version}, approved here last: {len(changed)} changes"
    for name in changed:
        if name == "state_dict":
            yield f"    {FIELD_WORDS[name]}: {len(approved.state_dict)} tensors before, {len(newest.state_dict)} others now"
        else:
            yield f"    {FIELD_WORDS[name]}: {_value(old.get(name))} -> {_value(new.get(name))}"


def _leaving(manifest: StudyManifest) -> str:
    stay = set(manifest.local_tensors or ())
    leaving = [tensor for tensor in manifest.state_dict if tensor.name not in stay]
    numbers = sum(math.prod(tensor.shape) for tensor in leaving)
    most = numbers * FLOAT_BYTES / 2**20
    return (
        f"{len(leaving)} tensors of weights a round ({most:.1f} MiB at most), Dice per muscle as sums over subjects, "
        f"the number of training subjects as a bucket, codes"
    )


def _privacy(privacy: Privacy | None) -> str:
    if privacy is None:
        return "off: updates are neither clipped nor noised"
    return (
        f"level {privacy.level}, clipped at {privacy.clip_norm:g}, noise {privacy.noise_multiplier:g}, "
        f"epsilon {privacy.epsilon:g} at delta {privacy.delta:g} at most"
    )


def _document(manifest: StudyManifest) -> Mapping[str, object]:
    document: Mapping[str, object] = json.loads(canonical_json(manifest))
    return document


def _value(value: object) -> str:
    if value is None:
        return "absent"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."
