"""Every acquisition of a data set against the profile for it: pass, warn, fail, unknown, or not checked."""

from __future__ import annotations

from pathlib import Path

from myofed_node.protocol.acquisition import Acquisition, Unknown, acquisitions
from myofed_node.protocol.measures import MEASURES, Observation, field_strength, t1_bias
from myofed_node.protocol.profiles import Profiles
from myofed_node.protocol.wording import field, passing, with_unit
from myofed_schemas.protocol import (
    ChoiceLimit,
    Limit,
    LimitFinding,
    LimitVerdict,
    Profile,
    ProtocolReport,
    RangeLimit,
    SeriesCheck,
    SeriesVerdict,
    T1BiasLimit,
)
from myofed_schemas.protocol_quantities import QUANTITIES


def check(dataset: Path, profiles: Profiles) -> ProtocolReport:
    """What sidecars and headers of the data set say about how it was acquired; no voxel is read.

    Args:
        dataset: Folder that holds sub-*; made by any converter; it is only read.
        profiles: See `load_profiles`.

    Raises:
        MyofedError: DATASET_MISSING, the folder does not exist; DATASET_UNREADABLE.
    """
    series = tuple(check_acquisition(acquisition, profiles) for acquisition in acquisitions(dataset))
    return ProtocolReport(profiles=profiles.used, series=series)


def check_acquisition(acquisition: Acquisition, profiles: Profiles) -> SeriesCheck:
    """One acquisition against the profile that applies to it, if one does."""
    chosen = profiles.choose(acquisition)
    profile = chosen if isinstance(chosen, Profile) else None
    findings = tuple(f for limit in profile.limits if (f := _finding(limit, acquisition))) if profile else ()
    if isinstance(chosen, Unknown):
        verdict: SeriesVerdict = "unknown"
        reason = chosen.reason
    elif profile is None:
        verdict, reason = "not checked", _no_profile(acquisition, profiles)
    else:
        verdict = worst(findings)
        reason = "neither sidecar nor header tells anything that a limit asks" if verdict == "unknown" else ""
    return SeriesCheck(
        name=acquisition.name,
        images=acquisition.paths,
        suffixes=tuple(suffix.value for suffix in acquisition.suffixes),
        profile=profile.name if profile else None,
        purpose=profile.purpose if profile else None,
        verdict=verdict,
        reason=reason,
        caution=profile.caution if profile else "",
        findings=findings,
    )


def worst(findings: tuple[LimitFinding, ...]) -> SeriesVerdict:
    """The verdict on an acquisition: something unknown is a warning, nothing known is `unknown`."""
    verdicts = {finding.verdict for finding in findings}
    if verdicts <= {"unknown"}:
        return "unknown"
    if "fail" in verdicts:
        return "fail"
    return "warn" if verdicts & {"warn", "unknown"} else "pass"


def _no_profile(acquisition: Acquisition, profiles: Profiles) -> str:
    if not acquisition.suffixes:
        return "no profile: the image's suffix is not one of ORMIR-MIDS, profile myofed-1"
    named = any(set(one.profile.applies.suffixes) & set(acquisition.suffixes) for one in profiles.known)
    but = " of this number of echoes or kind of inversion" if named else ""
    return f"no profile is for {' and '.join(acquisition.suffixes)}{but}"


def _finding(limit: Limit, acquisition: Acquisition) -> LimitFinding | None:
    """None where the limit is for another field strength."""
    tesla = field_strength(acquisition)
    if limit.at_tesla and isinstance(tesla, float) and not limit.at_tesla.contains(tesla):
        return None
    if limit.at_tesla and isinstance(tesla, Unknown):
        observed: Observation = tesla
    elif isinstance(limit, T1BiasLimit):
        observed = t1_bias(acquisition, limit)
    else:
        observed = MEASURES[limit.quantity](acquisition)
    unit = QUANTITIES[limit.quantity].unit
    known = None if isinstance(observed, Unknown) else observed
    return LimitFinding(
        key=limit.key,
        quantity=limit.quantity,
        verdict="unknown" if known is None else _judge(limit, known),
        expected=f"{passing(limit)} {field(limit)}".strip(),
        found=observed.reason if isinstance(observed, Unknown) else with_unit(observed, unit),
        value=round(known, 6) if isinstance(known, float) else known,
        unit=unit,
        why=limit.why,
        source=limit.source,
        certainty=limit.certainty,
    )


def _judge(limit: RangeLimit | ChoiceLimit, value: float | str) -> LimitVerdict:
    if isinstance(limit, ChoiceLimit):
        return limit.judge(str(value))
    return limit.judge(float(value))
