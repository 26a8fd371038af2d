"""What a run leaves behind for whoever wants to look at it, use it or do it again."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from myofed_coordinator.runs.folder import RunFolder
from myofed_schemas.canonical import canonical_json
from myofed_schemas.files import write_atomically
from myofed_simulation.folder import OutFolder
from myofed_simulation.memory import peak_rss_mb
from myofed_simulation.plan import RunRecord

PACKAGES = ("myofed", "flwr", "ray", "torch", "monai", "numpy", "safetensors", "scipy", "nibabel")


def export(out: OutFolder, record: RunRecord, run: RunFolder) -> RunRecord:
    """`rounds.jsonl`, the kept model and `run.json` say what there is by now."""
    status = run.status()
    lines = [report.model_dump_json().encode() + b"\n" for report in status.rounds]
    write_atomically(out.rounds, b"".join(lines))
    if status.kept_round:
        write_atomically(out.model, run.weights(status.kept_round).read_bytes())
    ended = record.model_copy(
        update={
            "rounds_sha256": tuple(report.weights_sha256 for report in status.rounds),
            "state": "running" if status.state == "submitted" else status.state,
            "code": status.code,
            "kept_round": status.kept_round,
            "model_sha256": status.model_sha256,
            "seconds": round(sum(report.seconds for report in status.rounds), 3),
            "peak_rss_mb": peak_rss_mb(),
        }
    )
    write_atomically(out.record, canonical_json(ended))
    return ended


def versions() -> dict[str, str]:
    """Package -> version, of those that are installed and decide the arithmetic; with Python's and the platform."""
    found = {"python": platform.python_version(), "platform": f"{sys.platform}-{platform.machine()}"}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # ray is not needed by the pool
    return found
