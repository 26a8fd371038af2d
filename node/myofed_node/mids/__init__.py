"""ORMIR-MIDS, profile `myofed-1`: from de-identified DICOM to a validated data set."""
