"""The DICOM port beside Orthanc: eight senders (dcmtk's storescu), every instance synced to disk before it is acknowledged.

Behind ours the pipeline de-identifies and converts meanwhile what is complete, as on a site; Orthanc only stores and indexes.
"""

from __future__ import annotations

import json
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from myofed_node.config import DEMO_POLICY, SiteConfig
from myofed_node.intake.received import Received
from myofed_node.intake.settings import IntakeSettings, Peer
from myofed_node.intake.study_store import StudyState, StudyStore
from myofed_node.site_setup import Site, make_site
from myofed_schemas.service_loop import free_port, is_listening

RUNS = 5
INSTANCES, STUDIES, SENDERS, SIDE = 2000, 40, 8, 256
"""50 images of 131 kB a study; one folder a sender, five studies in each."""
BEFORE = 1000
"""Instances sent before the time is taken, so that the pipeline is at work on them meanwhile."""
SETTLES_S = 3.0
"""More than the second after which a study counts as complete here."""
ORTHANC = "/usr/sbin/Orthanc"


def measure() -> dict[str, Any]:
    """Instances a second, medians of RUNS, ours and Orthanc in turn, each with an empty store."""
    storescu = shutil.which("storescu")
    if storescu is None or not Path(ORTHANC).exists():
        sys.exit("expected dcmtk and Orthanc: apt-get install dcmtk orthanc")
    rates: dict[str, list[float]] = {"ours": [], "orthanc": []}
    behind: list[bool] = []
    with tempfile.TemporaryDirectory(prefix="myofed-bench-intake-") as folder:
        _generate(Path(folder, "before"), range(INSTANCES, INSTANCES + BEFORE))
        _generate(Path(folder, "out"), range(INSTANCES))
        for run in range(RUNS):
            with _ours(Path(folder, f"ours-{run}")) as (site, port):
                _send(Path(folder, "before"), port, storescu)
                time.sleep(SETTLES_S)
                busy = _at_work(site)
                rates["ours"].append(INSTANCES / _send(Path(folder, "out"), port, storescu))
                behind.append(busy and _at_work(site))
                _check(_kept(site))
            with _orthanc(Path(folder, f"orthanc-{run}")) as (port, page):
                _send(Path(folder, "before"), port, storescu)
                time.sleep(SETTLES_S)
                rates["orthanc"].append(INSTANCES / _send(Path(folder, "out"), port, storescu))
                _check(_indexed(page))
    middle = {name: statistics.median(values) for name, values in rates.items()}
    return {
        "figures": {"instances_per_s": middle["ours"], "runs_with_pipeline_at_work": float(sum(behind))},
        "peers": {"Orthanc": {"instances_per_s": middle["orthanc"]}},
        "ratios": {"ratio_to_orthanc": middle["ours"] / middle["orthanc"]},
        "runs": RUNS,
        "spread": max(abs(rate - middle["ours"]) for rate in rates["ours"]) / middle["ours"],
    }


def _generate(folder: Path, numbers: range) -> None:
    for number in numbers:
        study = number * STUDIES // INSTANCES
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID, dataset.SOPInstanceUID = MRImageStorage, f"1.2.826.0.1.3680043.9.1.{number}"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = (
            f"1.2.826.0.1.3680043.9.2.{study}",
            f"1.2.826.0.1.3680043.9.3.{study}",
        )
        dataset.Modality, dataset.Manufacturer, dataset.PatientID = "MR", "SIEMENS", f"P{study}"
        dataset.PatientName, dataset.InstanceNumber = f"Bench^{study}", number
        dataset.Rows = dataset.Columns = SIDE
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 15, 0, 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.PixelSpacing, dataset.SliceThickness = ["1", "1"], "5"
        dataset.ImagePositionPatient = ["0", "0", str(5 * (number % 50))]
        dataset.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
        dataset.PixelData = number.to_bytes(4, "little") * (SIDE * SIDE // 2)
        dataset["PixelData"].VR = "OW"
        mine = folder / str(study % SENDERS)
        mine.mkdir(parents=True, exist_ok=True)
        dcmwrite(mine / f"{number:05}.dcm", dataset, enforce_file_format=True)


def _send(folder: Path, port: int, storescu: str) -> float:
    """Seconds until every sender was told that all of its instances are safe."""

    def one(mine: Path) -> None:
        command = [storescu, "-aet", "MR1", "-aec", "MYOFED", "127.0.0.1", str(port), "+sd", str(mine)]
        subprocess.run(command, check=True, capture_output=True)

    start = time.perf_counter()
    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(one, sorted(folder.iterdir())))
    return time.perf_counter() - start


def _check(found: int) -> None:
    if found != INSTANCES + BEFORE:
        sys.exit(f"expected {INSTANCES + BEFORE} instances in the store, found {found}")


@contextmanager
def _ours(root: Path) -> Iterator[tuple[Site, int]]:
    """A site's port and the pipeline behind it."""
    peer = Peer(ae_title="MR1", networks=("127.0.0.1",))
    intake = IntakeSettings(port=free_port(), peers=(peer,), reserve_gb=0, quiet_s=1, legal_basis="synthetic")
    config = SiteConfig(site="bench", policy=DEMO_POLICY, intake=intake)
    site = make_site(root, config=config, now=datetime.now(UTC))
    port = ["myofed_node.intake.dicom_port"]
    commands = [[*port, str(root), str(number)] for number in range(1, intake.processes + 1)]
    commands.append(["myofed_node.intake.study_process", str(root)])
    with _running([[sys.executable, "-m", *command] for command in commands], intake.port or 0):
        yield site, intake.port or 0
    shutil.rmtree(root)


def _kept(site: Site) -> int:
    """Instances that lie as they came; those of studies that are done went into the data set."""
    done = {
        row.study: row.instances
        for row in StudyStore(site.folder.intake_store).studies()
        if row.state is StudyState.DONE
    }
    return sum(done.values()) + sum(
        1 for study in Received(site.folder.received).studies() for _ in study.rglob("*.dcm")
    )


def _at_work(site: Site) -> bool:
    """Whether the pipeline is ingesting now."""
    return any(site.folder.intake.glob("work-*"))


@contextmanager
def _orthanc(root: Path) -> Iterator[tuple[int, int]]:
    """Orthanc with its own database, and its storage synced as ours is."""
    root.mkdir()
    dicom, page = free_port(), free_port()
    settings = {
        "StorageDirectory": str(root / "store"),
        "IndexDirectory": str(root / "store"),
        "DicomAet": "MYOFED",
        "DicomPort": dicom,
        "HttpPort": page,
        "SyncStorageArea": True,
        "DicomAlwaysAllowStore": True,
        "RemoteAccessAllowed": False,
        "Plugins": [],
    }
    (root / "orthanc.json").write_text(json.dumps(settings))
    with _running([[ORTHANC, str(root / "orthanc.json")]], dicom):
        yield dicom, page
    shutil.rmtree(root)


def _indexed(page: int) -> int:
    import httpx

    return int(httpx.get(f"http://127.0.0.1:{page}/statistics", trust_env=False).json()["CountInstances"])


@contextmanager
def _running(commands: list[list[str]], port: int) -> Iterator[None]:
    """The processes, once somebody listens on the port."""
    started = [subprocess.Popen(each, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for each in commands]
    try:
        while not is_listening("127.0.0.1", port):
            if any(process.poll() is not None for process in started):
                sys.exit(f"a process ended before it listened: {commands[0][0]}")
            time.sleep(0.05)
        time.sleep(2)  # the second process of the port, and what an empty database still does
        yield
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
        for process in started:
            process.wait(60)
