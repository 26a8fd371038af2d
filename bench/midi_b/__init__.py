"""MIDI-B: the public yardstick of DICOM de-identification (TCIA, doi 10.7937/cf2p-aw56), run on our own output."""
