"""One key on two machines: the same pseudonyms, UIDs and dates, byte for byte; another key shares none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from proofs.kills import make_batch
from pydicom import dcmread

TESTS = Path(__file__).parents[1]
MACHINES = (
    {"PYTHONHASHSEED": "1", "TZ": "Pacific/Kiritimati", "LC_ALL": "C", "LANG": "C", "HOSTNAME": "pacs"},
    {"PYTHONHASHSEED": "2", "TZ": "America/Adak", "LC_ALL": "C.UTF-8", "PYTHONUTF8": "0", "HOSTNAME": "scanner"},
)


def tree(source: Path, out: Path, *, machine: dict[str, str], key: str = "") -> dict[str, bytes]:
    """The images that a process of this machine's kind makes, by path."""
    script = (
        "import sys, datetime; from pathlib import Path; import myofed_anonymization as a\n"
        "if __name__ == '__main__':\n"
        "    a.deidentify(Path(sys.argv[1]), Path(sys.argv[2]), keys=a.SiteKeys(sys.argv[3].encode().ljust(32, b'k')),\n"
        "        policy=a.default_policy(), now=datetime.datetime.now(datetime.UTC), options=a.Options(processes=int(sys.argv[4])))\n"
    )
    processes = str(1 + int(machine["PYTHONHASHSEED"]))
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", ""), **machine}
    subprocess.run(
        [sys.executable, "-c", script, str(source), str(out), key, processes],
        env=environment,
        cwd=out.parent,
        check=True,
    )
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("2.25.*/**/*") if path.is_file()}


@pytest.mark.functional
def test_two_machines_with_one_key_make_the_same_files(tmp_path: Path) -> None:
    """Other time zone, locale, hash seed, number of processes, names and order of the inputs: the same bytes."""
    first, second = tmp_path / "first", tmp_path / "second"
    make_batch(first, files_a_patient=8)
    for number, path in enumerate(sorted((path for path in first.rglob("*") if path.is_file()), reverse=True)):
        target = second / f"{number % 3}" / f"{number:04d}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    one = tree(first, tmp_path / "one", machine=MACHINES[0])
    other = tree(second, tmp_path / "other", machine=MACHINES[1])
    assert len(one) > 20
    assert one == other
    stranger = tree(first, tmp_path / "stranger", machine=MACHINES[0], key="another")
    assert not one.keys() & stranger.keys()
    names = [
        {dcmread(folder / path).PatientID for path in files if path.endswith(".dcm")}
        for folder, files in ((tmp_path / "one", one), (tmp_path / "stranger", stranger))
    ]
    assert not names[0] & names[1]
