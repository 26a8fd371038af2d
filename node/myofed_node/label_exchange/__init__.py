"""Label maps from other tools and for them: names, numbers, sides, DICOM SEG."""
