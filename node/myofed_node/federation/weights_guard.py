"""Whether weights that come in can have come about by honest rounds from those this site saw last.

A coordinator that fishes for single patients changes nothing but parameters (Wen 2022, "Fishing for User Data"; Boenisch
2023, "When the Curious Abandon Honesty"). What a run's weights can become from one round to the next is bounded by its
manifest (`myofed_schemas.step_bound`); what is outside is refused before anything is computed with it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myofed_node.federation.flower_adapter import Weights
from myofed_node.learning.handover import mapped
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.federation import Instruction
from myofed_schemas.files import fsync_folder, write_atomically
from myofed_schemas.step_bound import SLACK, Reach, judged_tensors, reach_of_rounds, rounding
from myofed_schemas.study import StudyManifest, TensorSpec
from myofed_schemas.weights_layout import layout
from myofed_schemas.weights_moved import PIECE, moved
from myofed_schemas.weights_transfer import largest_weights

Arrays = Mapping[str, NDArray[Any]]
Packed = bytes | memoryview
FEWEST_CHANGED = 0.5
"""Share of the tensors that change in a round: all of them in honest runs."""
SMALL_ROW = 4
SCALED_BY = 0.01
GLANCE = 64
"""Numbers of a row that are looked at first."""
STRAIGHT = 1e-4
"""A row is its old self times a factor where the rest is below this share of it."""


@dataclass(frozen=True)
class Seen:
    """Weights that this site was sent: those at the start of round `position` (initial ones: 1)."""

    position: int
    packed: Packed


class SeenWeights:
    """The last weights of each run, one file a run; replaced whole or not at all."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def last(self, run_id: str) -> Seen | None:
        """Those sent last in this run."""
        files = self._files(run_id)
        return Seen(int(files[-1].stem.rsplit("-", 1)[1]), mapped(files[-1])) if files else None

    def keep(self, run_id: str, position: int, weights: Weights) -> None:
        """They are the last ones now; those that lie in a file already are not written again."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._root / f"{run_id}-{position:04d}.safetensors"
        if weights.file is None or not link_atomically(path, weights.file):
            write_atomically(path, bytes(weights.content))
        for other in self._files(run_id):
            if other != path:
                other.unlink()

    def _files(self, run_id: str) -> list[Path]:
        return sorted(self._root.glob(f"{run_id}-????.safetensors"))


def admit(asked: Instruction, weights: Weights, *, manifest: StudyManifest, seen: SeenWeights, initial: Path) -> None:
    """These weights are plausible, and they are the ones this run is judged by from now on.

    Args:
        asked: Checked against approval and round log.
        weights: Of the digest that it names.
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
        _check_follows(before, Seen(position, weights.content), manifest)
    seen.keep(asked.run_id, position, weights)


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
    found = {name: moved(before[name], after[name], reach=reach, rounding=rounding(manifest)) for name in judged}
    changed = sum(one.changed for one in found.values())
    if reach.travel > 0 and changed < FEWEST_CHANGED * len(judged):
        raise _implausible(f"a round that changes most of {len(judged)} tensors", f"{changed} changed")
    for name in judged:
        if not found[name].within:
            raise _implausible(f"steps of the study's learning rate in {name}", "a longer way")
        _check_rows(name, before[name], after[name], shrinks=SLACK * reach.decay)


