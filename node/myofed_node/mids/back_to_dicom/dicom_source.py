"""What an image of a data set gives for DICOM: values, geometry in LPS and new UIDs; or why it does not suffice."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from myofed_node.mids.geometry import LPS_TO_RAS
from myofed_node.mids.image import Image
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.sidecar import Sidecar

EXPORT_FORMAT: Final = "myofed-dicom-export-1"
"""Part of every UID: another way to write the same image is another object (PS3.3 C.12.1.1.1)."""
AXES_TOLERANCE: Final = 1e-4
"""Greatest cosine between two axes; float32 affines reach 1e-6."""


@dataclass(frozen=True)
class DicomSource:
    """A converted image that suffices for DICOM.

    Attributes:
        image: Of the data set.
        sidecar: Its keys.
        values: (i, j, k, echo), in the file's type.
        affine_lps: (4, 4), voxel index -> mm, LPS.
        content_digest: SHA-256 of image and sidecar together.
    """

    image: Image
    sidecar: Sidecar
    values: NDArray[np.generic]
    affine_lps: NDArray[np.float64]
    content_digest: str

    @property
    def echo_times_ms(self) -> tuple[float | None, ...]:
        """One a volume along the fourth axis."""
        times = self.sidecar.echo_time_ms
        return times if isinstance(times, tuple) else (times,)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Along i (between columns), j (between rows) and k (between slices)."""
        i, j, k = (float(length) for length in np.linalg.norm(self.affine_lps[:3, :3], axis=0))
        return i, j, k

    @property
    def orientation_lps(self) -> tuple[float, ...]:
        """ImageOrientationPatient: direction of growing column index, then of growing row index."""
        cosines = self.affine_lps[:3, :2] / np.linalg.norm(self.affine_lps[:3, :2], axis=0)
        return tuple(float(value) for value in cosines.T.ravel())

    def position_lps(self, k: int) -> tuple[float, ...]:
        """ImagePositionPatient of slice k."""
        return tuple(float(value) for value in (self.affine_lps @ (0, 0, k, 1))[:3])

    def frames(self) -> list[NDArray[np.generic]]:
        """(rows, columns) of every slice, echo by echo."""
        slices, echoes = self.values.shape[2:]
        return [self.values[:, :, k, echo].T for echo in range(echoes) for k in range(slices)]

    @property
    def study_uid(self) -> str:
        """Of the session: the same for all its images."""
        return _uid("study", self.image.name.subject, self.image.name.session)

    @property
    def series_uid(self) -> str:
        """Of this image."""
        return _uid("series", str(self.image.path), self.content_digest)

    @property
    def frame_of_reference_uid(self) -> str:
        """Of the source series: images of one series share it; of others nobody knows whether the patient moved."""
        return _uid("frame of reference", self.sidecar.provenance.source_series_instance_uid)

    def instance_uid(self, number: int) -> str:
        """Of the instance with this number."""
        return _uid("instance", str(self.image.path), self.content_digest, str(number))


def read_source(image: Image) -> DicomSource:
    """The image with all that DICOM needs, read whole.

    Raises:
        MyofedError: SIDECAR_INVALID; IMAGE_UNREADABLE; IMAGE_WITHOUT_GEOMETRY; IMAGE_CHANGED, it is not the one that was
            converted; EXPORT_ECHO_TIMES; EXPORT_GEOMETRY; EXPORT_VALUES.
    """
    sidecar = image.sidecar
    digest = _file_digest(image)
    if digest != sidecar.provenance.image_digest:
        raise _insufficient("IMAGE_CHANGED", "the bytes that were converted, by Provenance.ImageDigest", "other bytes")
    values = image.values()
    source = DicomSource(
        image=image,
        sidecar=sidecar,
        values=values if values.ndim == 4 else values[..., None],
        affine_lps=np.asarray(np.linalg.inv(LPS_TO_RAS) @ image.affine_ras, dtype=np.float64),
        content_digest=hashlib.sha256(digest.encode() + sidecar.to_json()).hexdigest(),
    )
    _check_values(values)
    _check_echo_times(source)
    _check_axes(source.affine_lps)
    return source


def _file_digest(image: Image) -> str:
    try:
        return hashlib.sha256(image.file.read_bytes()).hexdigest()
    except OSError:
        raise _insufficient("IMAGE_UNREADABLE", "a file that can be read", "none") from None


def _check_values(values: NDArray[np.generic]) -> None:
    if values.ndim not in {3, 4} or 0 in values.shape:
        raise _insufficient("EXPORT_VALUES", "an image of three or four dimensions", f"{values.ndim}")
    if values.dtype.kind not in "iu" and values.dtype != np.float32:
        raise _insufficient("EXPORT_VALUES", "integers or float32", str(values.dtype))
    if values.dtype.kind in "iu" and not np.array_equal(values.astype(np.float32), values):
        raise _insufficient("EXPORT_VALUES", "integers of at most 24 bits", "larger ones")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise _insufficient("EXPORT_VALUES", "finite voxels", "others")


def _check_echo_times(source: DicomSource) -> None:
    """Each echo has its own time, or the slices of two echoes could not be told apart."""
    times, echoes = source.echo_times_ms, source.values.shape[3]
    known = [time for time in times if time is not None]
    if len(times) != echoes or (echoes > 1 and (len(known) < echoes or sorted(set(known)) != known)):
        raise _insufficient("EXPORT_ECHO_TIMES", f"EchoTime with {echoes} increasing times", f"{len(known)} or others")


def _check_axes(affine_lps: NDArray[np.float64]) -> None:
    axes = affine_lps[:3, :3] / np.linalg.norm(affine_lps[:3, :3], axis=0)
    if not np.isfinite(axes).all() or np.abs(axes.T @ axes - np.eye(3)).max() > AXES_TOLERANCE:
        raise _insufficient("EXPORT_GEOMETRY", "axes at right angles", "others, which DICOM planes cannot say")


def _insufficient(code: str, expected: str, found: str) -> MyofedError:
    return MyofedError(
        code,
        f"expected {expected}, found {found}",
        hint="docs/reading-data-sets.md says what export-dicom needs; convert the series again",
        exit_code=ExitCode.BAD_INPUT,
    )


def _uid(*parts: str) -> str:
    """`2.25.` and a UUID made from the parts (PS3.5 B.2): the same parts give the same UID.

    Subject and session labels and source UIDs are keyed already and digests follow from the image, so that a UID tells
    nothing that its object does not tell.
    """
    digest = hashlib.sha256("\n".join((EXPORT_FORMAT, *parts)).encode()).digest()
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=4).int}"
