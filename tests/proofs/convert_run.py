"""`python -m proofs.convert_run SOURCE OUT WAY`: one conversion in a process that may be killed; WAY is `pool` or `alone`.

Says on standard output where it stands: a line with the number of series done, as they are done.
"""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

from myofed_node.mids import convert as conversion

PROCESSES = 2


def main(source: str, out: str, way: str) -> None:
    """`out` is the data set."""
    if way == "pool":
        conversion.IN_PROCESS_FILES = 0
    conversion.convert(
        Path(source),
        Path(out),
        now=dt.datetime.now(dt.UTC),
        options=conversion.ConvertOptions(processes=PROCESSES),
        progress=lambda done, total: print(done, flush=True),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
