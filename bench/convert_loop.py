"""One converter over several folders, its start-up left out: `python convert_loop.py TOOL OUT SOURCE...` prints seconds by folder.

Runs in the tool's own environment, so that nothing of ours is imported unless TOOL is `myofed` or `myofed_one_thread`. CPU seconds stand beside wall
seconds, because a machine that others use as well makes the latter longer.
"""

import contextlib
import io
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

Convert = Callable[[Path, Path], object]


def main(tool: str, out: str, *sources: str) -> None:
    """Each folder once, in a new output folder."""
    begin = time.perf_counter()
    convert = {"myofed": myofed, "myofed_one_thread": lambda: myofed(1), "dcm2omids": dcm2omids}[tool]()
    start_up = time.perf_counter() - begin
    told = {}
    for source in sources:
        wall, cpu = time.perf_counter(), time.process_time()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            convert(Path(source), Path(out, Path(source).name))
        told[Path(source).name] = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
    print(json.dumps({"start_up_s": start_up, "folders": told}))


def myofed(threads: int | None = None) -> Convert:
    """Ours, in this one process, with a thread for each core or so many: classified, written, read again and proven."""
    from datetime import UTC, datetime

    import myofed_node.mids.convert as conversion

    conversion.IN_PROCESS_BYTES = conversion.IN_PROCESS_FILES = sys.maxsize
    options = conversion.ConvertOptions(processes=threads)
    return lambda source, out: conversion.convert(source, out, now=datetime.now(UTC), options=options)


def dcm2omids() -> Convert:
    """The reference converter, as its command calls it with -a anon -r; its side files go with the images."""
    from ormir_mids.dcm2omids import convert_dicom_to_ormirmids

    return lambda source, out: convert_dicom_to_ormirmids(str(source), str(out), anonymize="anon", recursive=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main(*sys.argv[1:])
