"""`python -m proofs.batch_run SOURCE OUT`: one de-identification with a fixed key and time, in a process that may be killed.

Says on standard output where it stands: a line with the number of files done, as they are done.
"""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

from myofed_anonymization import SiteKeys, default_policy, deidentify
from myofed_anonymization.deidentify import Options

PROCESSES = 2


def main(source: str, out: str) -> None:
    """`out` holds the outcome."""
    deidentify(
        Path(source),
        Path(out),
        keys=SiteKeys(bytes(range(32))),
        policy=default_policy(),
        now=dt.datetime.now(dt.UTC),
        options=Options(processes=PROCESSES),
        progress=lambda done, total: print(done, flush=True),
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
