"""Verdicts of the comparison of converters, and its page."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("dcm2niix", reason="dcm2niix is not installed in this environment")

from bench.convert_right import TOOLS, page
from bench.converters import Output, Run, verdict
from bench.source_truth import volumes_of

from myofed_demo.vendor_matrix import STYLES, ImageTruth, cases_of, make_exam, write_case
from myofed_schemas.mids import Part, Suffix

NAMES = frozenset({(Suffix.T1W, Part.MAG)})


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> tuple[ImageTruth, ...]:
    """A T1-weighted series, read from its files."""
    case = next(c for c in cases_of(STYLES[0]) if c.protocol.name == "t1w")
    folder = tmp_path_factory.mktemp("t1w")
    write_case(folder, make_exam("right"), case)
    return volumes_of(folder)


def written(volumes: tuple[ImageTruth, ...], folder: Path, *, name: str | None = "t1w", echo: float = 11.0) -> Run:
    path = folder / "image.nii"
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volumes[0].affine_lps
    nib.save(nib.Nifti1Image(volumes[0].values.astype(np.float32), affine), path)
    return Run((Output(path, (name, "mag") if name else None, (echo,)),), 0)


def test_files_are_read_as_the_generator_wrote_them(volumes: tuple[ImageTruth, ...]) -> None:
    """One volume with its echo time, where the generator's affine has it."""
    case = next(c for c in cases_of(STYLES[0]) if c.protocol.name == "t1w")
    assert [v.echo_times_ms for v in volumes] == [(11.0,)]
    assert np.allclose(volumes[0].affine_lps, case.volumes[0].affine_lps, atol=1e-5)


def test_right_needs_place_value_echo_time_and_name(volumes: tuple[ImageTruth, ...], tmp_path: Path) -> None:
    """A converter that names nothing is judged without a name."""
    assert verdict(written(volumes, tmp_path), volumes, NAMES) == "right"
    assert verdict(written(volumes, tmp_path, name=None), volumes, NAMES) == "right"
    assert verdict(written(volumes, tmp_path, name="mese"), volumes, NAMES) == "wrong: wrong suffix mese"
    assert verdict(written(volumes, tmp_path, echo=0.011), volumes, NAMES) == "wrong: wrong echo time"
    assert verdict(written(volumes, tmp_path), (*volumes, *volumes), NAMES) == "wrong: 1 of 2 volumes lost"


def test_nothing_written_is_lost_silently_unless_the_exit_code_says_so(volumes: tuple[ImageTruth, ...]) -> None:
    """An exit code of 0 claims success."""
    assert verdict(Run((), 0), volumes, NAMES) == "lost silently"
    assert verdict(Run((), 2), volumes, NAMES) == "refused"


def test_page_counts_and_lists_every_series() -> None:
    """Codes are set apart; every row has a column a tool."""
    row = {"case": "ge b0", "myofed": "refused: REPEATED_POSITIONS", "dcm2niix": "right", "dcm2omids": "lost silently"}
    counts = {tool: Counter({row[tool].split(":")[0]: 1}) for tool in TOOLS}
    text = page([row], counts)
    assert "| ge b0 | refused: `REPEATED_POSITIONS` | right | lost silently |" in text
    assert "| refused | 1 | 0 | 0 |" in text
