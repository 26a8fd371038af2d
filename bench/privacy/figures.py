"""`python -m bench.privacy.figures`: what of bench/results/privacy.json a model card cites, into the coordinator's package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from myofed_schemas.files import write_atomically

REPOSITORY = Path(__file__).parents[2]
RESULT = REPOSITORY / "bench" / "results" / "privacy.json"
PACKAGED = REPOSITORY / "coordinator" / "myofed_coordinator" / "models" / "privacy_figures.json"
GAIN = 0.05
AUC = 0.60
FOUND = 0.03
INVERSIONS = {
    "defaults": "a round of 30 steps of 8 slices",
    "one_step": "a round of one step of 8 slices",
    "one_step_of_one_slice": "a round of one step of one slice",
}
MEMBERSHIPS = {
    "membership": "7 to 10 training subjects a site (the demonstration)",
    "membership_20": "20 training subjects a site",
    "membership_26": "26 training subjects a site",
}
ATTACKS = {"loss": "membership-by-loss", "calibrated": "membership-by-calibrated-loss"}


def cited(result: dict[str, Any]) -> dict[str, Any]:
    """The packaged document made from a whole result."""
    found: dict[str, float] = result["figures"]
    figures = [
        _figure("inversion", setting, "gain in SSIM over the best prior", _values(found, f"{part}.gain"), GAIN)
        for part, setting in INVERSIONS.items()
    ]
    for part, setting in MEMBERSHIPS.items():
        for attack, name in ATTACKS.items():
            key = f"{part}.{attack}_"
            figures.append(_figure(name, setting, "AUC", _values(found, f"{key}auc"), AUC))
            true = (found[f"{key}tpr_at_1_percent"], found[f"{key}tpr_low"], found[f"{key}tpr_high"])
            figures.append(_figure(name, setting, "members found at 1 % false alarms", true, FOUND))
    return {"schema_version": "myofed-privacy-figures-1", "commit": result["commit"], "figures": figures}


def main() -> None:
    """The packaged figures are those of the last whole result."""
    document = cited(json.loads(RESULT.read_text()))
    write_atomically(PACKAGED, (json.dumps(document, indent=1) + "\n").encode(), mode=0o644)


def _values(found: dict[str, float], key: str) -> tuple[float, float, float]:
    return found[key], found[f"{key}_low"], found[f"{key}_high"]


def _figure(
    attack: str, setting: str, measure: str, values: tuple[float, float, float], target: float
) -> dict[str, Any]:
    value, low, high = (round(v, 4) for v in values)
    named = {"attack": attack, "setting": setting, "measure": measure}
    return {**named, "value": value, "low": low, "high": high, "target": target}


if __name__ == "__main__":
    main()
