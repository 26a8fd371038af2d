"""`python -m bench.midi_b --data FOLDER --key ANSWER.db`: the MIDI-B score of our de-identification (docs/midi-b.md)."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import tempfile
from pathlib import Path

from bench.midi_b.report import table
from bench.midi_b.run import RESULT, run
from myofed_anonymization import default_policy, load_policy
from myofed_schemas.errors import MyofedError
from myofed_schemas.files import write_atomically

RESULTS = Path(__file__).parents[1] / "results"


def main(arguments: list[str]) -> int:
    """Exit status 0 when a score was made, whatever it is; otherwise the code of what stopped it."""
    options = _parser().parse_args(arguments)
    try:
        policy = load_policy(options.policy) if options.policy else default_policy()
        now = dt.datetime.now(dt.UTC)
        if options.out:
            found = run(options.data, options.key, options.out, policy=policy, now=now)
        else:
            with tempfile.TemporaryDirectory() as folder:
                found = run(options.data, options.key, Path(folder) / "out", policy=policy, now=now)
            RESULTS.mkdir(exist_ok=True)
            write_atomically(RESULTS / RESULT, json.dumps(found, indent=1).encode() + b"\n", mode=0o644)
    except MyofedError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    print(json.dumps(found, indent=1) if options.json else table(found))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.midi_b", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the benchmark's DICOM files, any layout")
    parser.add_argument("--key", type=Path, required=True, help="the answer key, an SQLite database")
    parser.add_argument(
        "--out", type=Path, help="where output, mappings and midi_b.json go; else only bench/results/midi_b.json"
    )
    parser.add_argument("--policy", type=Path, help="another de-identification policy (YAML)")
    parser.add_argument("--json", action="store_true", help="print the JSON document instead of the table")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
