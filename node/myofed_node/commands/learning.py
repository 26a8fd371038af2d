"""Commands that train and measure on this site's own subjects; torch is imported only inside them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import Field

from myofed_node.commands import model_files, recalibration
from myofed_node.commands.console import JsonOption, SiteOption, reporting
from myofed_schemas.federation import MuscleScore, TaskMetrics, mean_dice
from myofed_schemas.ids import Sha256, StudyId
from myofed_schemas.wire import WireModel

if TYPE_CHECKING:
    from myofed_node.site_setup import Site

StudyOption = Annotated[str, typer.Option("--study", metavar="STUDY", help="An approved study's id.")]


class TrainedModel(WireModel):
    """What `train-local --json` prints."""

    study_id: StudyId
    model: str
    sha256: Sha256
    metrics: TaskMetrics


class ModelScores(WireModel):
    """One model on this site's test subjects: sums over subjects, no value of one subject."""

    sha256: Sha256
    scores: tuple[MuscleScore, ...]
    mean_dice: float | None


class Evaluation(WireModel):
    """What `evaluate --json` prints, models in the order they were named."""

    study_id: StudyId
    split_sha256: Sha256
    test_subjects: int = Field(ge=0)
    models: tuple[ModelScores, ...]


class InitialModel(WireModel):
    """What `model init --json` prints."""

    model: str
    sha256: Sha256
    tensors: int
    parameters: int


def register(app: typer.Typer) -> None:
    """The commands have their names in `app`."""
    app.command("train-local", epilog="Example: myofed-node train-local --study thigh-muscles --site /srv/myofed")(
        train_local
    )
    app.command(
        "evaluate", epilog="Example: myofed-node evaluate --study thigh --model m.safetensors --site /srv/myofed"
    )(evaluate)
    model = typer.Typer(help="Models as safetensors.", no_args_is_help=True, rich_markup_mode=None)
    model.command("init", epilog="Example: myofed-node model init --study study.yaml --out initial.safetensors")(
        model_init
    )
    recalibration.register(model)
    model_files.register(model)
    app.add_typer(model, name="model")


def train_local(
    study: StudyOption,
    site: SiteOption,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Default: the site's models.")] = None,
    federated: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Train this federated model on, for this site: a personal model."),
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="With --from: whose local tensors of this site to use.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train a model of this site alone, with as many steps as the whole federated run; nothing leaves.

    With --from a personal model: the federated one trained on here, or itself where this site's validation subjects are no
    better off.
    """
    if run and not federated:
        raise typer.BadParameter("expected --from beside --run, found --run alone")
    with reporting(as_json=as_json) as console:
        from myofed_node.own_model import train_own_model, train_personal_model

        opened = _opened(site)
        trained = (
            train_personal_model(opened, study, model=federated, run_id=run)
            if federated
            else train_own_model(opened, study)
        )
        digest = hashlib.sha256(trained.weights).hexdigest()
        path = _written(out or site / "models" / f"{digest}.safetensors", trained.weights)
        result = TrainedModel(study_id=study, model=str(path), sha256=digest, metrics=trained.metrics)
        console.result(
            result, [f"{study}: {trained.metrics.steps} steps, loss {trained.metrics.loss:.3f}, {path.name}"]
        )


def evaluate(
    study: StudyOption,
    model: Annotated[list[Path], typer.Option("--model", metavar="FILE", help="May be given several times.")],
    site: SiteOption,
    as_json: JsonOption = False,
) -> None:
    """Measure models on this site's test subjects, which no training of this study has seen: Dice as aggregates."""
    with reporting(as_json=as_json) as console:
        from myofed_node.own_model import evaluate_models

        found = evaluate_models(_opened(site), study, models=model)
        models = tuple(
            ModelScores(sha256=sha256, scores=scores, mean_dice=mean_dice(scores)) for sha256, scores in found.scores
        )
        result = Evaluation(
            study_id=study, split_sha256=found.split_sha256, test_subjects=found.test_subjects, models=models
        )
        console.result(result, _dice_lines(models))


def model_init(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Safetensors file to write.")],
    study: Annotated[
        Path | None, typer.Option("--study", metavar="FILE", help="A study's draft: its architecture is taken.")
    ] = None,
    muscles: Annotated[
        str, typer.Option("--muscles", help="Muscle ids, e.g. VL,VI,VM; with the default architecture.")
    ] = "",
    architecture: Annotated[
        str,
        typer.Option(
            "--architecture", metavar="NAME", help="monai-unet-2d, monai-unet-3d, monai-segresnet, monai-dynunet."
        ),
    ] = "monai-unet-2d",
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**64 - 1, help="Decides the weights.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Draw initial weights of an allow-listed architecture; the same seed gives the same bytes."""
    with reporting(as_json=as_json) as console:
        from myofed_node.initial_model import architecture_for, draft_architecture, draw

        network = draft_architecture(study) if study else architecture_for(muscles, name=architecture)
        drawn = draw(network, seed=seed)
        path = _written(out, drawn.weights)
        result = InitialModel(
            model=str(path),
            sha256=hashlib.sha256(drawn.weights).hexdigest(),
            tensors=drawn.tensors,
            parameters=drawn.parameters,
        )
        console.result(result, [f"{path.name}: {result.parameters} parameters, SHA-256 {result.sha256}"])


def _opened(site: Path) -> Site:
    from myofed_node.site_setup import open_site

    return open_site(site)


def _written(path: Path, content: bytes) -> Path:
    from myofed_schemas.files import write_atomically

    write_atomically(path, content)
    return path


def _dice_lines(models: Iterable[ModelScores]) -> list[str]:
    lines = []
    for model in models:
        dice = "no test subject" if model.mean_dice is None else f"mean Dice {model.mean_dice:.3f}"
        lines.append(f"model {model.sha256[:12]}: {dice}")
    return lines
