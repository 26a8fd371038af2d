"""The study of a simulation: the file that `study create` takes, for as many virtual sites as are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from myofed_coordinator.studies.draft import complete
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.study import StudyManifest


def read_study(path: Path, *, weights: bytes) -> StudyManifest:
    """The manifest as the coordinator would complete it, version 1 where the file names none.

    Raises:
        MyofedError: SIMULATION_FILE, STUDY_INVALID, WEIGHTS_*.
    """
    return complete(read(path, what="the study's file"), initial_weights=weights, version=1)


def read(path: Path, *, what: str) -> bytes:
    """All bytes of a file that the user named.

    Raises:
        MyofedError: SIMULATION_FILE.
    """
    try:
        return path.read_bytes()
    except OSError:
        raise MyofedError(
            "SIMULATION_FILE",
            f"expected {what}, found no readable file",
            hint="docs/simulation.md has an example",
            exit_code=ExitCode.USAGE,
        ) from None


def site_names(study: StudyManifest, count: int) -> tuple[str, ...]:
    """So many names: the study's own first, in its order, then made-up ones."""
    named = study.sites[:count]
    return (*named, *(f"virtual-{number:04d}" for number in range(len(named) + 1, count + 1)))


def for_sites(study: StudyManifest, names: Sequence[str]) -> StudyManifest:
    """The same study for these sites; the same manifest, with the same digest, where they are the study's own.

    Raises:
        MyofedError: SIMULATION_SITES where the manifest does not hold for them (quorum, sample, mixed labels).
    """
    try:
        return StudyManifest.model_validate({**study.model_dump(), "sites": tuple(names)})
    except ValidationError as error:
        faults = "; ".join(fault["msg"] for fault in error.errors()[:5])
        raise MyofedError(
            "SIMULATION_SITES",
            f"expected a study that holds for {len(names)} virtual sites, found: {faults}",
            hint="simulate more sites, or lower what the study asks of them",
            exit_code=ExitCode.BAD_INPUT,
        ) from None
