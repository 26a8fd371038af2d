"""De-identified DICOM as the converter reads it: files, headers, stored pixels."""
