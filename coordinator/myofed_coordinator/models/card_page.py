"""A model card as Markdown, for people."""

from __future__ import annotations

import html
from collections.abc import Sequence

from myofed_coordinator.models.card import RELEASE_TRAINING_SUBJECTS
from myofed_schemas.model_card import ModelCard, PrivacyFigure

REASONS = {
    "demo-policy": "it was trained under a demonstration's policy",
    "few-training-subjects": (
        f"its study lets sites in of which fewer than {RELEASE_TRAINING_SUBJECTS} subjects are expected to train"
    ),
    "consortium-licence": "its study gives no licence to anybody outside",
}


def markdown(card: ModelCard) -> str:
    """The card; free text of the study cannot make markup."""
    blocks = [
        f"# Model card: {_plain(card.title)}",
        _plain(card.purpose),
        _release(card),
        _table(("what", "value"), _facts(card)),
        "## Rounds",
        _table(
            ("round", "sites", "Dice of its model"), [(str(r.round), str(r.sites), _dice(r.dice)) for r in card.rounds]
        )
        if card.rounds
        else "The run's folder is gone; its rounds are not known here.",
        "## Privacy",
        _privacy(card),
        f"Attacks on code `{card.figures_commit[:12]}` (docs/privacy.md), 95 % intervals:",
        _table(("attack", "setting", "measure", "value", "target"), [_figure(f) for f in card.figures]),
        "## Limits",
        "\n".join(f"- {limit}" for limit in card.limits),
    ]
    return "\n\n".join(blocks) + "\n"


def release_line(card: ModelCard) -> str:
    """The mark and its reasons in one line."""
    if card.release.mark == "may-be-released":
        return "may be released: nothing known of its privacy speaks against it"
    return f"stays inside the consortium: {'; '.join(REASONS[reason] for reason in card.release.reasons)}"


def _release(card: ModelCard) -> str:
    return f"**Release: {release_line(card)}.**"


def _facts(card: ModelCard) -> list[tuple[str, str]]:
    return [
        ("SHA-256", f"`{card.model.sha256}`"),
        ("study", f"`{card.model.study_id}` version {card.study_version}, manifest `{card.manifest_digest[:16]}`"),
        ("run", f"`{card.model.run_id}`, registered {card.model.registered_at}"),
        ("muscles", ", ".join(card.muscles)),
        ("network", f"{card.network}, input {', '.join(card.channels)}"),
        (
            "training",
            f"{card.strategy}, {card.weighting} weighting, {card.local_steps} steps a round, batch {card.batch_size}",
        ),
        ("rounds", f"{card.model.rounds} in this model, {card.rounds_planned} planned"),
        ("sites that trained", str(card.sites) if card.rounds else "not known here"),
        ("labelled subjects a site", f"at least {card.labelled_subjects_at_least}"),
        ("training subjects a site", f"expected at least {card.training_subjects_expected}"),
        ("Dice", _dice(card.dice)),
        ("licence", f"`{card.licence}`"),
        ("policy", "demonstration: synthetic patients" if card.demo else "for patients"),
    ]


def _privacy(card: ModelCard) -> str:
    if card.privacy is None:
        return "Privacy off: updates were neither clipped nor noised."
    asked = card.privacy
    return (
        f"Level `{asked.level}`, clipped at {asked.clip_norm:g}, noise {asked.noise_multiplier:g}: each site spent at most "
        f"epsilon {asked.epsilon:g} at delta {asked.delta:g} (what exactly is in its own ledger)."
    )


def _figure(figure: PrivacyFigure) -> tuple[str, ...]:
    missed = " (missed)" if figure.value > figure.target else ""
    value = f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}){missed}"
    return figure.attack, figure.setting, figure.measure, value, f"<= {figure.target:g}"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _dice(value: float | None) -> str:
    return "not scored" if value is None else f"{value:.3f}"


def _plain(text: str) -> str:
    return html.escape(text, quote=False).replace("|", r"\|").replace("`", r"\`").replace("[", r"\[")
