"""Whether weights that come in can have come about by honest rounds from those this site saw last.

A coordinator that fishes for single patients changes nothing but parameters (Wen 2022, "Fishing for User Data"; Boenisch
2023, "When the Curious Abandon Honesty"). What a run's weights can become from one round to the next is bounded by its
manifest (`myofed_schemas.step_bound`); what is outside is refused before anything is computed with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.federation import Instruction
from myofed_schemas.files import write_atomically
from myofed_schemas.step_bound import SLACK, Reach, judged_tensors, reach_of_rounds, rounding
from myofed_schemas.study import StudyManifest, TensorSpec
from myofed_schemas.weights_transfer import largest_weights

Arrays = Mapping[str, NDArray[Any]]
FEWEST_CHANGED = 0.5
"""Share of the tensors that change in a round: all of them in honest runs."""
SMALL_ROW = 4
SCALED_BY = 0.01
STRAIGHT = 1e-4
"""A row is its old self times a factor where the rest is below this share of it."""


@dataclass(frozen=True)
class Seen:
    """Weights that this site was sent: those at the start of round `position` (initial ones: 1)."""

    position: int
    packed: bytes


class SeenWeights:
    """The last weights of each run, one file a run; replaced whole or not at all."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def last(self, run_id: str) -> Seen | None:
        """Those sent last in this run."""
        files = self._files(run_id)
        return Seen(int(files[-1].stem.rsplit("-", 1)[1]), files[-1].read_bytes()) if files else None

    def keep(self, run_id: str, seen: Seen) -> None:
        """They are the last ones now."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._root / f"{run_id}-{seen.position:04d}.safetensors"
        write_atomically(path, seen.packed)
        for other in self._files(run_id):
            if other != path:
                other.unlink()

    def _files(self, run_id: str) -> list[Path]:
        return sorted(self._root.glob(f"{run_id}-????.safetensors"))


def admit(asked: Instruction, packed: bytes, *, manifest: StudyManifest, seen: SeenWeights, initial: Path) -> None:
    """These weights are plausible, and they are the ones this run is judged by from now on.

    Args:
        asked: Checked against approval and round log.
        packed: The weights, of the digest that it names.
        manifest: The approved one.
        seen: What came before.
        initial: File of the study's initial weights at this site.

    Raises:
        MyofedError: INITIAL_WEIGHTS where the run does not start from the manifest's, WEIGHTS_MISSING where a run began
            without this site and the initial weights are not here, WEIGHTS_IMPLAUSIBLE, or WEIGHTS_SIZE, WEIGHTS_FORMAT,
            WEIGHTS_KEYS, WEIGHTS_SHAPE, WEIGHTS_DTYPE, WEIGHTS_NOT_FINITE.
    """
    position = asked.round + (asked.kind == "evaluate")
    if position == 1:
        if asked.weights_sha256 != manifest.initial_weights_sha256:
            raise _refusal("INITIAL_WEIGHTS", "the manifest's initial weights in the first round", "others")
    else:
        before = seen.last(asked.run_id) or _initial(initial, manifest)
        _check_follows(before, Seen(position, packed), manifest)
    seen.keep(asked.run_id, Seen(position, packed))


def check_change(before: Arrays, after: Arrays, *, reach: Reach, manifest: StudyManifest) -> None:
    """Each tensor moved by what the rounds between can have moved it.

    Args:
        before: Weights seen last.
        after: Weights that came now; the same names and shapes.
        reach: Of the rounds between, see `step_bound`.
        manifest: Its encoding, local tensors and integers.

    Raises:
        MyofedError: WEIGHTS_IMPLAUSIBLE, naming a tensor and no number of it.
    """
    judged = judged_tensors(manifest)
    changed = sum(bool((before[name] != after[name]).any()) for name in judged)
    if reach.travel > 0 and changed < FEWEST_CHANGED * len(judged):
        raise _implausible(f"a round that changes most of {len(judged)} tensors", f"{changed} changed")
    for name in judged:
        old, new = before[name].astype(np.float64), after[name].astype(np.float64)
        allowed = np.minimum(reach.decay * np.abs(old) + reach.travel, reach.cap)
        _check_distance(name, new - old, allowed=SLACK * allowed + rounding(manifest) * (np.abs(new) + reach.travel))
        _check_rows(name, old, new, shrinks=SLACK * reach.decay)


def _check_distance(name: str, change: NDArray[np.float64], *, allowed: NDArray[np.float64]) -> None:
    if not bool((np.abs(change) <= allowed).all()):
        raise _implausible(f"steps of the study's learning rate in {name}", "a longer way")


def _check_rows(name: str, old: NDArray[np.float64], new: NDArray[np.float64], *, shrinks: float) -> None:
    """No filter was silenced, made uniform, or turned up or down as a whole."""
    if old.ndim < 2 or old[0].size < SMALL_ROW:
        return
    rows, was = new.reshape(len(new), -1), old.reshape(len(old), -1)
    varied = np.ptp(was, axis=1) > 0
    flat = varied & (np.ptp(rows, axis=1) == 0)
    factor = (rows * was).sum(axis=1) / np.maximum((was * was).sum(axis=1), np.finfo(np.float64).tiny)
    rest = np.linalg.norm(rows - factor[:, None] * was, axis=1)
    length = np.linalg.norm(rows, axis=1)
    scaled = varied & (length > 0) & (rest <= STRAIGHT * length) & (np.abs(factor - 1) > SCALED_BY + shrinks)
    if bool((flat | scaled).any()):
        raise _implausible(f"filters of {name} that were trained", "one that was silenced or scaled as a whole")


def _check_follows(before: Seen, after: Seen, manifest: StudyManifest) -> None:
    if after.position <= before.position:
        if (after.position, after.packed) != (before.position, before.packed):
            raise _implausible("the same weights again, or those of a later round", "others of an earlier one")
        return
    now = _arrays(after.packed, manifest.state_dict)
    reach = reach_of_rounds(manifest, first=before.position, last=after.position - 1)
    check_change(_arrays(before.packed, manifest.state_dict), now, reach=reach, manifest=manifest)


def _initial(path: Path, manifest: StudyManifest) -> Seen:
    """The study's initial weights, for a site whose first round is not the run's."""
    if not path.exists():
        raise _refusal("WEIGHTS_MISSING", "the study's initial weights here, to judge later ones by", "none")
    packed = path.read_bytes()
    if hashlib.sha256(packed).hexdigest() != manifest.initial_weights_sha256:
        raise _refusal("INITIAL_WEIGHTS", "the manifest's initial weights in the site's models", "a changed file")
    return Seen(1, packed)


def _arrays(packed: bytes, spec: tuple[TensorSpec, ...]) -> Arrays:
    """The tensors of the manifest, and finite; the worker checks them once more before it loads them."""
    if len(packed) > largest_weights(spec):
        raise _refusal("WEIGHTS_SIZE", "weights of the manifest's size", "larger ones")
    try:
        arrays = load(packed)
    except (SafetensorError, KeyError, TypeError, ValueError):
        raise _refusal("WEIGHTS_FORMAT", "a safetensors file", "other bytes") from None
    if arrays.keys() != {tensor.name for tensor in spec}:
        raise _refusal("WEIGHTS_KEYS", "the manifest's tensors", "others")
    for tensor in spec:
        array = arrays[tensor.name]
        if array.shape != tensor.shape:
            raise _refusal("WEIGHTS_SHAPE", f"the manifest's shape of {tensor.name}", "another")
        if array.dtype != tensor.dtype:
            raise _refusal("WEIGHTS_DTYPE", f"{tensor.dtype} in {tensor.name}", "another type")
        if not bool(np.isfinite(array).all()):
            raise _refusal("WEIGHTS_NOT_FINITE", f"finite numbers in {tensor.name}", "others")
    return arrays


def _implausible(expected: str, found: str) -> MyofedError:
    return _refusal("WEIGHTS_IMPLAUSIBLE", expected, found)


def _refusal(code: str, expected: str, found: str) -> MyofedError:
    return MyofedError(
        code,
        f"expected {expected}, found {found}",
        hint="docs/guard.md says what is compared; ask the coordinator, and revoke the study where it cannot explain it",
        exit_code=ExitCode.NOT_APPROVED,
    )
