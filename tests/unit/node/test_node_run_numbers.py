"""Names for new series: read from paths, planned names kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from site_factories import DIGEST, NOW_TEXT, Scan, uid

from myofed_node.run_numbers import RunNumbers, name_of
from myofed_node.store import FileRow, SeriesRow, SeriesState, SiteStore
from myofed_schemas.errors import MyofedError
from myofed_schemas.mids import ImageName, Suffix

IMAGE = str(Scan(1).name.image)


def test_name_of_another_form_is_refused() -> None:
    """Only names of the profile are renamed."""
    with pytest.raises(MyofedError, match="profile"):
        name_of("sub-S1/holiday.nii.gz")


@pytest.mark.parametrize("path", [IMAGE, str(Scan(1).name.sidecar)])
def test_image_and_sidecar_have_one_name(path: str) -> None:
    """The extension is no part of it."""
    assert name_of(path) == ImageName("S1", "A", Suffix.MEGRE)


def test_plan_of_a_killed_call_is_kept(tmp_path: Path) -> None:
    """A series whose name was taken before the kill gets the same name again."""
    store = SiteStore(tmp_path / "site.sqlite")
    store.create()
    store.begin_ingest("f" * 64, now=NOW_TEXT)
    planned = ImageName("S1", "A", Suffix.MEGRE, run=5)
    row = SeriesRow(uid(1), 1, SeriesState.VALIDATED, "OK", "S1", "A")
    store.plan_series(row, [FileRow(str(planned.image), uid(1), IMAGE, DIGEST)])
    assert RunNumbers(tmp_path, store, images=[(uid(1), IMAGE)]).name(IMAGE) == planned


def test_file_that_nobody_recorded_keeps_its_name(tmp_path: Path) -> None:
    """A name on disk is taken even when the store does not know it."""
    store = SiteStore(tmp_path / "site.sqlite")
    store.create()
    (tmp_path / IMAGE).parent.mkdir(parents=True)
    (tmp_path / IMAGE).touch()
    assert RunNumbers(tmp_path, store, images=[(uid(1), IMAGE)]).name(IMAGE).run == 2
