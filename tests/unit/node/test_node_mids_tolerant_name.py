"""Names of three origins: draft, reference implementation, profile."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from myofed_node.mids.validation.tolerant_name import name_of
from myofed_schemas.mids import Part, Suffix

FOLDER = PurePosixPath("sub-A/ses-1/mr-anat")


@pytest.mark.parametrize(
    ("stem", "prefix", "session", "part", "kind"),
    [
        ("sub-A_ses-1_run-2_part-phase_MEGRE", "", "1", Part.PHASE, Suffix.MEGRE),
        ("sub-A_ses-1_part-mag_MEGRE", "", "1", None, Suffix.MEGRE),
        ("003_sub-A_mese", "003_", None, None, Suffix.MESE),
        ("sub-A_T1w-fs", "", None, None, Suffix.T1W_FS),
        ("sub-A_dess_echo", "", None, None, Suffix.DESS_ECHO),
        ("sub-A_DESS-FID", "", None, None, Suffix.DESS_FID),
        ("sub-A_acq-x_dess-fid", "", None, None, Suffix.DESS_FID),
        ("sub-A_MEGRE_RECO", "", None, None, None),
        ("sub-A_strain-rate-vec", "", None, None, None),
    ],
)
def test_name_is_taken_apart(
    stem: str, prefix: str, session: str | None, part: Part | None, kind: Suffix | None
) -> None:
    """Each part, and that draft or profile know it."""
    name = name_of(FOLDER / f"{stem}.nii.gz")
    assert name is not None
    assert (name.prefix, name.session, name.part, name.kind, name.is_known) == (prefix, session, part, kind, True)


@pytest.mark.parametrize(
    "stem", ["MEGRE", "sub-A", "sub-A_", "sub-Ä_T1w", "3_sub-A_T1w", "sub-A_T1w.json", "sub-A_T1w "]
)
def test_other_name_is_none(stem: str) -> None:
    """Another form is not guessed at."""
    assert name_of(FOLDER / f"{stem}.nii.gz") is None


@pytest.mark.parametrize(
    ("entities", "good"),
    [
        ("_run-2_part-phase", True),
        ("_acq-x_run-12", True),
        ("", True),
        ("_part-phase_run-2", False),
        ("_echo-1", False),
        ("_run-0", False),
        ("_part-abs", False),
    ],
)
def test_entities_of_the_profile_have_an_order(entities: str, good: bool) -> None:
    """acq, run, part."""
    name = name_of(FOLDER / f"sub-A_ses-1{entities}_MEGRE.json")
    assert name is not None
    assert name.has_entities_of_the_profile is good


def test_sibling_differs_by_its_part_alone() -> None:
    """Prefix, session, run and the suffix's spelling stay."""
    name = name_of(FOLDER / "003_sub-A_run-2_part-real_megre.nii.gz")
    assert name is not None
    assert name.magnitude == FOLDER / "003_sub-A_run-2_megre.nii.gz"
    assert name.with_part("imag") == FOLDER / "003_sub-A_run-2_part-imag_megre.nii.gz"
