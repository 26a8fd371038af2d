"""Runs in a peer's own environment: its verb on every file of a folder, timed from the WARM_UP-th file on.

`python peer_loop.py SCRIPTS MODULE SOURCE OUT`: MODULE of the folder SCRIPTS has `treat(source, folder)`. Prints one line of JSON.
"""

import contextlib
import importlib
import io
import json
import sys
import time
from pathlib import Path

WARM_UP = 10
"""Files before the clock starts: what a tool loads on its first files counts to its start-up."""


def main(scripts: str, module: str, source: str, out: str) -> None:
    """Files and seconds of the loop; a file that fails ends it."""
    sys.path.insert(0, scripts)
    treat = importlib.import_module(module).treat
    paths = sorted(path for path in Path(source).rglob("*") if path.is_file())
    begin = 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        for number, path in enumerate(paths):
            if number == WARM_UP:
                begin = time.perf_counter()
            folder = Path(out, path.parent.name)
            folder.mkdir(parents=True, exist_ok=True)
            treat(path, folder)
        seconds = time.perf_counter() - begin
    print(json.dumps({"files": len(paths) - WARM_UP, "seconds": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
