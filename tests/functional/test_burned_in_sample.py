"""The proof of burned-in text at one per cent of its size."""

from __future__ import annotations

import importlib.util

import pytest
from proofs.burned_in import judge_variants

TEXTS, CLEAN = (0, 4, 8, 16, 24, 32), (0, 1, 2, 3, 4, 5)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("rapidocr_onnxruntime") is None, reason="the extra [ocr] is not installed")
def test_sample_of_the_variants_has_the_right_outcomes() -> None:
    """Text on anatomy, masks and phantoms is withheld; one image of each clean kind is not."""
    tried, failed = judge_variants(TEXTS, CLEAN)
    assert failed == []
    assert sum(kind["images"] for kind in tried if "images" in kind) == len(TEXTS) + len(CLEAN)
