"""Sources of pseudonyms that misbehave, importable by worker processes (PYTHONPATH names this folder)."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass

from myofed_schemas.ids import SubjectLabel


@dataclass(frozen=True)
class Misbehaving:
    """Good for every patient but those named SLOW, DEAD or WRONG."""

    def label(self, *, issuer: str, patient_id: str) -> SubjectLabel:
        if patient_id == "SLOW":
            time.sleep(600)
        if patient_id == "DEAD":
            os.kill(os.getpid(), signal.SIGKILL)
        if patient_id == "WRONG":
            message = "Fantasia is no number"
            raise ValueError(message)
        return "GOODPATIENT00001"

    def check(self) -> str:
        return "0" * 16


@dataclass(frozen=True)
class Unloadable:
    """Cannot be unpickled in the worker."""

    def __reduce__(self) -> tuple[object, tuple[int, ...]]:
        return os._exit, (3,)

    def check(self) -> str:
        return "1" * 16
