"""The process of a site's DICOM port, killed and started again, and what lies in its folder afterwards."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydicom import dcmread

from myofed_node.config import DEMO_POLICY, SiteConfig, write_config
from myofed_node.intake.received import Received
from myofed_node.intake.settings import IntakeSettings, Peer
from myofed_node.site_folder import SiteFolder
from myofed_schemas.service_loop import free_port, is_listening

OPENS_S = 30.0


class Port:
    """It listens on this machine, for a peer MR1 that calls from here."""

    def __init__(self, root: Path) -> None:
        """The process runs.

        Args:
            root: New folder of a site.
        """
        self.folder, self.number = SiteFolder(root), free_port()
        root.mkdir(mode=0o700)
        peer = Peer(ae_title="MR1", networks=("127.0.0.1",))
        intake = IntakeSettings(port=self.number, peers=(peer,), reserve_gb=0)
        write_config(self.folder.config, SiteConfig(site="alpha", policy=DEMO_POLICY, intake=intake))
        self.process = self._start()

    def kill(self) -> float:
        """SIGKILL, then it is started again, as `up` does; returns the seconds until it listened."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        began = time.monotonic()
        self.process = self._start()
        return time.monotonic() - began

    def received(self) -> Counter[str]:
        """SOP Instance UID -> how many whole files of it lie there."""
        files = [path for study in Received(self.folder.received).studies() for path in study.rglob("*.dcm")]
        return Counter(str(dcmread(path).SOPInstanceUID) for path in files)

    def half(self) -> int:
        """Files that have no name yet."""
        return sum(1 for _ in (self.folder.received / ".arriving").iterdir())

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "myofed_node.intake.dicom_port", str(self.folder.root)]
        with (self.folder.root / "port.log").open("ab") as log:
            process = subprocess.Popen(command, stderr=log)
        end = time.monotonic() + OPENS_S
        while not is_listening("127.0.0.1", self.number):
            assert time.monotonic() < end, "the port does not open"
            time.sleep(0.05)
        return process


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
        port.process.terminate()
        assert port.process.wait(20) == 0, "the port does not end cleanly"
