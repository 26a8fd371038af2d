"""The updates of the round in progress: each checked whole before it counts, then on disk until its turn."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from myofed_coordinator.federation.strategies.base import Update
from myofed_coordinator.federation.unjudged import check_unjudged
from myofed_coordinator.federation.weights import (
    ReadTensor,
    TensorFile,
    Tensors,
    content_digest,
    distance,
    is_as_packed,
    unpack,
)
from myofed_coordinator.runs.folder import RunFolder
from myofed_schemas.errors import MyofedError
from myofed_schemas.files import write_atomically
from myofed_schemas.step_bound import highest_rate, judged_tensors, reach_of_update, rounding
from myofed_schemas.study import StudyManifest
from myofed_schemas.weights_moved import moved


class RoundUpdates:
    """Takes updates in and gives them to the strategy.

    Args:
        folder: The run.
        manifest: What an update must fit.
        outgoing: The weights that went out in this round.
        seen: Site -> digests of what it sent in earlier rounds.
        round_number: 1..manifest.rounds.
        untrained: `content_digest` of the outgoing weights, where it is known.

    Attributes:
        digests: Site -> digest of what it sent in this round, accepted or not.
    """

    def __init__(
        self,
        folder: RunFolder,
        manifest: StudyManifest,
        outgoing: ReadTensor,
        seen: Mapping[str, frozenset[str]],
        *,
        round_number: int,
        untrained: str | None = None,
    ) -> None:
        self._folder = folder
        self._manifest = manifest
        self._outgoing = outgoing
        self._seen = seen
        self._known = untrained
        self._round = round_number
        self._reach = reach_of_update(manifest, round_number=round_number)
        self._learns = highest_rate(manifest, round_number=round_number) > 0
        self.digests: dict[str, str] = {}
        self.clear()

    def accept(
        self, site: str, packed: bytes | memoryview, *, file: Path | None = None, sha256: str | None = None
    ) -> None:
        """The update is good whole, and on disk. Not synced: a run that goes on after a power cut asks again.

        Args:
            site: Who sent it.
            packed: The update.
            file: Where the same bytes lie on this disk, if they do; it is this object's then.
            sha256: Of the update, where it is known.

        Raises:
            MyofedError: A WEIGHTS_* code, UPDATE_REPLAYED, UPDATE_IMPLAUSIBLE or UPDATE_NORM; nothing of it is kept then.
        """
        tensors = unpack(packed, self._manifest.state_dict)
        known = sha256 if is_as_packed(packed, self._manifest.state_dict) else None
        digest = known or content_digest(tensors.__getitem__, self._manifest.state_dict)
        self.digests[site] = digest
        self._check_new(digest, self._seen.get(site, frozenset()))
        self._check_reachable(tensors)
        limit = self._manifest.max_update_norm
        if limit is not None:
            shared = [t for t in self._manifest.state_dict if t.name not in (self._manifest.local_tensors or ())]
            norm = distance(tensors.__getitem__, self._outgoing, shared)
            _check_norm(norm, limit)
        if file is None:
            write_atomically(self._file(site).path, bytes(packed))
        else:
            file.replace(self._file(site).path)

    def update(self, site: str, *, weight: float) -> Update:
        """The accepted update of this site, read when the strategy asks."""
        return Update(site, weight, self._file(site).read)

    def clear(self) -> None:
        """Nothing of this or an earlier round lies on disk any more."""
        shutil.rmtree(self._folder.updates, ignore_errors=True)
        self._folder.updates.mkdir(mode=0o700)

    def _check_reachable(self, tensors: Tensors) -> None:
        """No weight went farther than the study's local steps can take it.

        One that did would also make the honest sites refuse the next round, which their guards hold to the same bound.
        """
        check_unjudged(tensors, self._outgoing, self._manifest, round_number=self._round)
        for name in judged_tensors(self._manifest):
            way = moved(self._outgoing(name), tensors[name], reach=self._reach, rounding=rounding(self._manifest))
            if not way.within:
                raise MyofedError(
                    "UPDATE_IMPLAUSIBLE", f"expected steps of the study's learning rate in {name}, found a longer way"
                )

    @cached_property
    def _untrained(self) -> str:
        return self._known or content_digest(self._outgoing, self._manifest.state_dict)

    def _file(self, site: str) -> TensorFile:
        return TensorFile(self._folder.updates / f"{site}.safetensors", self._manifest.state_dict)

    def _check_new(self, digest: str, seen: frozenset[str]) -> None:
        if not self._learns:  # a cosine that ends at 0 with one step a round: nothing new can come
            return
        if digest in seen:
            raise MyofedError("UPDATE_REPLAYED", "expected a new update, found one that this site sent before")
        if digest == self._untrained:  # a manifest always asks for at least one local step
            raise MyofedError("UPDATE_REPLAYED", "expected trained weights, found those that went out")


def _check_norm(norm: float, limit: float) -> None:
    if not norm <= limit:
        raise MyofedError("UPDATE_NORM", f"expected an update of L2 norm at most {limit:g}, found {norm:.6g}")
