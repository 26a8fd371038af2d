"""A coordinator and its nodes, each on a machine of its own with a line of its own, and studies by reference for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from myofed_coordinator.config import CoordinatorConfig, load_config
from myofed_coordinator.initialise import initialise
from myofed_coordinator.models.weights import sha256_of, tensor_specs
from myofed_coordinator.services import open_services
from myofed_coordinator.studies.leads import Doer
from myofed_node.federation.approvals import Approvals
from myofed_node.initial_model import NETWORK
from myofed_node.learning.models import initial_weights
from myofed_schemas.study import StudyManifest
from proofs.federation_plant import DRAFT, PROGRAM, SUBJECTS, wall, write_subject
from proofs.links import MIDDLE, Line, Machine, star

PORT, PEOPLE_PORT = 8444, 8443
TIMEOUT_S = 600
ONE_STEP: Mapping[str, Any] = {"local_steps": 1}


@dataclass(frozen=True)
class Plant:
    """A federation, the machine of its coordinator, and the lines to its sites."""

    it: wall.Federation
    middle: Machine
    lines: dict[str, Line]


def up(node: wall.Node) -> None:
    """The node's services were told to start, with the real worker."""
    argv = ["-c", PROGRAM.format(module="myofed_node"), "up", str(node.site.folder.root)]
    node.process = wall.start(argv, node.site.folder.status)


@contextmanager
def plant(root: Path, sites: tuple[str, ...], *, start: Callable[[wall.Node], None] = up) -> Iterator[Plant]:
    """A coordinator and enrolled, ready nodes with a few synthetic patients; nothing of it runs afterwards.

    Args:
        root: Empty folder for everything.
        sites: Their names.
        start: Starts a node's services.

    Raises:
        NoLinksError: This host gives no lines between network namespaces.
    """
    with star(sites, port=PORT) as (middle, lines):
        config = CoordinatorConfig(people=f"{MIDDLE}:{PEOPLE_PORT}", sites=f"{MIDDLE}:{PORT}", demo=True)
        home = initialise(root / "coordinator", config, actor="proof", now=wall.now())
        it = wall.Federation(home, open_services(home, load_config(home)))
        made = Plant(it, middle, lines)
        try:
            middle.inside(it.up)
            for number, name in enumerate(sites):
                _join(made, name, number, start)
            for name, node in it.nodes.items():
                assert node.process is not None
                wall.until(node.process.ready, seconds=180, what=f"{name} ready")
            yield made
        finally:
            for process in (it.process, *(node.process for node in it.nodes.values())):
                if process is not None and process.popen.poll() is None:
                    process.stop()
            it.services.close()


def _join(made: Plant, name: str, number: int, start: Callable[[wall.Node], None]) -> None:
    machine = made.lines[name].far
    node = machine.inside(lambda: made.it.join(name))
    for index in range(SUBJECTS):
        write_subject(node.site.folder.dataset, f"s{index}", seed=100 * number + index)
    machine.inside(lambda: start(node))


def unet(channels: tuple[int, ...]) -> tuple[dict[str, Any], bytes]:
    """The architecture of a U-Net for the synthetic patients, and its first weights."""
    base: dict[str, Any] = DRAFT["architecture"]  # type: ignore[assignment]
    architecture = base | {"channels": list(channels), "strides": [2] * (len(channels) - 1)}
    return architecture, initial_weights(NETWORK.validate_python(architecture), seed=7)


def approved_study(
    made: Plant, study: str, *, weights: bytes, rounds: int, training: Mapping[str, Any] = ONE_STEP, **changes: object
) -> StudyManifest:
    """A study by reference that every site approved, and of which every site is needed in every round.

    Args:
        made: The federation.
        study: Its id.
        weights: The first ones.
        rounds: So many.
        training: What is other than in the tests' study.
        changes: Of other fields.
    """
    manifest = StudyManifest.model_validate(
        DRAFT
        | {
            "study_id": study,
            "version": 1,
            "sites": tuple(made.it.nodes),
            "state_dict": tensor_specs(weights),
            "initial_weights_sha256": sha256_of(weights),
            "training": {**DRAFT["training"], **training},  # type: ignore[dict-item]
            "transport": {"by": "reference"},
            "rounds": rounds,
            "min_sites": len(made.it.nodes),
            "round_timeout_s": TIMEOUT_S,
            "demo": True,
        }
        | changes
    )
    made.it.services.studies.create(manifest, weights, actor=Doer("proof"), now=wall.now())
    for node in made.it.nodes.values():
        _approve(made, node, study)
    return manifest


def _approve(made: Plant, node: wall.Node, study: str) -> None:
    approvals = Approvals(node.site.folder, node.site.config)

    def arrived() -> bool:
        return any(state.newest.manifest.study_id == study for state in approvals.studies())

    def known() -> bool:
        return made.it.services.studies.show(study).decisions[node.name] == "approved"

    wall.until(arrived, seconds=120, what=f"manifest at {node.name}")
    subjects = tuple(f"s{index}" for index in range(SUBJECTS))
    approvals.approve(study, by="proof", now=wall.now(), subjects=subjects)
    wall.until(known, seconds=120, what=f"decision of {node.name}")
