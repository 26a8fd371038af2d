"""The only file of the coordinator that knows Flower's private names (1.41.0; tests/contract holds it to them).

It speaks the SuperLink's Control API on loopback from a process that stays, because each call of the public `flwr`
command costs 1.3 to 4 CPU seconds for its imports.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from flwr.cli.build import build_fab_from_disk
from flwr.common.serde import fab_to_proto, user_config_to_proto
from flwr.proto.control_pb2 import (
    ListNodesRequest,
    ListRunsRequest,
    RegisterNodeRequest,
    StartRunRequest,
    StopRunRequest,
    UnregisterNodeRequest,
)
from flwr.supercore.control import ControlHttpClient
from flwr.supercore.fab import Fab
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supercore.primitives.asymmetric import public_key_to_bytes

from myofed_coordinator.federation.engine import EngineNode, NodeRefusedError
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

COMPONENT = "flwr CLI"
FINISHED = "finished"
NODE_REFUSED = (httpx.codes.CONFLICT, httpx.codes.PRECONDITION_FAILED)
"""How the SuperLink says that a key is, or once was, registered."""


class EngineControl:
    """Registers nodes and starts runs at the SuperLink on this machine."""

    def __init__(self, address: str, *, ca: Path, bundle: Path) -> None:
        self._client = ControlHttpClient.from_server_address(
            server_address=address,
            insecure=False,
            root_certificates=ca.read_bytes(),
            interceptors=[RuntimeVersionHttpInterceptor(component_name=COMPONENT)],
        )
        content = build_fab_from_disk(bundle)
        self._bundle = Fab(hashlib.sha256(content).hexdigest(), content, {})

    def nodes(self) -> list[EngineNode]:
        """All nodes that are registered.

        Raises:
            MyofedError: ENGINE_AWAY.
        """
        with _engine_errors():
            answer = self._client.ListNodes(ListNodesRequest())
        return [
            EngineNode(node.node_id, hashlib.sha256(node.public_key).hexdigest())
            for node in answer.nodes_info
            if not node.unregistered_at
        ]

    def register(self, openssh_public_key: str, *, name: str) -> None:
        """The engine accepts the node with this key.

        Raises:
            NodeRefusedError: ENGINE_NODE_REFUSED: it never will.
            MyofedError: ENGINE_AWAY.
        """
        key = load_ssh_public_key(openssh_public_key.encode())
        assert isinstance(key, ec.EllipticCurvePublicKey)
        try:
            self._client.RegisterNode(RegisterNodeRequest(public_key=public_key_to_bytes(key), name=name))
        except httpx.HTTPStatusError as error:
            if error.response.status_code in NODE_REFUSED:
                raise NodeRefusedError(name) from None
            raise _away() from None
        except httpx.TransportError:
            raise _away() from None

    def unregister(self, node_id: int) -> None:
        """The engine does not accept this node any more.

        Raises:
            MyofedError: ENGINE_AWAY.
        """
        with _engine_errors():
            self._client.UnregisterNode(UnregisterNodeRequest(node_id=node_id))

    def start(self, config: Mapping[str, str]) -> int:
        """A run of the bundle has been accepted; Flower's number of it.

        Raises:
            MyofedError: ENGINE_AWAY.
        """
        request = StartRunRequest(
            fab=fab_to_proto(self._bundle), override_config=user_config_to_proto(dict(config)), federation=""
        )
        with _engine_errors():
            return int(self._client.StartRun(request).run_id)

    def has_ended(self, engine_run: int) -> bool:
        """The engine will do nothing more for this run; also where it does not know it.

        Raises:
            MyofedError: ENGINE_AWAY.
        """
        try:
            answer = self._client.ListRuns(ListRunsRequest(run_id=engine_run))
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.NOT_FOUND:
                return True
            raise _away() from None
        except httpx.TransportError:
            raise _away() from None
        return engine_run not in answer.run_dict or answer.run_dict[engine_run].status.status == FINISHED

    def stop(self, engine_run: int) -> None:
        """The engine's run is over; one that was over before is no error.

        Raises:
            MyofedError: ENGINE_AWAY.
        """
        if self.has_ended(engine_run):
            return
        with _engine_errors():
            self._client.StopRun(StopRunRequest(run_id=engine_run))

    def close(self) -> None:
        """No connection is open any more."""
        self._client.close()


@contextmanager
def _engine_errors() -> Iterator[None]:
    """Flower's answers to errors become one code; their text stays in the engine's own log."""
    try:
        yield
    except httpx.HTTPError:
        raise _away() from None


def _away() -> MyofedError:
    return MyofedError(
        "ENGINE_AWAY",
        "expected the engine on loopback to carry this out, found an error or no answer",
        hint="its log is run/logs/superlink.log",
        exit_code=ExitCode.NOT_RUNNING,
    )
