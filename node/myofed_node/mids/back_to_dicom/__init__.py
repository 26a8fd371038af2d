"""Converted images as DICOM again."""
