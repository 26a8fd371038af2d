"""`python -m bench.convert_memory IN OUT PROCESSES`: one conversion; says its own peak memory and its workers', in MB."""

from __future__ import annotations

import json
import resource
import sys
from datetime import UTC, datetime
from pathlib import Path

from myofed_node.mids.convert import ConvertOptions, convert


def main(source: str, out: str, processes: str) -> None:
    """Converts, and prints one JSON document."""
    options = ConvertOptions(processes=int(processes))
    report = convert(Path(source), Path(out), now=datetime.now(UTC), options=options)
    peaks = {who: resource.getrusage(which).ru_maxrss / 1024 for who, which in WHO.items()}
    print(json.dumps({**peaks, "converted": report.count("converted"), "series": len(report.series)}))


WHO = {"parent_mb": resource.RUSAGE_SELF, "largest_worker_mb": resource.RUSAGE_CHILDREN}

if __name__ == "__main__":
    main(*sys.argv[1:])
