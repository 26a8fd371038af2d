"""What of a model stays at this site: its own values are put back before a round and kept after it (FedBN, Li 2021).

One file a round in the study's folder, written whole or not at all. A round asked again begins from the file of the round
before it, so it gives the same answer, however often the node was killed between.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.federation import Instruction
from myofed_schemas.files import write_atomically

KEPT_ROUNDS = 2
"""The last round's, and the one before it, from which the last round is done again."""

Arrays = dict[str, npt.NDArray[np.generic]]


class LocalTensors:
    """The local tensors of one run at this site.

    Args:
        study_folder: The study's folder at this site; it exists.
        run_id: The run; another run begins from its own incoming weights.
        names: The manifest's `local_tensors`; none of them is ever taken from a message once the site has its own.
    """

    def __init__(self, study_folder: Path, run_id: str, names: Sequence[str]) -> None:
        self._folder = study_folder / "local-tensors" / run_id
        self._names = tuple(names)

    @overload
    def restored(self, packed: bytes, instruction: Instruction) -> bytes: ...

    @overload
    def restored(self, packed: bytes | memoryview, instruction: Instruction) -> bytes | memoryview: ...

    def restored(self, packed: bytes | memoryview, instruction: Instruction) -> bytes | memoryview:
        """The incoming weights with the site's own tensors of the latest earlier round; unchanged where it has none.

        For an evaluation, which follows the last round, that round's count as well.

        Args:
            packed: Safetensors bytes of the coordinator, with the digest that the message names.
            instruction: What is asked for.

        Raises:
            MyofedError: WEIGHTS_FORMAT, WEIGHTS_KEYS, or LOCAL_TENSORS_DAMAGED where the site's own file is not whole.
        """
        before = instruction.round + 1 if instruction.kind == "evaluate" else instruction.round
        earlier = [number for number in self._rounds() if number < before]
        if not self._names or not earlier:
            return packed
        own = self._own(self._path(max(earlier)))
        weights = _parsed(bytes(packed))
        if not own.keys() <= weights.keys():
            raise _refused("WEIGHTS_KEYS", "weights with the manifest's local tensors", "others")
        return save({**weights, **own})

    def keep(self, trained: bytes | memoryview, instruction: Instruction) -> None:
        """The trained local tensors lie on disk under this round; rounds that nobody can ask for again are gone.

        Args:
            trained: Safetensors bytes of the worker.
            instruction: The round they were trained in.

        Raises:
            MyofedError: WEIGHTS_FORMAT, WEIGHTS_KEYS.
        """
        if not self._names:
            return
        weights = _parsed(bytes(trained))
        if not set(self._names) <= weights.keys():
            raise _refused("WEIGHTS_KEYS", "weights with the manifest's local tensors", "others")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self._path(instruction.round), save({name: weights[name] for name in self._names}))
        needed = [number for number in self._rounds() if number <= instruction.round][-KEPT_ROUNDS:]
        for number in set(self._rounds()) - set(needed):  # later ones: the run began again under a new approval
            self._path(number).unlink(missing_ok=True)

    def _rounds(self) -> list[int]:
        return sorted(int(path.stem) for path in self._folder.glob("[0-9]*.safetensors"))

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:04d}.safetensors"

    def _own(self, path: Path) -> Arrays:
        try:
            own = load(path.read_bytes())
        except (SafetensorError, KeyError):
            raise _damaged() from None
        if own.keys() != set(self._names):
            raise _damaged()
        return own


def _parsed(packed: bytes) -> Arrays:
    try:
        return load(packed)
    except (SafetensorError, KeyError):
        raise _refused("WEIGHTS_FORMAT", "a safetensors file", "other bytes") from None


def _damaged() -> MyofedError:
    return MyofedError(
        "LOCAL_TENSORS_DAMAGED",
        "expected the site's own tensors of an earlier round, found a damaged file",
        hint="the run cannot go on here as it began; revoke the approval, or ask the coordinator for a new run",
        exit_code=ExitCode.FAILED,
    )


def _refused(code: str, expected: str, found: str) -> MyofedError:
    return MyofedError(code, f"expected {expected}, found {found}", exit_code=ExitCode.BAD_INPUT)
