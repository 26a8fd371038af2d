"""`python -m bench.deidentify_memory SOURCE OUT`: one de-identification; prints this process's own peak memory in MB."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from pathlib import Path

from myofed_anonymization import SiteKeys, default_policy, deidentify


def main(source: str, out: str) -> None:
    """The peak is that of this program (VmHWM), not of the one that started it, and without its workers."""
    deidentify(Path(source), Path(out), keys=SiteKeys.generate(), policy=default_policy(), now=datetime.now(UTC))
    match = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert match, "Linux only"
    print(int(match[1]) / 1000)


if __name__ == "__main__":
    main(*sys.argv[1:])
