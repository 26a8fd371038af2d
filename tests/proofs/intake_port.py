"""The process of a site's DICOM port, killed and started again, and what lies in its folder afterwards."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydicom import dcmread

from myofed_node.config import DEMO_POLICY, SiteConfig, write_config
from myofed_node.intake.received import Received
from myofed_node.intake.settings import IntakeSettings, Peer
from myofed_node.site_folder import SiteFolder
from myofed_schemas.service_loop import free_port, is_listening

OPENS_S = 30.0


PROCESSES = 2


class Port:
    """Two processes that listen on this machine, for a peer MR1 that calls from here."""

    def __init__(self, root: Path) -> None:
        """The processes run.

        Args:
            root: New folder of a site.
        """
        self.folder, self.number = SiteFolder(root), free_port()
        root.mkdir(mode=0o700)
        peer = Peer(ae_title="MR1", networks=("127.0.0.1",))
        intake = IntakeSettings(port=self.number, peers=(peer,), reserve_gb=0)
        write_config(self.folder.config, SiteConfig(site="alpha", policy=DEMO_POLICY, intake=intake))
        self.processes = [self._start(number) for number in range(1, PROCESSES + 1)]
        self._wait()

    def kill(self, numbers: Sequence[int] = range(1, PROCESSES + 1)) -> float:
        """SIGKILL for these, then they are started again, as `up` does; returns the seconds until one listened."""
        for number in numbers:
            self.processes[number - 1].send_signal(signal.SIGKILL)
            self.processes[number - 1].wait(10)
        began = time.monotonic()
        for number in numbers:
            self.processes[number - 1] = self._start(number)
        self._wait()
        return time.monotonic() - began

    def received(self) -> Counter[str]:
        """SOP Instance UID -> how many whole files of it lie there."""
        files = [path for study in Received(self.folder.received).studies() for path in study.rglob("*.dcm")]
        return Counter(str(dcmread(path).SOPInstanceUID) for path in files)

    def half(self) -> int:
        """Files that have no name yet."""
        return sum(path.is_file() for path in (self.folder.received / ".arriving").rglob("*"))

    def end(self) -> list[int]:
        """SIGTERM; the exit status of each."""
        for process in self.processes:
            process.terminate()
        return [process.wait(20) for process in self.processes]

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "myofed_node.intake.dicom_port", str(self.folder.root), str(number)]
        with (self.folder.root / "port.log").open("ab") as log:
            return subprocess.Popen(command, stderr=log)

    def _wait(self) -> None:
        end = time.monotonic() + OPENS_S
        while not is_listening("127.0.0.1", self.number):
            assert time.monotonic() < end, "the port does not open"
            time.sleep(0.05)


@contextmanager
def port_of(root: Path) -> Iterator[Port]:
    """An open port; it ends cleanly.

    Args:
        root: New folder.
    """
    port = Port(root)
    try:
        yield port
    finally:
        assert port.end() == [0] * PROCESSES, "the port does not end cleanly"
