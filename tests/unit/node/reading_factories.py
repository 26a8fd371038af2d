"""A small data set written by hand, for the tests of reading it and of the way back to DICOM."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from myofed_node.mids.nifti import write_nifti
from myofed_schemas.mids import ImageName, Part, Suffix
from myofed_schemas.sidecar import Provenance, Sidecar

AFFINE_RAS = np.asarray([[-2.0, 0, 0, 40], [0, -1.5, 0, -25], [0, 0, 6, 100], [0, 0, 0, 1]])
MEGRE = ImageName("01", "A", Suffix.MEGRE)
PHASE = ImageName("01", "A", Suffix.MEGRE, Part.PHASE)
T1W = ImageName("02", "A", Suffix.T1W)
SHAPE = (5, 4, 3)


def voxels(dtype: str = "int16", *, echoes: int = 2) -> np.ndarray:
    """Every voxel its own number; one echo is 3D."""
    values = np.arange(1, np.prod(SHAPE) * echoes + 1, dtype=dtype).reshape((*SHAPE, echoes), order="F")
    return values if echoes > 1 else values[..., 0]


def sidecar(name: ImageName, image_digest: str, *, scaling: str = "stored", **keys: object) -> Sidecar:
    """As the converter writes it."""
    provenance = Provenance.model_validate(
        {
            "SourceSeriesInstanceUID": "2.25.7",
            "SourceDigest": "1" * 64,
            "SourceFiles": 6,
            "PolicyDigest": "2" * 64,
            "ImageDigest": image_digest,
            "ValueScaling": scaling,
            "Tools": {"myofed": "0.1.0"},
        }
    )
    times = {"EchoTime": (2.3, 4.6), "FourthDimension": "EchoTime"} if name.suffix.stacks_echoes else {"EchoTime": 11.0}
    common = {"MagneticFieldStrength": 3.0, "RepetitionTime": 100.0, "FlipAngle": 15.0, "Manufacturer": "SIEMENS"}
    sequence = {"ScanningSequence": "GR", "SequenceVariant": "SP", "ImageType": "ORIGINAL/PRIMARY/M/ND"}
    unit = {"Units": "rad" if name.part is Part.PHASE else name.suffix.unit}
    return Sidecar.model_validate({**common, **sequence, **times, **unit, "Provenance": provenance, **keys})


def write_image(
    dataset: Path,
    name: ImageName,
    values: np.ndarray,
    *,
    affine_ras: np.ndarray = AFFINE_RAS,
    scaling: str = "stored",
    **keys: object,
) -> Path:
    """Image and sidecar lie in the data set; keys are added to the sidecar.

    Returns:
        The NIfTI file.
    """
    digest = write_nifti(dataset / name.image, values, affine_ras)
    document = sidecar(name, digest, scaling=scaling, **keys)
    (dataset / name.sidecar).write_bytes(document.to_json())
    return dataset / name.image


def write_labels(dataset: Path, name: ImageName, values: np.ndarray, labels: object, **affine: np.ndarray) -> Path:
    """A label map on this image with `Labels` as given."""
    path = dataset / "derivatives" / "labels" / name.folder / f"{name.stem}_dseg.nii.gz"
    write_nifti(path, values, affine.get("affine_ras", AFFINE_RAS))
    content = {"Labels": labels, "LabelOrigin": "manual"}
    path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps(content))
    return path


def small_dataset(root: Path) -> Path:
    """The data set that docs/reading-data-sets.md speaks of."""
    write_image(root, MEGRE, voxels())
    write_image(root, PHASE, np.linspace(-3, 3, 120, dtype=np.float32).reshape((*SHAPE, 2)), scaling="phase-radians")
    write_image(root, T1W, voxels(echoes=1))
    (root / "dataset_description.json").write_text(
        json.dumps({"Name": "small", "Format": "ORMIR-MIDS", "Profile": "myofed-1", "DatasetType": "raw",
                    "GeneratedBy": [{"Name": "myofed", "Version": "0.1.0"}, "hand"]})
    )  # fmt: skip
    (root / "participants.tsv").write_text("participant_id\nsub-01\nsub-02\n")
    (root / "sub-01" / "sub-01_sessions.tsv").write_text("session_id\nses-A\n")
    drawn = np.zeros(SHAPE, np.int16)
    drawn[:2, 0, 0], drawn[4, 3, 2] = 7101, 7102
    write_labels(root, MEGRE, drawn, {"7101": "left vastus lateralis", "7102": "right vastus lateralis"})
    fraction = ImageName("01", "A", Suffix.FF)
    write_nifti(root / "derivatives" / "myofed-quantify" / fraction.image, voxels("float32", echoes=1), AFFINE_RAS)
    foreign = root / "sub-03" / "mr-anat" / "sub-03_MESE.nii.gz"
    write_nifti(foreign, voxels(), AFFINE_RAS)
    return root


def tree(folder: Path) -> dict[str, str]:
    """Every file below the folder with its digest."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
