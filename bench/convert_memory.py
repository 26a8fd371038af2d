"""`python -m bench.convert_memory IN OUT PROCESSES`: one conversion; says its own peak memory and its workers', in MB."""

from __future__ import annotations

import json
import re
import resource
import sys
from datetime import UTC, datetime
from pathlib import Path

from myofed_node.mids.convert import ConvertOptions, convert


def main(source: str, out: str, processes: str) -> None:
    """Converts, and prints one JSON document; the peak of this program itself (VmHWM) is not that of the one that started it."""
    options = ConvertOptions(processes=int(processes))
    report = convert(Path(source), Path(out), now=datetime.now(UTC), options=options)
    match = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert match, "Linux only"
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
    told = {"parent_mb": int(match[1]) / 1000, "largest_worker_mb": worker, "converted": report.count("converted")}
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
