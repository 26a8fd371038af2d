"""Series that a person of the site must look at before they enter its data set."""

from __future__ import annotations

import re

from myofed_node.mids.dicom_input.frames import Series
from myofed_node.mids.refusal import SeriesRefusedError

HEAD_WORDS = frozenset(
    {"HEAD", "BRAIN", "SKULL", "FACE", "NECK", "HEADNECK", "ORBIT", "EYE", "EAR", "SINUS", "JAW", "IAC"}
    | {"TONGUE", "OROFACIAL", "MOUTH", "NASOPHARYNX", "PHARYNX", "LARYNX", "TMJ", "WHOLEBODY", "WHOLE", "ENTIRE"}
)
"""BodyPartExamined (PS3.16 annex L) of regions that show a face or part of it, the whole body among them."""
HEAD_CODES = frozenset(
    {"T-A0100", "T-D1100", "T-D1200", "T-D1600", "12738006", "69536005", "89546000", "774007", "45048000"}
    | {"T-D0010", "38266002", "T-53000", "21974007"}
)
"""Brain, head, face, skull, neck, head and neck, entire body, tongue in SRT and SCT (PS3.16 CID 4031)."""


def refuse_head(series: Series) -> None:
    """Every frame's header says a body part, and none says the head.

    Raises:
        SeriesRefusedError: HEAD_HELD_FOR_REVIEW, BODY_PART_UNKNOWN.
    """
    said = {(facts.body_part_examined, facts.anatomic_region_code) for facts in (series.acquisition, *series.told)}
    told = [(set(re.split(r"[^A-Z]+", part)) - {""}, code) for part, code in sorted(said)]
    if any(words & HEAD_WORDS or code in HEAD_CODES for words, code in told):
        raise SeriesRefusedError("HEAD_HELD_FOR_REVIEW", "BodyPartExamined=head, neck or whole body")
    if any(not words and not code for words, code in told):
        raise SeriesRefusedError("BODY_PART_UNKNOWN", "BodyPartExamined=absent")
