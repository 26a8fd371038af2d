"""What a demonstration showed: the document of `--json` and the table a person reads."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

DEMO_NOTE = (
    "DEMONSTRATION on synthetic patients: the sites' policy is marked 'demo' (fewer than 10 subjects may train, counts "
    "are neither suppressed nor rounded). Never use it for patients."
)


@dataclass(frozen=True)
class SiteCounts:
    """What became of one hospital's delivery.

    Attributes:
        name: The site.
        received: Series that arrived.
        converted: Series in the data set.
        skipped: Series left out by rule (localizers ...).
        quarantined: Series held back with a code.
        subjects: Subjects in the data set.
    """

    name: str
    received: int
    converted: int
    skipped: int
    quarantined: int
    subjects: int


@dataclass(frozen=True)
class DiceTable:
    """Mean Dice over muscles and test subjects that no training saw; all models on the same subjects.

    Attributes:
        federated: Site -> Dice of the federated model on that site's test subjects.
        single_home: Site -> Dice of the site's own model at home.
        single_elsewhere: Site -> Dice of that site's own model on the OTHER sites' test subjects.
        federated_elsewhere: Site -> Dice of the federated model on those same subjects.
        split_sha256: Digest over the sites' test subjects.
        federated_steps: Optimiser steps each site did in the federated run.
        single_steps: Optimiser steps of each site's own model.
    """

    federated: dict[str, float]
    single_home: dict[str, float]
    single_elsewhere: dict[str, float]
    federated_elsewhere: dict[str, float]
    split_sha256: str
    federated_steps: int
    single_steps: int

    @property
    def federated_mean(self) -> float:
        """Mean over sites of the federated model."""
        return sum(self.federated.values()) / len(self.federated)

    @property
    def gain_elsewhere(self) -> float:
        """How much the federated model is above the sites' own ones on the other sites' subjects, mean over sites."""
        gains = [self.federated_elsewhere[s] - self.single_elsewhere[s] for s in self.single_elsewhere]
        return sum(gains) / len(gains)


@dataclass(frozen=True)
class EgressCheck:
    """What left one site, by its own ledger and by what the coordinator received.

    Attributes:
        bytes: Bytes of request bodies in the site's ledger.
        requests: Requests in the ledger.
        received_bytes: Bytes of request bodies the sites' port received from this site.
        searched_bytes: Bytes of captured bodies that were searched.
        hits: Planted identities or voxels found in them.
    """

    bytes: int
    requests: int
    received_bytes: int
    searched_bytes: int
    hits: int


@dataclass(frozen=True)
class DemoResult:
    """Everything one demonstration showed."""

    seed: int
    duration_s: float
    sites: tuple[SiteCounts, ...]
    catalog: dict[str, Any]
    dice: DiceTable
    rounds: tuple[dict[str, Any], ...]
    model_path: str
    model_sha256: str
    egress: dict[str, EgressCheck]
    planted_leak_found: bool
    peak_memory_mb: int
    workdir: str
    note: str = field(default=DEMO_NOTE)

    def document(self) -> dict[str, Any]:
        """The document of `--json`, as docs and `interfaces.md` name its fields."""
        dice = self.dice
        return {
            "note": self.note,
            "seed": self.seed,
            "duration_s": round(self.duration_s, 1),
            "sites": [asdict(site) for site in self.sites],
            "catalog": self.catalog,
            "dice": {
                "federated": {"mean": dice.federated_mean, "per_site": dice.federated},
                "single_site_home": dice.single_home,
                "single_site_elsewhere": dice.single_elsewhere,
                "federated_elsewhere": dice.federated_elsewhere,
                "split_sha256": dice.split_sha256,
                "optimiser_steps": {"federated": dice.federated_steps, "single": dice.single_steps},
            },
            "rounds": list(self.rounds),
            "model": {"path": self.model_path, "sha256": self.model_sha256},
            "egress": {name: asdict(check) for name, check in self.egress.items()},
            "planted_leak_found": self.planted_leak_found,
            "peak_memory_mb": self.peak_memory_mb,
            "reports": {},
            "workdir": self.workdir,
        }


def print_tables(result: DemoResult, console: Console) -> None:
    """A person has read what came in, what was learnt, and what left."""
    console.print()
    console.print(_intake(result))
    console.print(_dice(result))
    console.print(_egress(result))
    dice = result.dice
    console.print(
        f"On the other sites' subjects the federated model is {dice.gain_elsewhere:+.3f} Dice from the sites' own models; "
        f"{dice.federated_steps} optimiser steps a site in both."
    )
    console.print(
        f"A leak planted on purpose was {'found' if result.planted_leak_found else 'NOT FOUND'} by the search."
    )
    console.print(f"Model  {result.model_path}  sha256 {result.model_sha256[:16]}...")
    console.print(f"Folder {result.workdir}")
    console.print(f"{result.duration_s:.0f} s, at most {result.peak_memory_mb} MB of memory in all processes.")
    console.print(f"[bold]{result.note}[/bold]")


def _intake(result: DemoResult) -> Table:
    table = Table("site", "series received", "converted", "skipped", "quarantined", "subjects", title="What came in")
    for site in result.sites:
        numbers = (site.received, site.converted, site.skipped, site.quarantined, site.subjects)
        table.add_row(site.name, *map(str, numbers))
    return table


def _dice(result: DemoResult) -> Table:
    dice = result.dice
    table = Table(
        "test subjects of",
        "federated",
        "own model at home",
        "own model elsewhere",
        "federated on the same",
        title="Mean Dice over muscles, on test subjects that no training saw",
    )
    for site in dice.federated:
        row = (dice.federated, dice.single_home, dice.single_elsewhere, dice.federated_elsewhere)
        table.add_row(site, *(f"{column[site]:.3f}" if site in column else "-" for column in row))
    table.add_row("mean", f"{dice.federated_mean:.3f}", "", "", "")
    return table


def _egress(result: DemoResult) -> Table:
    table = Table(
        "site",
        "requests",
        "bytes that left",
        "bytes received",
        "bytes searched",
        "leaks",
        title="What left each hospital",
    )
    for name, check in result.egress.items():
        numbers = (check.requests, check.bytes, check.received_bytes, check.searched_bytes, check.hits)
        table.add_row(name, *map(str, numbers))
    return table
