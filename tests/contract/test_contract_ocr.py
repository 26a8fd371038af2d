"""What one file of ours relies on in the text recogniser: its version, its options and the form of its answers."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

PACKAGE = "rapidocr_onnxruntime"
ADAPTER = "anonymization/myofed_anonymization/ocr.py"
MODELS = {"ch_PP-OCRv4_det_infer.onnx", "ch_PP-OCRv4_rec_infer.onnx", "ch_ppocr_mobile_v2.0_cls_infer.onnx"}

installed = pytest.mark.skipif(importlib.util.find_spec(PACKAGE) is None, reason="the extra [ocr] is not installed")


def test_only_the_adapter_names_the_recogniser(repository: Path) -> None:
    """Who replaces the recogniser changes one file."""
    sources = [path for path in repository.glob("*/myofed_*/**/*.py") if PACKAGE in path.read_text(encoding="utf-8")]
    assert [str(path.relative_to(repository)) for path in sources] == [ADAPTER]


@installed
def test_version_is_the_measured_one_and_its_models_lie_in_the_wheel() -> None:
    """Scores and thresholds were measured with these weights; nothing is fetched."""
    assert importlib.metadata.version("rapidocr-onnxruntime") == "1.4.4"
    files = {path.name for path in importlib.metadata.files("rapidocr-onnxruntime") or ()}
    assert files >= MODELS


@installed
def test_answers_have_the_form_that_the_adapter_unpacks() -> None:
    """A box, a text and a score for each text, and None for an image without."""
    from rapidocr_onnxruntime import RapidOCR

    reader = RapidOCR(intra_op_num_threads=1, inter_op_num_threads=1, det_limit_type="max", det_limit_side_len=2000)
    canvas = Image.new("L", (320, 96))
    assert reader(np.asarray(canvas), text_score=0.6)[0] is None
    ImageDraw.Draw(canvas).text((10, 30), "FANTASIA", fill=255, font=ImageFont.load_default(32))
    found, _ = reader(np.asarray(canvas), text_score=0.6)
    assert [(text, score > 0.9) for _, text, score in found] == [("FANTASIA", True)]


@installed
def test_options_reach_the_recogniser() -> None:
    """Without enlargement by the detector, an image stays as large as the adapter made it."""
    from rapidocr_onnxruntime import RapidOCR

    reader = RapidOCR(intra_op_num_threads=1, inter_op_num_threads=1, det_limit_type="max", det_limit_side_len=2000)
    assert (reader.text_det.limit_type, reader.text_det.limit_side_len) == ("max", 2000)
    assert reader.text_rec.session.session.get_session_options().intra_op_num_threads == 1
