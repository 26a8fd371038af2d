"""The planted corpus: made-up identities hidden wherever a DICOM file can hide them, and a judge of what comes out."""
