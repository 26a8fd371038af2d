"""Our reader of headers on the planted corpus, as it is and as de-identification leaves it: what pydicom reads, or not at all."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from planted.corpus import make_corpus
from planted.tools import run_ours
from pydicom import Dataset, dcmread

from myofed_anonymization.part10 import DAMAGED, TRANSFER_SYNTAX, meta_elements, quiet_pydicom
from myofed_anonymization.withheld import WithheldError
from myofed_node.mids.dicom_input.header_reader import EXPLICIT_LITTLE, UnfamiliarError, read_header

SCALE = 0.03


def told(dataset: Dataset) -> list[object]:
    """Every element with its value, or with what its decoding raises, in order."""
    found: list[object] = []
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
            value = [told(item) for item in element.value] if element.VR == "SQ" else repr(element.value)
            found.append((int(tag), element.VR, value))
        except DAMAGED as error:
            found.append((int(tag), type(error).__name__))
    return found


def read_by_both(content: bytes) -> bool:
    """Whether our reader took the file; it is then as pydicom has it, pixels included."""
    try:
        meta, start = meta_elements(content)
        syntax = next((value for tag, _, value in meta if tag == TRANSFER_SYNTAX), b"").rstrip(b" \0")
        if content[128:132] != b"DICM" or syntax != EXPLICIT_LITTLE.encode():
            return False
        read = read_header(content, start)
    except (UnfamiliarError, WithheldError):
        return False
    with quiet_pydicom():
        assert told(read.header) == told(dcmread(BytesIO(content), stop_before_pixels=True))
        pixels = dcmread(BytesIO(content)).get("PixelData")
    span = read.pixels
    assert pixels == (content[span.start : span.start + span.length] if span else None)
    return True


@pytest.mark.functional
def test_every_file_of_the_corpus_is_as_pydicom_reads_it(tmp_path: Path) -> None:
    """Character sets, private blocks, odd and malformed values, sequences in sequences; those of no other encoding are read by us."""
    corpus = make_corpus(tmp_path / "corpus", seed=3, scale=SCALE)
    run_ours(corpus.folder, tmp_path / "out")
    originals = [read_by_both(path.read_bytes()) for path in corpus.folder.rglob("*") if path.is_file()]
    released = [read_by_both(path.read_bytes()) for path in (tmp_path / "out").rglob("*.dcm")]
    assert sum(originals) >= 10
    assert sum(released) >= len(released) / 3
