"""The whole corpus: files of every kind in every encoding and character set, from one seed."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from planted.documents import make_documents
from planted.draft import SYNTAXES, Draft
from planted.headers import make_headers
from planted.images import SEG
from planted.made_up import CHARSETS, MadeUp
from planted.odd import make_odd
from planted.plants import Corpus, Plant, PlantedFile
from planted.rest import make_burned_in, make_rest
from planted.series import make_patient
from planted.vendor import make_vendor


def make_corpus(folder: Path, *, seed: int, scale: float) -> Corpus:
    """`folder` holds the corpus; the same bytes for the same seed and scale.

    Args:
        folder: New or empty.
        seed: Of every random choice.
        scale: 1.0 plants more than 2,500 values; a smaller one keeps every category, encoding and character set.

    Returns:
        What was planted where, and which files a tool must let out.
    """
    made = MadeUp(random.Random(seed))
    drafts: list[Draft] = []
    rounds = max(1, round(5 * scale))
    for number in range(rounds):
        charset = CHARSETS[number % len(CHARSETS)]
        drafts += make_headers(made, scale=0.8 * scale, charset=charset, number=number)
        drafts += make_vendor(made, scale=scale, charset=charset, number=number)
        drafts += make_rest(made, scale=scale, charset=charset, number=number)
        drafts += make_odd(made, charset=charset, number=number)
        drafts += make_burned_in(made, charset=charset, number=number)
        drafts += make_documents(made, charset=charset, number=number)
    if rounds < len(CHARSETS):
        for number, charset in enumerate(CHARSETS):
            drafts += make_headers(made, scale=0, charset=charset, number=100 + number)
    for number in range(max(1, round(3 * scale))):
        size = {"studies": 3, "echoes": 3, "slices": 2} if scale >= 0.5 else {"studies": 2, "echoes": 2, "slices": 1}
        drafts += make_patient(made, number=number, **size)
    for number, draft in enumerate(drafts):
        draft.syntax = draft.syntax or _syntax(draft, number)
    return _written(drafts, folder)


def _syntax(draft: Draft, number: int) -> str:
    """Every encoding in turn; what a recipe or an object needs, it gets."""
    syntax = SYNTAXES[number % len(SYNTAXES)]
    if draft.tail or "PixelData" not in draft.dataset or "DirectoryRecordSequence" in draft.dataset:
        return ExplicitVRLittleEndian
    if syntax == RLELossless and draft.dataset.SOPClassUID == SEG:
        return ExplicitVRLittleEndian
    return syntax


def _written(drafts: list[Draft], folder: Path) -> Corpus:
    plants: dict[tuple[object, ...], Plant] = {}
    for draft in drafts:
        draft.write(folder)
        for plant in draft.plants:
            planted = replace(plant, file=draft.name)
            plants.setdefault((planted.category, planted.place, planted.needles or draft.name, draft.patient), planted)
    return Corpus(
        folder=folder,
        files=tuple(PlantedFile(draft.name, draft.patient, draft.fate) for draft in drafts),
        plants=tuple(plants.values()),
        safe_numbers=tuple(number for draft in drafts for number in draft.safe),
    )