def _check_rows(name: str, old: NDArray[np.float32], new: NDArray[np.float32], *, shrinks: float) -> None:
    """No filter was silenced, made uniform, or turned up or down as a whole."""
    if old.ndim < 2 or old[0].size < SMALL_ROW:
        return
    rows, was = new.reshape(len(new), -1), old.reshape(len(old), -1)
    step = max(1, PIECE // rows.shape[1])
    for start in range(0, len(rows), step):
        if _odd_rows(was[start : start + step], rows[start : start + step], shrinks=shrinks):
            raise _implausible(f"filters of {name} that were trained", "one that was silenced or scaled as a whole")


def _odd_rows(old: NDArray[np.float32], new: NDArray[np.float32], *, shrinks: float) -> bool:
    """(rows, numbers) each; some row became uniform, or its old self times a factor."""
    suspects = _suspects(old, new)
    if not suspects.any():
        return False
    old, new = old[suspects], new[suspects]
    varied = (old != old[:, :1]).any(axis=1)
    flat = varied & (new == new[:, :1]).all(axis=1)
    rest, length, factor = _beside_old(old, new)
    scaled = varied & (length > 0) & (rest <= STRAIGHT**2 * length) & (np.abs(factor - 1) > SCALED_BY + shrinks)
    return bool((flat | scaled).any())


def _suspects(old: NDArray[np.float32], new: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Rows of which a few numbers do not rule it out: what is far from every multiple in part is so as a whole."""
    some = slice(None, None, max(1, new.shape[1] // GLANCE))
    rest, _, _ = _beside_old(old[:, some], new[:, some])
    length = np.einsum("ij,ij->i", new, new)
    varies = (new[:, some] != new[:, :1]).any(axis=1)
    suspects: NDArray[np.bool_] = ~(varies & (rest > 2 * STRAIGHT**2 * length))
    return suspects


def _beside_old(
    old: NDArray[np.float32], new: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Of each row: the square of what no multiple of the old one explains, that of the whole, and the multiple."""
    was, rows = old.astype(np.float64), new.astype(np.float64)
    factor = np.einsum("ij,ij->i", rows, was) / np.maximum(np.einsum("ij,ij->i", was, was), np.finfo(np.float64).tiny)
    length = np.einsum("ij,ij->i", rows, rows)
    rows -= was * factor[:, None]
    return np.einsum("ij,ij->i", rows, rows), length, factor


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


def _arrays(packed: Packed, spec: tuple[TensorSpec, ...]) -> Arrays:
    """Views of the manifest's tensors, all finite; the worker checks them once more before it loads them."""
    if len(packed) > largest_weights(spec):
        raise _refusal("WEIGHTS_SIZE", "weights of the manifest's size", "larger ones")
    try:
        places = layout(packed)
    except MyofedError:
        raise _refusal("WEIGHTS_FORMAT", "a safetensors file", "other bytes") from None
    if places.keys() != {tensor.name for tensor in spec}:
        raise _refusal("WEIGHTS_KEYS", "the manifest's tensors", "others")
    for tensor in spec:
        place = places[tensor.name]
        if place.shape != tensor.shape:
            raise _refusal("WEIGHTS_SHAPE", f"the manifest's shape of {tensor.name}", "another")
        if place.dtype != tensor.dtype:
            raise _refusal("WEIGHTS_DTYPE", f"{tensor.dtype} in {tensor.name}", "another type")
    arrays = {
        name: np.frombuffer(packed, np.dtype(place.dtype), place.count, place.offset).reshape(place.shape)
        for name, place in places.items()
    }
    for name, array in arrays.items():
        flat = array.reshape(-1)
        if not all(np.isfinite(flat[at : at + PIECE]).all() for at in range(0, len(flat), PIECE)):
            raise _refusal("WEIGHTS_NOT_FINITE", f"finite numbers in {name}", "others")
    return arrays


def link_atomically(path: Path, file: Path) -> bool:
    """`path` is another name of this file, whose bytes are on disk; False where the file system has no such names."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        new.hardlink_to(file)
    except OSError:  # another file system, or one without links
        return False
    try:
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)  # rename leaves both where they were one file before
    fsync_folder(path.parent)
    return True


def _implausible(expected: str, found: str) -> MyofedError:
    return _refusal("WEIGHTS_IMPLAUSIBLE", expected, found)


def _refusal(code: str, expected: str, found: str) -> MyofedError:
    return MyofedError(
        code,
        f"expected {expected}, found {found}",
        hint="docs/guard.md says what is compared; ask the coordinator, and revoke the study where it cannot explain it",
        exit_code=ExitCode.NOT_APPROVED,
    )
