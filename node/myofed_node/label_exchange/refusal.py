"""Why a label map is not taken: a code, and counts of what was found."""

from __future__ import annotations

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

WORDS: dict[str, tuple[str, str]] = {
    "SUBJECT_UNKNOWN": (
        "expected patient_id and issuer of a subject of the data set, found a patient that it does not hold",
        "ingest the patient's images first; issuer is IssuerOfPatientID (0010,0021), empty where the images have none",
    ),
    "SERIES_UNKNOWN": (
        "expected the original SeriesInstanceUID of a series that was converted, found one of no magnitude image or map",
        "copy it from the DICOM that the reader drew on; the ingest report says what became of each series",
    ),
    "SERIES_OF_ANOTHER_SUBJECT": (
        "expected a series of the patient that the row names, found one of another patient",
        "correct patient_id or series_instance_uid in the row",
    ),
    "LABEL_IMAGE_UNKNOWN": (
        "expected a label map in sub-X/ses-Y/mr-* as sub-X_ses-Y_SUFFIX_dseg.nii.gz, found another name or place",
        "myofed-node validate DATASET names the file",
    ),
    "LABEL_FILE_MISSING": (
        "expected files of the delivery by their plain names, found a name with a folder, a link or no such file",
        "put map and table beside labels.csv",
    ),
    "LABEL_FILE_UNREADABLE": (
        "expected a NIfTI image (or, with the scheme dicom-seg, a DICOM SEG), found a file that cannot be read as one",
        "open it in a viewer and save it again",
    ),
    "LABEL_TABLE_INVALID": (
        "expected a table that gives each value one muscle and side, found two values for one, or none",
        "docs/label-maps.md shows each kind of table",
    ),
    "MUSCLE_UNKNOWN": (
        "expected an id of muscles.tsv or a name of muscle_groups.tsv in the column muscle, found another",
        "docs/label-maps.md says where they stand; for names of a tool give a table of value and name",
    ),
    "SIDE_UNKNOWN": ("expected left or right in the column side, found another word", "write one row a side"),
    "LABEL_GRID": (
        "expected the shape and affine of the image that the map was drawn on, found another grid",
        "export the map from the viewer on the image's own grid; nothing is resampled here",
    ),
    "LABEL_NOT_INTEGER": (
        "expected whole numbers from 0 as voxels, found fractions or negative numbers",
        "save the map with nearest-neighbour interpolation and an integer type",
    ),
    "LABEL_VALUE_UNKNOWN": (
        "expected only values of muscles.tsv and muscle_groups.tsv in the map and its sidecar, found others",
        "import the map again from what the reader delivered",
    ),
    "LABELS_EMPTY": (
        "expected at least one voxel of a muscle, found none",
        "was the right file delivered? labels that are dropped by --ignore do not count",
    ),
    "LABEL_SIDES_SWAPPED": (
        "expected the left one of every muscle to the patient's left of the right one, found one that is not",
        "are sides exchanged in the table? left is the patient's",
    ),
    "LABEL_EXISTS": (
        "expected an image without a label map, found one with another map",
        "take the earlier map away first; nothing is overwritten",
    ),
}
"""What was expected and found, and what to do, where the place that refuses knows nothing more; by code."""


class LabelRefusedError(MyofedError):
    """This label map is not imported or exported; docs/label-maps.md explains the code.

    Args:
        code: Without `message`, one of WORDS.
        message: What was expected and found, where more is known than WORDS tells.
        hint: What to do.
    """

    def __init__(self, code: str, message: str = "", hint: str = "") -> None:
        usual, remedy = WORDS.get(code, ("", "docs/label-maps.md lists the codes"))
        super().__init__(code, message or usual, hint=hint or remedy, exit_code=ExitCode.WITHHELD)
