"""Every model on every site's test subjects: of one site, of all together, made personal, and of all but one. Aggregates only."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field

from myofed_coordinator.runs.folder import RunFolder
from myofed_node.federation.local_tensors import LocalTensors
from myofed_node.learning.data import SubjectCache
from myofed_node.learning.device import choose_device
from myofed_node.learning.exclusions import UsableSubjects
from myofed_node.learning.labels import site_labels
from myofed_node.learning.local import train_local
from myofed_node.learning.protocol import Roles
from myofed_node.learning.schedule import Steps
from myofed_node.learning.split import split_subjects
from myofed_node.learning.train import TrainingData, train
from myofed_schemas.canonical import canonical_json
from myofed_schemas.federation import ExclusionCount, Instruction, MuscleScore, mean_dice
from myofed_schemas.files import write_atomically
from myofed_schemas.ids import MuscleId, SiteId
from myofed_schemas.wire import WireModel
from myofed_simulation.bootstrap import Interval
from myofed_simulation.courier import Told
from myofed_simulation.errand import Desk
from myofed_simulation.plan import VirtualSite
from myofed_simulation.run import Job, Prepared, begin, run_rounds
from myofed_simulation.scoring import scored
from myofed_simulation.study import for_sites

Kind = Literal["site-only", "federated", "personalised", "left-out"]
KINDS: tuple[Kind, ...] = ("site-only", "federated", "personalised", "left-out")


class Cell(WireModel):
    """One model on one site's test subjects.

    Attributes:
        kind: `site-only`: trained at `model` alone, as many steps as a whole run. `federated`: the run's model; with tensors
            that stay local, with the tested site's own. `personalised`: that model after one more round's steps at `model`
            alone. `left-out`: of a run without `model`.
        model: The site that the kind speaks of; None for the federated model.
        site: Whose test subjects.
        dice: Mean over muscles; None where too few subjects were scored.
        dice_interval: 95 %, by resampling subjects; None where fewer than five were scored.
        scores: Sums over subjects, a muscle.
        intervals: 95 % of the mean of each muscle that five subjects or more have.
        excluded: Test subjects whose files cannot be used, by code.
    """

    kind: Kind
    model: SiteId | None
    site: SiteId
    dice: float | None
    dice_interval: Interval | None = None
    scores: tuple[MuscleScore, ...]
    intervals: dict[MuscleId, Interval] = Field(default_factory=dict)
    excluded: tuple[ExclusionCount, ...] = ()


class Summary(WireModel):
    """One kind of model in five numbers.

    Attributes:
        kind: As in `Cell`.
        home: Mean Dice over the sites that the models are of (all sites for `federated`); None for `left-out`.
        foreign: Mean Dice over the other pairs; for `left-out` on the site that was left out.
        worst: Least Dice of any pair.
        worst_site: Whose subjects those were.
        worst_interval: 95 % of that Dice.
        worst_muscle: Least mean Dice over all pairs.
        worst_muscle_dice: That Dice.
    """

    kind: Kind
    home: float | None
    foreign: float | None
    worst: float | None
    worst_site: SiteId | None
    worst_interval: Interval | None = None
    worst_muscle: MuscleId | None
    worst_muscle_dice: float | None


class Matrix(WireModel):
    """`matrix.json`."""

    schema_version: Literal["myofed-matrix-1"] = "myofed-matrix-1"
    summaries: tuple[Summary, ...]
    cells: tuple[Cell, ...]


def cross_site_matrix(job: Job, ready: Prepared, *, leave_one_out: bool, told: Told) -> Matrix:
    """All models were trained, those that an earlier call left on disk excepted, and scored; `matrix.json` lies in the folder.

    Args:
        job: Of the completed run.
        ready: Its sites.
        leave_one_out: Also a whole run without each site in turn.
        told: Progress.

    Raises:
        MyofedError: As the trainings.
    """
    torch.set_num_threads(1)
    table = _Table(job, ready, told)
    cells = [*table.federated(), *table.site_only(), *table.personalised()]
    cells += table.left_out() if leave_one_out else ()
    matrix = Matrix(summaries=tuple(summary(kind, cells) for kind in KINDS if _of(kind, cells)), cells=tuple(cells))
    write_atomically(job.out.root / "matrix.json", canonical_json(matrix))
    return matrix


def summary(kind: Kind, cells: Sequence[Cell]) -> Summary:
    """The kind's cells in five numbers; a cell without a Dice has no say."""
    known = [(cell, cell.dice) for cell in _of(kind, cells) if cell.dice is not None]
    at_home = [dice for cell, dice in known if kind != "left-out" and cell.model in {None, cell.site}]
    elsewhere = [dice for cell, dice in known if kind == "left-out" or cell.model not in {None, cell.site}]
    worst = min(known, key=lambda pair: (pair[1], pair[0].site), default=None)
    muscle = min(_muscles([cell for cell, _ in known]), key=lambda pair: (pair[1], pair[0]), default=None)
    return Summary(
        kind=kind,
        home=_mean(at_home),
        foreign=_mean(elsewhere),
        worst=worst[1] if worst else None,
        worst_site=worst[0].site if worst else None,
        worst_interval=worst[0].dice_interval if worst else None,
        worst_muscle=muscle[0] if muscle else None,
        worst_muscle_dice=muscle[1] if muscle else None,
    )


