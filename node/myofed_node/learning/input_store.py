"""Prepared inputs on disk, in the site's own folder: found by what they were made of, so that nothing stale is ever read.

`FOLDER/SUBJECT/ASKED-CONTENT.bin`: magic, SHA-256 of the rest, safetensors. An entry that is damaged is made again, one that a
corrected file replaced goes with the next, and those of a subject who is no longer in the data set go with the next task.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from myofed_node.learning.subjects import Slices
from myofed_schemas.files import write_atomically

TRANSFORMS_VERSION = 1
"""To be raised with every change of `transforms`, `subjects`, `channels` or `labels` that changes a single number."""
MAGIC = b"MYOFEDI1"
MAX_STORED_BYTES = 8 << 30
DIGITS = 32


@dataclass(frozen=True)
class InputKey:
    """What an entry was made of.

    Attributes:
        subject: Label without `sub-`.
        asked: Digest of the study's part: grid, channels, muscles, what the site draws.
        content: Digest of the subject's part: the bytes of its images and label maps.
    """

    subject: str
    asked: str
    content: str

    @property
    def name(self) -> str:
        """File name."""
        return f"{self.asked[:DIGITS]}-{self.content[:DIGITS]}.bin"


@dataclass(frozen=True)
class InputStore:
    """Entries of all subjects of one site.

    Attributes:
        folder: It and the one above are made 0700 when first written.
        max_bytes: The longest unused go first when there would be more.
    """

    folder: Path
    max_bytes: int = MAX_STORED_BYTES

    def get(self, key: InputKey) -> Slices | None:
        """The subject as it was prepared; None where there is no entry, or a damaged one.

        Raises:
            OSError: The disk fails.
        """
        path = self.folder / key.subject / key.name
        try:
            found = decoded(path.read_bytes())
        except FileNotFoundError:
            return None
        if found is not None:
            os.utime(path)
        return found

    def put(self, key: InputKey, slices: Slices) -> None:
        """The entry is there, whole or not at all, and none made of other files of this subject; one too large is not kept.

        Raises:
            OSError: The disk is full; the task is refused, as every other write of the node would be.
        """
        content = encoded(slices)
        if len(content) > self.max_bytes:
            return
        folder = self.folder / key.subject
        for made in (self.folder.parent, self.folder, folder):
            made.mkdir(mode=0o700, exist_ok=True)
        for path in folder.iterdir():
            if not path.name.endswith(f"-{key.content[:DIGITS]}.bin"):
                path.unlink()
        write_atomically(folder / key.name, content)
        self._shrink()

    def forget(self, gone: Callable[[str], bool]) -> None:
        """Nothing is left of subjects for whom `gone` is true."""
        for folder in self.folder.iterdir() if self.folder.exists() else ():
            if gone(folder.name):
                for path in folder.iterdir():
                    path.unlink()
                folder.rmdir()

    def _shrink(self) -> None:
        entries = sorted(
            (s.st_mtime_ns, str(path), s.st_size) for path in self.folder.glob("*/*") for s in [path.stat()]
        )
        total = sum(size for _, _, size in entries)
        for _, path, size in entries[:-1]:
            if total <= self.max_bytes:
                return
            Path(path).unlink()
            total -= size


def encoded(slices: Slices) -> bytes:
    """Magic, digest, safetensors; classes in one byte each, as there are at most 255 targets."""
    body = save({"images": slices.images.contiguous(), "classes": slices.classes.to(torch.uint8).contiguous()})
    return MAGIC + hashlib.sha256(body).digest() + body


def decoded(content: bytes) -> Slices | None:
    """The subject in these bytes; None where one bit of them is another."""
    start = len(MAGIC) + hashlib.sha256().digest_size
    body = content[start:]
    if content[: len(MAGIC)] != MAGIC or content[len(MAGIC) : start] != hashlib.sha256(body).digest():
        return None
    try:
        tensors = load(body)
    except SafetensorError:
        return None
    return Slices(images=tensors["images"], classes=tensors["classes"].long())
