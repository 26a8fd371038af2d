"""Our tool on a small planted corpus: the limits of the full proof (tests/proofs/planted.py) hold there too."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted.corpus import make_corpus
from planted.judge import judge
from planted.plants import Category, Fate
from planted.tools import run_ours
from proofs.planted import document, shortfalls, table

SCALE = 0.03


@pytest.mark.functional
def test_nothing_planted_comes_out_and_nothing_needed_is_lost(tmp_path: Path) -> None:
    """No leak, no Type 1 or 2 lost, no value changed, no reference broken; private numbers, intervals, images kept."""
    corpus = make_corpus(tmp_path / "corpus", seed=3, scale=SCALE)
    run_ours(corpus.folder, tmp_path / "out")
    verdict = judge(corpus, tmp_path / "out")
    assert not shortfalls(verdict, at_least=500), [plant.category.value for plant in verdict.leaked][:20]
    assert not verdict.leaks()
    assert verdict.outputs >= sum(file.fate is Fate.RELEASED for file in corpus.files)
    assert all(verdict.planted[category] for category in Category)


def test_the_same_seed_gives_the_same_corpus(tmp_path: Path) -> None:
    """Every byte and every plant of a corpus follows from its seed and scale; another seed shares no plant."""
    first, second, other = (
        make_corpus(tmp_path / name, seed=seed, scale=SCALE) for name, seed in (("a", 5), ("b", 5), ("c", 6))
    )
    assert first.plants == second.plants
    assert all((tmp_path / "a" / f.name).read_bytes() == (tmp_path / "b" / f.name).read_bytes() for f in first.files)
    texts = [{n for plant in corpus.plants for n in plant.needles if len(n) > 8} for corpus in (first, other)]
    assert not texts[0] & texts[1]


def test_the_table_and_the_document_hold_no_planted_value(tmp_path: Path) -> None:
    """What a proof prints and keeps are counts; a leaked name is in neither."""
    corpus = make_corpus(tmp_path / "corpus", seed=3, scale=SCALE)
    verdict = judge(corpus, corpus.folder)
    printed = table({"copy": verdict}, title="t") + str(document(verdict))
    assert f"**{len(verdict.leaked)}**" in printed
    assert not [n for plant in corpus.plants for n in plant.needles if isinstance(n, str) and n in printed]
