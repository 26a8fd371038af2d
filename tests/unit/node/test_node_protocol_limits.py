"""Every limit of every shipped profile: a scan that passes it, one that breaks it, and what happens when nothing is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from protocol_factories import BREACHES, SCANS, SCANS_15T, checked, finding, put

from myofed_node.protocol.check import check
from myofed_node.protocol.profiles import KnownProfile, Profiles, load_profiles, shipped_profiles
from myofed_schemas.protocol import Applies, ChoiceLimit
from myofed_schemas.protocol_quantities import QUANTITIES, Quantity

LIMITS = [(profile.name, limit.key) for profile in shipped_profiles() for limit in profile.limits]


def _limit(name: str, key: str):
    return next(limit for limit in load_profiles().named(name).limits if limit.key == key)


STRUCTURAL = {Quantity.COMPONENTS, Quantity.PRODUCTS}
"""Told by which images are there, so that they are never unknown."""


def test_every_limit_has_a_breach_and_every_profile_a_scan() -> None:
    """A new limit cannot land without its examples, and none is left behind."""
    assert set(BREACHES) == set(LIMITS)
    assert set(SCANS) == {profile.name for profile in shipped_profiles()}


@pytest.mark.parametrize("name", SCANS)
def test_conforming_scan_passes_every_limit(tmp_path: Path, name: str) -> None:
    """At 3 T; the profile is the one that was meant."""
    series = checked(tmp_path, SCANS[name])
    assert series.profile == name
    assert {one.key: one.verdict for one in series.findings if one.verdict != "pass"} == {}
    assert series.verdict == "pass"


@pytest.mark.parametrize("name", SCANS_15T)
def test_conforming_scan_passes_at_1_5_tesla(tmp_path: Path, name: str) -> None:
    """Echo and inversion times of that field."""
    series = checked(tmp_path, SCANS_15T[name])
    assert (series.profile, series.verdict) == (name, "pass")


def test_between_3_and_1_5_tesla_every_limit_was_passed(tmp_path: Path) -> None:
    """Each limit is asked of at least one conforming scan."""
    scans = [(name, "3", scan) for name, scan in SCANS.items()] + [(n, "15", scan) for n, scan in SCANS_15T.items()]
    asked = {
        (name, one.key)
        for name, field, scan in scans
        for one in checked(tmp_path / f"{name}-{field}", scan).findings
        if one.verdict == "pass"
    }
    assert asked == set(LIMITS)


@pytest.mark.parametrize(("name", "key"), LIMITS)
def test_broken_limit_is_found_with_source_and_unit(tmp_path: Path, name: str, key: str) -> None:
    """With the verdict that was foreseen, in the unit of the quantity."""
    breach = BREACHES[name, key]
    series = checked(tmp_path, breach.scan)
    found = finding(series, key)
    assert (series.profile, found.verdict) == (name, breach.verdict)
    assert series.verdict == ("fail" if any(f.verdict == "fail" for f in series.findings) else "warn")
    assert found.unit == QUANTITIES[found.quantity].unit
    assert found.source
    assert isinstance(found.value, str) == isinstance(_limit(name, key), ChoiceLimit)


NEEDS: dict[Quantity, tuple[str, ...]] = {
    Quantity.FIELD_STRENGTH: ("MagneticFieldStrength",),
    Quantity.SCANNING_SEQUENCE: ("ScanningSequence",),
    Quantity.ACQUISITION_TYPE: ("MRAcquisitionType",),
    Quantity.ECHO_TIME: ("EchoTime",),
    Quantity.FIRST_ECHO_TIME: ("EchoTime",),
    Quantity.LAST_ECHO_TIME: ("EchoTime",),
    Quantity.ECHO_SPACING: ("EchoTime",),
    Quantity.ECHO_UNEVENNESS: ("EchoTime",),
    Quantity.WATER_FAT_STEP: ("EchoTime", "MagneticFieldStrength"),
    Quantity.HALF_CYCLE_ERROR: ("EchoTime", "MagneticFieldStrength"),
    Quantity.IN_PHASE_ERROR: ("EchoTime", "MagneticFieldStrength"),
    Quantity.OPPOSED_PHASE_ERROR: ("EchoTime", "MagneticFieldStrength"),
    Quantity.REPETITION_TIME: ("RepetitionTime",),
    Quantity.INVERSION_TIME: ("InversionTime",),
    Quantity.FLIP_ANGLE: ("FlipAngle",),
    Quantity.REFOCUSING_FLIP_ANGLE: ("RefocusingFlipAngle",),
    Quantity.T1_BIAS: ("FlipAngle", "RepetitionTime", "MagneticFieldStrength"),
    Quantity.SLICE_THICKNESS: ("SliceThickness",),
}
"""Keys of the sidecar without which a quantity is not known; the others come from the header or from names."""
FROM_HEADER = {Quantity.ECHO_COUNT, Quantity.IN_PLANE_RESOLUTION, Quantity.SLICE_SPACING}
AT_A_FIELD = [(name, key, "MagneticFieldStrength") for name, key in LIMITS if key.endswith(("_3t", "_15t"))]


def test_every_quantity_is_from_the_sidecar_from_the_header_or_from_names() -> None:
    """So that the tests below leave none out."""
    assert {*NEEDS, *FROM_HEADER, *STRUCTURAL} == set(Quantity)
    assert len(NEEDS) + len(FROM_HEADER) + len(STRUCTURAL) == len(Quantity)


@pytest.mark.parametrize(
    ("name", "key", "missing"),
    [(name, key, k) for name, key in LIMITS for k in NEEDS.get(_limit(name, key).quantity, ())] + AT_A_FIELD,
)
def test_limit_whose_key_is_missing_is_unknown(tmp_path: Path, name: str, key: str, missing: str) -> None:
    """It says which key, and the acquisition never passes."""
    scan = SCANS_15T[name] if key.endswith("_15t") else SCANS[name]
    bare = scan.having(**{missing: None})
    for image in bare.images:
        bare = bare.imaged(image, **{missing: None})
    series = checked(tmp_path, bare, alone(name))
    found = finding(series, key)
    assert (found.verdict, found.value, found.found) == ("unknown", None, f"{missing} is missing")
    assert series.verdict in {"warn", "fail"}


@pytest.mark.parametrize("name", SCANS)
def test_empty_sidecar_and_damaged_header_leave_every_limit_unknown(tmp_path: Path, name: str) -> None:
    """All limits are told, none of them passes but those on which images are there."""
    put(tmp_path, SCANS[name])
    for path in tmp_path.rglob("*.json"):
        path.write_text("{}")
    for path in tmp_path.rglob("*.nii.gz"):
        path.write_bytes(b"damaged")
    (series,) = check(tmp_path, alone(name)).series
    assert [one.key for one in series.findings] == [key for profile, key in LIMITS if profile == name]
    assert {one.verdict for one in series.findings if one.quantity not in STRUCTURAL} == {"unknown"}
    assert series.verdict == ("warn" if any(f.quantity in STRUCTURAL for f in series.findings) else "unknown")


def alone(name: str) -> Profiles:
    """The shipped profile for any acquisition with its suffixes, whatever its echoes and inversion."""
    profile = load_profiles().named(name)
    wide = profile.model_copy(update={"applies": Applies(suffixes=profile.applies.suffixes)})
    return Profiles((KnownProfile(wide, "site"),))
