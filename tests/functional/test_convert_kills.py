"""A seeded small sample of the kills of conversions, and the judge that looks at them."""

from __future__ import annotations

import pytest
from proofs.convert_kills import differences, half_files, killed_conversions

pytestmark = [pytest.mark.functional, pytest.mark.slow]
IMAGE, SIDECAR = "sub-A/ses-B/mr-anat/x_MEGRE.nii.gz", "sub-A/ses-B/mr-anat/x_MEGRE.json"
WANTED = {IMAGE: (b"whole", 0o600), SIDECAR: (b"{}", 0o600)}


def test_a_killed_conversion_that_runs_again_ends_like_an_undisturbed_one() -> None:
    """Three of the hundred kills of `make prove NAME=convert-kills`, on fewer sessions."""
    tried, failed = killed_conversions(3, seed=1, sessions=2)
    assert failed == []
    assert tried[0]["kills"] == 3


def test_the_judge_of_kills_finds_half_images_and_files_too_many() -> None:
    """At a kill a cut image and a lone sidecar are told, a temporary file is not; at the end everything is."""
    assert half_files({IMAGE: (b"whol", 0o600)}, WANTED) == ["not as an undisturbed run makes it: x_MEGRE.nii.gz"]
    assert half_files({SIDECAR: (b"{}", 0o600)}, WANTED) == ["a sidecar before its image: x_MEGRE.json"]
    left = {IMAGE: (b"whole", 0o600), "sub-A/ses-B/mr-anat/.x.json.1.tmp": (b"{", 0o600)}
    assert half_files(left, WANTED) == []
    assert differences(left, WANTED) == ["not there: x_MEGRE.json", "there, but should not be: .x.json.1.tmp"]
    assert differences(WANTED | {SIDECAR: (b"{}", 0o644)}, WANTED) == ["other content or mode: x_MEGRE.json"]
