"""Results of single cohorts on disk, so that a proof of many goes on after it was killed; for one state of the code."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
import scipy
from pydantic import TypeAdapter

from myofed_node import count_cube, disclosure
from myofed_schemas import cube, cube_vocabulary
from myofed_schemas.canonical import canonical_json
from proofs.disclosure_try import SITE, Tried

TRIED = TypeAdapter(Tried)


class Kept:
    """One file for this state of the code; one line a cohort, with the sitting in which it was tried."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read or written yet."""
        self._folder = folder
        self._sitting = secrets.token_hex(4)
        self._seen: set[str] = set()

    @cached_property
    def digest(self) -> str:
        """Of everything that a result depends on, beside the seed."""
        here = Path(__file__).parent
        files = [
            *Path(disclosure.__file__).parent.glob("*.py"),
            *(Path(each.__file__) for each in (count_cube, cube, cube_vocabulary)),
            *(
                each
                for each in here.glob("disclosure*.py")
                if each.stem not in {"disclosure_answers", "disclosure_kept"}
            ),
        ]
        hashed = sha256(f"{np.__version__} {scipy.__version__}".encode() + canonical_json(SITE.policy.cube()))
        for path in sorted(files, key=lambda each: each.name):
            hashed.update(path.name.encode() + b"\0" + sha256(path.read_bytes()).digest())
        return hashed.hexdigest()[:16]

    @property
    def path(self) -> Path:
        """Of the file."""
        return self._folder / f"{self.digest}.jsonl"

    @property
    def sittings(self) -> int:
        """In how many the results that were read or added were tried."""
        return len(self._seen)

    def read(self) -> Iterator[Tried]:
        """What was kept; a last line that was not written to its end is taken away."""
        if not self.path.exists():
            return
        text = self.path.read_bytes()
        if whole := text.rfind(b"\n") + 1:
            for line in text[:whole].splitlines():
                document = json.loads(line)
                self._seen.add(document["sitting"])
                yield TRIED.validate_python(document["tried"])
        if whole < len(text):
            with self.path.open("rb+") as file:
                file.truncate(whole)

    def add(self, tried: Tried) -> None:
        """The result is on disk."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._seen.add(self._sitting)
        line = {"sitting": self._sitting, "tried": TRIED.dump_python(tried, mode="json")}
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