@dataclass(frozen=True)
class _Table:
    """Trains and scores."""

    job: Job
    ready: Prepared
    told: Told

    def federated(self) -> Iterator[Cell]:
        """The run's model everywhere."""
        weights = self.job.out.model.read_bytes()
        for site in self.ready.sites:
            yield self._cell("federated", None, self._with_own_tensors(weights, site), site)

    def site_only(self) -> Iterator[Cell]:
        """Each site's own model everywhere."""
        for owner in self.ready.sites:
            weights = self._kept("site-only", owner) or self._train_alone(owner)
            for site in self.ready.sites:
                yield self._cell("site-only", owner.name, weights, site)

    def personalised(self) -> Iterator[Cell]:
        """The run's model after a little more training at one site, there."""
        for owner in self.ready.sites:
            weights = self._kept("personalised", owner) or self._personalise(owner)
            yield self._cell("personalised", owner.name, weights, owner)

    def left_out(self) -> Iterator[Cell]:
        """The model of a run without a site, there."""
        for absent in self.ready.sites:
            others = [site for site in self.ready.sites if site.name != absent.name]
            manifest = for_sites(self.ready.manifest, [site.name for site in others])
            run = RunFolder(self.job.out.root / "left-out" / absent.name / self.ready.run.run_id)
            if not (run.root / "status.json").exists():
                begin(run, manifest, self.job.weights)
            ready = replace(self.ready, manifest=manifest, sites=tuple(others), run=run)
            with run.locked():
                run_rounds(self.job, ready, partial(self._tell_without, absent.name))
            kept = run.status().kept_round or manifest.rounds
            yield self._cell("left-out", absent.name, run.weights(kept).read_bytes(), absent)

    def _tell_without(self, name: str, text: str) -> None:
        self.told(f"without {name}, {text}")

    def _cell(self, kind: Kind, model: str | None, weights: bytes, site: VirtualSite) -> Cell:
        found = scored(
            weights,
            manifest=self.ready.manifest,
            dataset=Path(site.dataset),
            subjects=self._roles(site).test,
            labels=site_labels(self.ready.manifest, site.name),
        )
        told = tuple(score for score in found.scores if score.subjects >= self.job.plan.min_scored)
        of_muscles, whole = found.intervals(seed=self.job.plan.seed)
        self.told(f"{kind}{f' of {model}' if model else ''}: test subjects of {site.name}")
        return Cell(
            kind=kind,
            model=model,
            site=site.name,
            dice=mean_dice(told),
            dice_interval=whole if told else None,
            scores=told,
            intervals={s.muscle: of_muscles[s.muscle] for s in told if s.muscle in of_muscles},
            excluded=found.excluded,
        )

    def _roles(self, site: VirtualSite) -> Roles:
        return split_subjects(site.subjects, self.ready.manifest.split)

    def _train_alone(self, owner: VirtualSite) -> bytes:
        weights, _ = train_local(
            self.job.weights,
            manifest=self.ready.manifest,
            dataset=Path(owner.dataset),
            subjects=self._roles(owner),
            labels=site_labels(self.ready.manifest, owner.name),
        )
        return self._keep("site-only", owner, weights)

    def _personalise(self, owner: VirtualSite) -> bytes:
        """The last round's steps once more, at the rate of the end of the run and without a term that holds them back."""
        manifest, labels = self.ready.manifest, site_labels(self.ready.manifest, owner.name)
        roles, cache, dataset = self._roles(owner), UsableSubjects(SubjectCache()), Path(owner.dataset)
        data = TrainingData(
            train=cache.read(dataset, roles.train, manifest=manifest, labels=labels),
            labels=labels,
            split=len(roles.train),
        )
        local, total = manifest.training.local_steps, manifest.rounds * manifest.training.local_steps
        steps = Steps(first=total - local, count=local, total=total, alone=True)
        start = self._with_own_tensors(self.job.out.model.read_bytes(), owner)
        weights, _ = train(start, data, manifest=manifest, steps=steps, device=choose_device())
        return self._keep("personalised", owner, weights)

    def _with_own_tensors(self, weights: bytes, site: VirtualSite) -> bytes:
        manifest, run = self.ready.manifest, self.ready.run
        asked = Instruction(
            kind="evaluate",
            study_id=manifest.study_id,
            manifest_digest=manifest.digest(),
            run_id=run.run_id,
            round=run.status().kept_round or manifest.rounds,
            weights_sha256=manifest.initial_weights_sha256,
        )
        return LocalTensors(Desk(run).site(site.name), run.run_id, manifest.local_tensors or ()).restored(
            weights, asked
        )

    def _path(self, kind: Kind, owner: VirtualSite) -> Path:
        return self.job.out.root / "models" / f"{kind}-{owner.name}.safetensors"

    def _kept(self, kind: Kind, owner: VirtualSite) -> bytes:
        path = self._path(kind, owner)
        return path.read_bytes() if path.exists() else b""

    def _keep(self, kind: Kind, owner: VirtualSite, weights: bytes) -> bytes:
        path = self._path(kind, owner)
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, weights)
        return weights


def _of(kind: Kind, cells: Sequence[Cell]) -> list[Cell]:
    return [cell for cell in cells if cell.kind == kind]


def _muscles(cells: Sequence[Cell]) -> list[tuple[str, float]]:
    """Muscle -> mean over the cells of its mean over subjects."""
    found: dict[str, list[float]] = {}
    for score in (score for cell in cells for score in cell.scores if score.subjects):
        found.setdefault(score.muscle, []).append(score.dice_sum / score.subjects)
    return [(name, math.fsum(values) / len(values)) for name, values in found.items()]


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
