"""The tools that are judged: ours, and each peer in an environment of its own."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from myofed_anonymization import SiteKeys, default_policy, deidentify

SCRIPTS = Path(__file__).parent / "peer_scripts"


@dataclass(frozen=True, slots=True)
class Peer:
    """Another tool: its package, the version that is measured, and the script that runs it."""

    package: str
    version: str
    script: str

    def title(self) -> str:
        """Name and version, for the table."""
        return f"{self.package} {self.version}"


PEERS = (
    Peer("dicom-anonymizer", "2.1.0", "dicom_anonymizer_run.py"),
    Peer("deid", "0.4.13", "deid_run.py"),
    Peer("dicognito", "0.19.0", "dicognito_run.py"),
)


def peers_folder() -> Path:
    """Where the peers' environments are kept between runs: MYOFED_PEERS, or the user's cache."""
    return Path(os.environ.get("MYOFED_PEERS", Path.home() / ".cache" / "myofed" / "peers"))


def run_ours(source: Path, out: Path) -> None:
    """`out` holds what our tool makes of `source` with a new key and the default policy."""
    deidentify(source, out, keys=SiteKeys.generate(), policy=default_policy(), now=dt.datetime.now(dt.UTC))


def run_peer(peer: Peer, source: Path, out: Path) -> dict[str, int]:
    """`out` holds what the peer makes of `source`; how many files it failed on, by exception."""
    out.mkdir(parents=True)
    command = [str(python_of(peer)), str(SCRIPTS / peer.script), str(source), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    failed: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return failed


def python_of(peer: Peer) -> Path:
    """The interpreter of the peer's environment, which is made when it is not there."""
    folder = peers_folder() / f"{peer.package}-{peer.version}"
    python = folder / "bin" / "python"
    if not (folder / ".complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [
            str(python),
            "-m",
            "pip",
            "--disable-pip-version-check",
            "install",
            "-q",
            f"{peer.package}=={peer.version}",
        ]
        subprocess.run(pip, check=True)
        (folder / ".complete").touch()
    return python
