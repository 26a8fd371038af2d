"""The engine is brought in line with what is decided; one bad node stops nobody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from coordinator_factories import NOW, FakeSite

from myofed_coordinator.federation.engine import EngineNode, NodeRefusedError
from myofed_coordinator.runs.reconcile import Reconciler
from myofed_coordinator.services import Services


@dataclass
class FakeControl:
    """An engine that keeps what it is told, and refuses the keys of some sites."""

    refuses: frozenset[str] = frozenset()
    registered: list[str] = field(default_factory=list)
    known: list[EngineNode] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)

    def nodes(self) -> list[EngineNode]:
        return self.known

    def register(self, openssh_public_key: str, *, name: str) -> None:
        if name in self.refuses:
            raise NodeRefusedError(name)
        self.registered.append(name)

    def unregister(self, node_id: int) -> None:
        self.dropped.append(node_id)

    def start(self, config: Mapping[str, str]) -> int:
        raise AssertionError("no run was ordered")

    def has_ended(self, engine_run: int) -> bool:
        raise AssertionError("no run was ordered")

    def stop(self, engine_run: int) -> None:
        raise AssertionError("no run was ordered")


def test_node_key_that_the_engine_refuses_stops_neither_other_nodes_nor_runs(
    services: Services, enrol: Callable[[str], FakeSite]
) -> None:
    """It is in the audit chain once; the other sites are registered and the step goes on."""
    enrol("hospital-a")
    enrol("hospital-b")
    control = FakeControl(refuses=frozenset({"hospital-a"}))
    reconciler = Reconciler(services, control, now=lambda: NOW)
    reconciler.step()
    reconciler.step()
    assert control.registered == ["hospital-b"]
    refused = [e for e in services.audit.entries() if e.action == "ENGINE_NODE_REFUSED"]
    assert [e.subject for e in refused] == ["hospital-a"]


def test_node_of_a_site_that_is_not_approved_is_taken_out_of_the_engine(services: Services) -> None:
    """The engine knows the approved sites' nodes and no other."""
    control = FakeControl(known=[EngineNode(7, "ab" * 32)])
    Reconciler(services, control, now=lambda: NOW).step()
    assert control.dropped == [7]
