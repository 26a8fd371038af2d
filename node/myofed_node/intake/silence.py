"""What DICOM libraries say of what they read stays unsaid: warnings and log lines quote values, and those are patients'."""

from __future__ import annotations

import logging
import warnings


def silence_libraries() -> None:
    """In this process, from here on."""
    warnings.simplefilter("ignore")
    for name in ("pydicom", "pynetdicom"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
