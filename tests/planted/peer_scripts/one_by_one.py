"""A tool on every file below a folder: a folder each, so that no two outputs meet; failures are counted."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path


def each(treat: Callable[[Path, Path], None], source: str, out: str) -> None:
    """Prints as JSON, last, how many files failed by exception."""
    failed: Counter[str] = Counter()
    for number, path in enumerate(sorted(p for p in Path(source).rglob("*") if p.is_file())):
        folder = Path(out, f"{number:04d}")
        folder.mkdir(parents=True)
        try:
            treat(path, folder)
        except Exception as error:  # noqa: BLE001  the peer's own faults are what is counted
            failed[type(error).__name__] += 1
    print(json.dumps(failed))
