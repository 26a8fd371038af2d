"""Generated instances and real senders (dcmtk's storescu), which send again until they are told that all of it is safe."""

from __future__ import annotations

import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

STORESCU = shutil.which("storescu")
SENDERS = 8
PATIENCE_S = 120.0


def generate(folder: Path, count: int, *, side: int = 64) -> set[str]:
    """So many instances of two studies with four series each, one folder a sender; returns their SOP Instance UIDs.

    Args:
        folder: New.
        count: Of all.
        side: Pixels of an image's edge; 2 bytes each.
    """
    uids = set()
    for number in range(count):
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID = MRImageStorage
        dataset.SOPInstanceUID = f"1.2.826.0.1.3680043.9.1.{number}"
        dataset.StudyInstanceUID = f"1.2.826.0.1.3680043.9.2.{number % 2}"
        dataset.SeriesInstanceUID = f"1.2.826.0.1.3680043.9.3.{number % 8}"
        dataset.Modality, dataset.PatientID, dataset.InstanceNumber = "MR", f"PLANTED{number % 2}", number
        dataset.Rows = dataset.Columns = side
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 15, 0, 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.PixelData = number.to_bytes(4, "little") * (side * side // 2)
        dataset["PixelData"].VR = "OW"
        mine = folder / str(number % SENDERS)
        mine.mkdir(parents=True, exist_ok=True)
        dcmwrite(mine / f"{number}.dcm", dataset, enforce_file_format=True)
        uids.add(str(dataset.SOPInstanceUID))
    return uids


def send(folder: Path, port: int, *, calling: str = "MR1") -> bool:
    """One storescu has sent all of the folder over one association, and each instance was acknowledged."""
    assert STORESCU is not None
    command = [STORESCU, "-aet", calling, "-aec", "MYOFED", "-to", "5", "127.0.0.1", str(port), "+sd", str(folder)]
    return subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False).returncode == 0


def send_until_taken(folder: Path, port: int) -> int:
    """All senders at once, each until its whole folder was acknowledged; returns how many sendings that took.

    Raises:
        TimeoutError: It is never taken.
    """
    end = time.monotonic() + PATIENCE_S

    def one(mine: Path) -> int:
        for attempt in range(1, 1000):
            if send(mine, port):
                return attempt
            if time.monotonic() > end:
                raise TimeoutError
            time.sleep(0.2)
        raise TimeoutError

    with ThreadPoolExecutor(SENDERS) as pool:
        return sum(pool.map(one, sorted(folder.iterdir())))
