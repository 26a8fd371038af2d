"""Names of images."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myofed_schemas.errors import MyofedError
from myofed_schemas.mids import ImageName, Part, Suffix

LABELS = st.from_regex(r"\A[A-Za-z0-9]{1,12}\Z")


@pytest.mark.parametrize(
    "stem",
    [
        "003_sub-A_ses-1_T1w",
        "sub-A_T1w",
        "sub-A_ses-1_BOLD",
        "sub-A_ses-1_run-0_T1w",
        "sub-A_ses-1_echo-1_MEGRE",
        "sub-A B_ses-1_T1w",
        "",
    ],
)
def test_name_of_another_convention_is_refused(stem: str) -> None:
    """Prefixes, missing sessions, unknown suffixes and BIDS' echo entity are no names of the profile."""
    with pytest.raises(MyofedError) as refusal:
        ImageName.parse(stem)
    assert refusal.value.code == "MIDS_NAME"


@settings(max_examples=30, deadline=None)
@given(
    subject=LABELS,
    session=LABELS,
    suffix=st.sampled_from(Suffix),
    part=st.none() | st.sampled_from(Part),
    run=st.integers(1, 99),
    acq=st.none() | LABELS,
)
def test_name_is_read_back_as_it_was_written(
    subject: str, session: str, suffix: Suffix, part: Part | None, run: int, acq: str | None
) -> None:
    """Every entity survives the file name."""
    name = ImageName(subject, session, suffix, part, run, acq)
    assert ImageName.parse(name.stem) == name


def test_suffix_is_read_without_regard_to_case() -> None:
    """The specification writes megre, the reference implementation MEGRE."""
    assert ImageName.parse("sub-A_ses-1_megre").suffix is Suffix.MEGRE


def test_path_follows_from_the_entities() -> None:
    """Run 1 and magnitude are not written; maps with a unit lie in mr-quant."""
    name = ImageName("A", "1", Suffix.MEGRE, Part.PHASE, 2)
    assert str(name.image) == "sub-A/ses-1/mr-anat/sub-A_ses-1_run-2_part-phase_MEGRE.nii.gz"
    assert str(ImageName("A", "1", Suffix.FF).sidecar) == "sub-A/ses-1/mr-quant/sub-A_ses-1_FF.json"
