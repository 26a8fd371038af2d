"""Series that a person of the site must look at before they enter its data set."""

from __future__ import annotations

import re

from myofed_node.mids.frames import Series
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
    """The header says a body part, and it is not the head.

    Raises:
        SeriesRefusedError: HEAD_HELD_FOR_REVIEW, BODY_PART_UNKNOWN.
    """
    acquisition = series.acquisition
    words = set(re.split(r"[^A-Z]+", acquisition.body_part_examined)) - {""}
    if words & HEAD_WORDS or acquisition.anatomic_region_code in HEAD_CODES:
        raise SeriesRefusedError("HEAD_HELD_FOR_REVIEW", "BodyPartExamined=head, neck or whole body")
    if not words and not acquisition.anatomic_region_code:
        raise SeriesRefusedError("BODY_PART_UNKNOWN", "BodyPartExamined=absent")
