"""The files of one task that executor and worker hand to each other, where its weights came in a file: by reference."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from myofed_node.learning.handover import Packed, mapped
from myofed_schemas.errors import MyofedError

SUFFIX = ".trained"


@dataclass(frozen=True)
class HandedOver:
    """Files of `run/weights/`; none of both where the weights pass the socket.

    Attributes:
        weights: The incoming ones, whose digest was checked.
        trained: What the worker makes.
    """

    weights: Path | None = None
    trained: Path | None = None

    def names(self) -> tuple[str | None, str | None]:
        """As a request says them."""
        return (str(self.weights) if self.weights else None, str(self.trained) if self.trained else None)

    def result(self, sent: bytes) -> Packed:
        """The trained weights, from wherever the worker put them.

        Raises:
            MyofedError: WEIGHTS_FILE; REPLY_INVALID where it sent them as well.
        """
        if self.trained is None:
            return sent
        if sent:
            raise MyofedError("REPLY_INVALID", "expected trained weights in their file, found them in the reply")
        return mapped(self.trained)


@contextmanager
def handed_over(folder: Path, weights: Path | None, *, trains: bool) -> Iterator[HandedOver]:
    """The files of this task; where it fails, nothing trained is left.

    Args:
        folder: `run/weights`.
        weights: Where the incoming weights lie exactly as the worker is to see them; None: not in a file.
        trains: The task makes new ones.
    """
    if weights is None:
        yield HandedOver()
        return
    trained = folder / f"{secrets.token_hex(8)}{SUFFIX}" if trains else None
    try:
        yield HandedOver(weights.absolute(), trained.absolute() if trained else None)
    except BaseException:
        if trained is not None:
            trained.unlink(missing_ok=True)
        raise


def sweep_trained(folder: Path) -> None:
    """Nothing is left of tasks whose executor was killed."""
    for path in folder.glob(f"*{SUFFIX}"):
        path.unlink(missing_ok=True)
