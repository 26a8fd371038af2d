"""A closed process can use its own folder and what it holds in memory, and nothing else; shown with real processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from myofed_node import closed_process, landlock

REFUSED = 7
TRIALS = {
    "read a file": "open('/etc/passwd').read()",
    "list a folder": "os.listdir('/')",
    "read another process": "open('/proc/1/cmdline').read()",
    "write beside the folder": "open(OUTSIDE, 'w').write('x')",
    "truncate a file outside": "os.truncate(VICTIM, 0)",
    "remove a file outside": "os.unlink(VICTIM)",
    "rename a file in": "os.rename(VICTIM, FOLDER + '/x')",
    "change a mode": "os.chmod(VICTIM, 0)",
    "change a time": "os.utime(VICTIM, (0, 0))",
    "open a TCP socket": "socket.socket(socket.AF_INET)",
    "open a Unix socket": "socket.socket(socket.AF_UNIX)",
    "make a pair of sockets": "socket.socketpair()",
    "start a program": "os.execv('/bin/true', ['true'])",
    "start a child": "os.posix_spawn('/bin/true', ['true'], {})",
    "signal another process": "os.kill(os.getppid(), 0)",
    "take more memory": "bytearray(1 << 30)",
    "write a large file": "open(FOLDER + '/large', 'wb').write(bytes(2 << 20))",
}


def run(tmp_path: Path, what: str) -> tuple[int, str]:
    """Exit status and standard error of a closed process that tries this."""
    folder, victim = tmp_path / "own", tmp_path / "victim"
    folder.mkdir()
    victim.write_text("whole")
    program = f"""
import os, signal, socket, sys, threading
from pathlib import Path
from myofed_node.closed_process import Bounds, close_off
FOLDER, OUTSIDE, VICTIM = {str(folder)!r}, {str(tmp_path / "outside")!r}, {str(victim)!r}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
close_off(Path(FOLDER), Bounds(more_memory_bytes=256 << 20, cpu_seconds=20, file_bytes=1 << 20))
try:
    {what}
except (OSError, MemoryError):
    os._exit({REFUSED})
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert victim.read_text() == "whole"
    assert not (tmp_path / "outside").exists()
    return done.returncode, done.stderr


@pytest.mark.parametrize("what", TRIALS.values(), ids=TRIALS)
def test_closed_process_is_refused(tmp_path: Path, what: str) -> None:
    """Files, processes, network, programs, memory: each by the kernel, whatever the code in it wants."""
    code, said = run(tmp_path, what)
    assert code in (REFUSED, -31), said  # 31: SIGSYS


def test_closed_process_reads_and_writes_in_its_own_folder(tmp_path: Path) -> None:
    """What it is there for goes on working, threads too."""
    code, said = run(
        tmp_path,
        "t = threading.Thread(target=lambda: open(FOLDER + '/a', 'w').write('x')); t.start(); t.join();"
        " assert open(FOLDER + '/a').read() == 'x'; os.rename(FOLDER + '/a', FOLDER + '/b')",
    )
    assert (code, said) == (0, "")
    assert (tmp_path / "own" / "b").read_text() == "x"


def test_endless_loop_is_ended_by_the_kernel(tmp_path: Path) -> None:
    """Computing time has a bound of its own."""
    program = """
from pathlib import Path
import sys
from myofed_node.closed_process import Bounds, close_off
close_off(Path(sys.argv[1]), Bounds(more_memory_bytes=1 << 28, cpu_seconds=1, file_bytes=1))
while True: pass
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, timeout=60)
    assert done.returncode < 0


def test_host_where_a_process_cannot_be_closed_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without Landlock, or on another processor: nothing runs half closed."""
    bounds = closed_process.Bounds(more_memory_bytes=1, cpu_seconds=1, file_bytes=1)
    monkeypatch.setattr(landlock, "version", lambda: 1)
    with pytest.raises(OSError, match="Landlock"):
        closed_process.close_off(tmp_path, bounds)
    monkeypatch.setattr(closed_process, "machine", lambda: "riscv64")
    with pytest.raises(OSError, match="processor"):
        closed_process.close_off(tmp_path, bounds)
