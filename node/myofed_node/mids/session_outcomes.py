"""The outcome of one series of a session, as the report tells it."""

from __future__ import annotations

from collections.abc import Sequence

from myofed_node.mids.layout import NamedImage, session_label
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_node.mids.session_reading import SeriesRead
from myofed_node.mids.session_task import Judged
from myofed_schemas.conversion import ConvertedImage, SeriesOutcome


def converted(item: SeriesRead, names: Sequence[NamedImage], images: tuple[ConvertedImage, ...]) -> Judged:
    """Of a series whose images lie in the data set.

    Args:
        item: As it was read.
        names: Of its images, or of those of all series that were joined.
        images: As they were written.
    """
    assert item.series is not None, "it was read"
    outcome = SeriesOutcome(
        number=1,
        series_instance_uid=item.uid,
        subject=names[0].name.subject,
        session=names[0].name.session,
        files=len(item.files),
        outcome="converted",
        code=None,
        evidence=tuple(f"{named.name.suffix}: {fact}" for named in names for fact in named.image.evidence),
        images=images,
    )
    return Judged(item.series.number, outcome)


def refused(item: SeriesRead, refusal: SeriesRefusedError) -> Judged:
    """Of a series that is skipped or quarantined."""
    known = item.series if item.series and refusal.code != "SUBJECT_LABEL_INVALID" else None
    outcome = SeriesOutcome(
        number=1,
        series_instance_uid=item.uid,
        subject=known.subject if known else None,
        session=session_label(known.study_uid) if known else None,
        files=len(item.files),
        outcome=refusal.outcome,
        code=refusal.code,
        evidence=refusal.evidence,
    )
    return Judged(item.series.number if item.series else 0, outcome)
