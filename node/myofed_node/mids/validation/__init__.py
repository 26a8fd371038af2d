"""Whether a folder is an ORMIR-MIDS data set: rules, checks, report. Stands alone: no pydicom, nibabel, torch or Flower."""
