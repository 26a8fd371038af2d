"""De-identification of DICOM by PS3.15 Annex E, keyed, recursive and verified after writing."""
