"""The measures in Prometheus' text form (exposition format 0.0.4); names of sites are the only text in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import version

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from myofed_coordinator.health.measures import MachineNumbers, Measures, RunNumbers, SiteNumbers


def exposition(take: Callable[[], Measures]) -> bytes:
    """What `/metrics` answers: numbers of this moment, from a registry of its own (nothing of the process itself)."""
    registry = CollectorRegistry()
    registry.register(_Numbers(take))
    return generate_latest(registry)


class _Numbers(Collector):
    def __init__(self, take: Callable[[], Measures]) -> None:
        self._take = take

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing is measured when the collector is registered."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The families, measured now."""
        measures = self._take()
        yield _labelled("myofed_build_info", "Release that runs.", "version", {version("myofed"): 1})
        yield from _machine(measures.machine)
        answers = measures.database_latency_s is not None
        yield GaugeMetricFamily("myofed_database_up", "1 where the database answers.", int(answers))
        if measures.database_latency_s is not None:
            help_text = "Time of the smallest question to the database."
            yield GaugeMetricFamily("myofed_database_latency_seconds", help_text, measures.database_latency_s)
        if measures.sites is not None:
            yield from _sites(measures.sites)
        yield from _runs(measures.runs)


def _machine(machine: MachineNumbers) -> Iterator[GaugeMetricFamily]:
    yield _labelled(
        "myofed_certificate_days_left",
        "Days that a certificate of the coordinator lasts.",
        "certificate",
        machine.certificate_days,
    )
    yield GaugeMetricFamily("myofed_disk_free_bytes", "Free on the home's disk.", machine.disk_free_bytes)
    if machine.audit_entries is not None:
        yield GaugeMetricFamily("myofed_audit_entries", "Length of the audit chain.", machine.audit_entries)
    ready = {name: int(state) for name, state in machine.services.items()}
    yield _labelled("myofed_service_ready", "1 where a process of `up` is ready.", "service", ready)


def _sites(sites: SiteNumbers) -> Iterator[GaugeMetricFamily]:
    yield _labelled("myofed_sites", "Sites by state.", "state", sites.by_state)
    yield _labelled(
        "myofed_site_contact_age_seconds",
        "Time since an approved site was last heard of.",
        "site",
        sites.contact_age_s,
    )
    yield _labelled(
        "myofed_site_certificate_days_left",
        "Days that the newest certificate of an approved site lasts.",
        "site",
        sites.certificate_days,
    )


def _runs(runs: RunNumbers) -> Iterator[GaugeMetricFamily]:
    yield _labelled("myofed_runs", "Runs by state.", "state", runs.by_state)
    yield GaugeMetricFamily("myofed_run_queue", "Runs that wait for the engine.", runs.by_state["submitted"])
    yield GaugeMetricFamily("myofed_rounds_finished", "Rounds that all runs have finished.", runs.rounds)


def _labelled(name: str, text: str, label: str, values: dict[str, float] | dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in sorted(values.items()):
        family.add_metric([value], number)
    return family
