"""Initial weights that people send for a study: piece by piece to disk, whole and finite or not at all, and not for ever."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock

from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.models import weights
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import fsync_folder, write_atomically
from myofed_schemas.study_summary import UploadedWeights

KEPT_FOR = timedelta(days=7)
"""An upload that no study used is gone after that."""
CUT_SHORT_AFTER = timedelta(hours=1)
"""An upload under way to which nothing was added for so long was cut short by a kill, and is gone."""
MAX_UPLOADS = 16
"""Files that wait or are under way at a time; the next upload is refused until some are used or old."""
MAX_OF_ACCOUNT = 4
"""Of these of one account, so that one person leaves room for others."""
PARTIAL = ".part"
OWNER = ".owner"
"""Beside an upload: whose it is, as in the names of those under way."""
_ENTRY = Lock()
"""Counting and taking a place are one step."""


@dataclass(frozen=True)
class Uploads:
    """The folder of uploads.

    Attributes:
        folder: Made when it is needed; 0700.
        registry: Folder of the registry's weights, which can start a study too.
        largest_bytes: Of one file.
        audit: Where each upload is entered.
    """

    folder: Path
    registry: Path
    largest_bytes: int
    audit: AuditLog

    async def receive(self, sha256: str, pieces: AsyncIterator[bytes], *, account: str, now: datetime) -> Path:
        """The bytes lie in a file of their own, with exactly this digest; nothing of another one stays.

        Hashing, writing and syncing happen in threads: the loop serves others meanwhile.

        Raises:
            MyofedError: UPLOADS_FULL, BODY_TOO_LARGE, WEIGHTS_DIGEST.
        """
        partial = await asyncio.to_thread(self._enter, sha256, account=account, now=now)
        try:
            await self._write(partial, sha256, pieces)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        return partial

    def settle(self, sha256: str, partial: Path, *, account: str, now: datetime) -> UploadedWeights:
        """The file that came is a whole and finite safetensors file, and waits under its digest.

        Raises:
            MyofedError: WEIGHTS_FORMAT, WEIGHTS_DTYPE, WEIGHTS_NOT_FINITE; nothing stays then.
        """
        try:
            content = partial.read_bytes()
            specs = weights.tensor_specs(content)
        except MyofedError:
            partial.unlink(missing_ok=True)
            raise
        detail: dict[str, str | int] = {"bytes": len(content), "tensors": len(specs)}
        self.audit.append(Deed(account, "WEIGHTS_UPLOADED", sha256, detail), now=now)
        write_atomically(self._owner(sha256), _tag(account).encode())
        partial.replace(self._path(sha256))
        os.utime(self._path(sha256), (now.timestamp(), now.timestamp()))
        fsync_folder(self.folder)
        return UploadedWeights(sha256=sha256, size_bytes=len(content), tensors=len(specs))

    def read(self, sha256: str) -> bytes:
        """Uploaded weights, or those of a model or an earlier study that lie here.

        Raises:
            MyofedError: WEIGHTS_UNKNOWN, MODEL_ALTERED.
        """
        for folder in (self.folder, self.registry):
            if weights.weights_path(folder, sha256).exists():
                return weights.read_weights(folder, sha256)
        raise MyofedError(
            "WEIGHTS_UNKNOWN",
            "expected weights that were uploaded before, found none of this digest",
            hint="PUT /api/v1/weights/SHA256 first",
            exit_code=ExitCode.BAD_INPUT,
        )

    def used(self, sha256: str) -> None:
        """A study has these weights: they lie with the models, and wait here no more."""
        self._path(sha256).unlink(missing_ok=True)
        self._owner(sha256).unlink(missing_ok=True)

    def _enter(self, sha256: str, *, account: str, now: datetime) -> Path:
        """An empty file of this account, which has its place among those that wait."""
        partial = self.folder / f"{_tag(account)}-{secrets.token_hex(8)}{PARTIAL}"
        with _ENTRY:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            self._forget_old(now)
            taken = [owner for digest, owner in self._places() if digest != sha256]
            if len(taken) >= MAX_UPLOADS:
                raise _refused("UPLOADS_FULL", f"expected fewer than {MAX_UPLOADS} uploads that wait, found as many")
            if taken.count(_tag(account)) >= MAX_OF_ACCOUNT:
                raise _refused("UPLOADS_FULL", f"expected fewer than {MAX_OF_ACCOUNT} uploads of yours, found as many")
            os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        return partial

    def _places(self) -> Iterator[tuple[str, str]]:
        """(digest, owner) of every upload that waits, and ("", owner) of every one under way."""
        for path in self.folder.glob("*.safetensors"):
            owner = path.with_suffix(OWNER)
            yield path.stem, owner.read_text(encoding="ascii") if owner.exists() else ""
        for path in self.folder.glob(f"*{PARTIAL}"):
            yield "", path.name.partition("-")[0]

    async def _write(self, path: Path, sha256: str, pieces: AsyncIterator[bytes]) -> None:
        counted, size = hashlib.sha256(), 0
        with path.open("wb") as stream:

            def take(piece: bytes) -> None:
                counted.update(piece)
                stream.write(piece)

            def end() -> None:
                stream.flush()
                os.fsync(stream.fileno())

            async for piece in pieces:
                size += len(piece)
                if size > self.largest_bytes:
                    raise _refused("BODY_TOO_LARGE", f"expected at most {self.largest_bytes} bytes, found more")
                await asyncio.to_thread(take, piece)
            await asyncio.to_thread(end)
        if counted.hexdigest() != sha256:
            raise _refused("WEIGHTS_DIGEST", "expected bytes with the digest of the path, found others")

    def _forget_old(self, now: datetime) -> None:
        """Uploads nobody used, and what was cut short."""
        for path in self.folder.iterdir():
            kept = CUT_SHORT_AFTER if path.suffix == PARTIAL else KEPT_FOR
            with suppress(FileNotFoundError):  # used, or given up, meanwhile
                if path.stat().st_mtime < (now - kept).timestamp():
                    path.unlink()

    def _path(self, sha256: str) -> Path:
        return weights.weights_path(self.folder, sha256)

    def _owner(self, sha256: str) -> Path:
        return self._path(sha256).with_suffix(OWNER)


def _tag(account: str) -> str:
    """The account as it stands in the folder."""
    return hashlib.sha256(account.encode()).hexdigest()[:16]


def _refused(code: str, message: str) -> MyofedError:
    return MyofedError(code, message, hint="docs/client.md, Uploading weights", exit_code=ExitCode.BAD_INPUT)
