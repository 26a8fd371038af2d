"""Weights of a running run that travel beside the engine's messages: files named by their SHA-256, in the run's folder.

`transit/out/SHA256` is what the sites fetch, `transit/in/SITE/SHA256` a whole update whose digest was checked, and
`SHA256.part` one that is still coming. The ServerApp writes the first and takes the second; the sites' port does the rest.
Nothing is synced: what a power cut loses is asked for again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from myofed_coordinator.runs.folder import FINAL_STATES, RunFolder
from myofed_schemas.errors import MyofedError
from myofed_schemas.files import BLOCK_BYTES

CHUNK_BYTES = 1 << 20
FOLDER = "transit"


@dataclass(frozen=True)
class WeightsTransit:
    """The files of one run."""

    folder: RunFolder

    @property
    def root(self) -> Path:
        """Everything of this run that is on its way."""
        return self.folder.root / FOLDER

    def offer(self, packed: bytes, sha256: str, *, file: Path | None = None) -> None:
        """Sites of the run may fetch these bytes, and no earlier ones; updates to earlier ones are gone.

        Args:
            packed: Weights that the next message names.
            sha256: Their digest.
            file: Where they lie on this disk, if they do, whole and never to be changed: the offer is another name of it.
        """
        path = self.offered(sha256)
        if path.exists() and digest_of(path) == sha256:
            return  # the same question asked again: what came for it meanwhile may stay
        shutil.rmtree(self.root, ignore_errors=True)
        path.parent.mkdir(mode=0o700, parents=True)
        new = path.with_suffix(".new")
        if file is None or not _linked(new, file):
            new.write_bytes(packed)
        new.rename(path)

    def offered(self, sha256: str) -> Path:
        """Where the weights with this digest lie, if they may be fetched."""
        return self.root / "out" / sha256

    def take(self, site: str, sha256: str) -> Path:
        """A file of the site's whole update, which no request of a site reaches any more.

        Raises:
            MyofedError: WEIGHTS_NOT_UPLOADED, WEIGHTS_DIGEST.
        """
        taken = self.root / "taken" / site
        taken.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self.uploaded(site, sha256).replace(taken)
        except FileNotFoundError:
            raise MyofedError("WEIGHTS_NOT_UPLOADED", "expected the update a reply names, found none") from None
        if digest_of(taken) != sha256:
            taken.unlink()
            raise MyofedError("WEIGHTS_DIGEST", "expected an update with the digest of its reply, found another")
        return taken

    def uploaded(self, site: str, sha256: str) -> Path:
        """Where this site's whole update lies, once it has been checked."""
        return self.root / "in" / site / sha256

    def part(self, site: str, sha256: str) -> Path:
        """Where what has come of it lies until then."""
        return self.root / "in" / site / f"{sha256}.part"

    def arrived(self, site: str, sha256: str) -> int:
        """Bytes of this upload that are here, the whole update's where it is whole."""
        for path in (self.uploaded(site, sha256), self.part(site, sha256)):
            try:
                return path.stat().st_size
            except FileNotFoundError:
                continue
        return 0

    def begin(self, site: str, sha256: str) -> Path:
        """An empty part of this upload; whatever else this site had sent is gone."""
        path = self.part(site, sha256)
        shutil.rmtree(path.parent, ignore_errors=True)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # another try of the same site may begin as well
        path.touch(mode=0o600)
        return path

    def finish(self, site: str, sha256: str) -> None:
        """The upload is visible to the ServerApp: its bytes have the digest.

        Raises:
            MyofedError: WEIGHTS_DIGEST; the part is gone then, and the next try starts anew.
        """
        part = self.part(site, sha256)
        if digest_of(part) != sha256:
            part.unlink()
            raise MyofedError("WEIGHTS_DIGEST", "expected bytes with the digest of the path, found others")
        part.rename(self.uploaded(site, sha256))


def _linked(new: Path, file: Path) -> bool:
    try:
        new.hardlink_to(file)
    except OSError:  # another file system, one without links, or gone
        return False
    return True


def digest_of(path: Path) -> str:
    """SHA-256 of a file that need not fit into memory."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sweep(runs: Path) -> None:
    """Runs that have ended keep nothing on its way; a run's own files are swept by its next question."""
    for root in runs.glob(f"run-*/{FOLDER}"):
        folder = RunFolder(root.parent)
        try:
            ended = folder.status().state in FINAL_STATES
        except MyofedError:
            continue  # a damaged run is the supervisor's to report; the other runs' port opens
        if ended:
            drop(folder)


def drop(folder: RunFolder) -> None:
    """Nothing of any site's update is kept of this run, which has ended."""
    for root in (folder.root / FOLDER, folder.updates):
        shutil.rmtree(root, ignore_errors=True)


def append(path: Path, content: bytes | bytearray, *, at: int) -> None:
    """These bytes stand in the file from this offset on, which is its end."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        view, position = memoryview(content), at
        while view:
            written = os.pwrite(descriptor, view[:BLOCK_BYTES], position)
            view, position = view[written:], position + written
    finally:
        os.close(descriptor)
