"""Flower's private names that four files of ours rely on: there, and with the signatures of 1.41.0."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import inspect
from pathlib import Path

import pytest

ADAPTERS = (
    "node/myofed_node/federation/flower_adapter.py",
    "coordinator/myofed_coordinator/federation/flower_adapter.py",
    "coordinator/myofed_coordinator/federation/replies.py",
    "coordinator/myofed_coordinator/federation/reply_pull.py",
)
PUBLIC = ("flwr.app", "flwr.clientapp", "flwr.serverapp", "flwr.simulation")
"""What Flower documents for authors of apps."""

SIGNATURES = {
    "flwr.supernode.runtime.run_clientapp:pull_task_input": "client",
    "flwr.supernode.runtime.run_clientapp:push_message": "client message context",
    "flwr.supernode.runtime.run_clientapp:push_task_output": "client context sub_status details",
    "flwr.supercore.runtime:RuntimeHttpClient.from_server_address": (
        "server_address insecure root_certificates interceptors retry_invoker"
    ),
    "flwr.supercore.runtime:RuntimeHttpClient.AcquireTask": "self request",
    "flwr.supercore.runtime:RuntimeHttpClient.SendTaskHeartbeat": "self request",
    "flwr.supercore.runtime:RuntimeHttpClient.PullObject": "self request",
    "flwr.supercore.runtime:RuntimeHttpClient.close": "self",
    "flwr.supercore.interceptors:RuntimeTokenHttpInterceptor": "token",
    "flwr.supercore.interceptors:RuntimeVersionHttpInterceptor": "component_name",
    "flwr.supercore.interceptors:SuperExecAuthHttpInterceptor": "master_secret protected_methods",
    "flwr.supercore.retry:RetryInvoker": (
        "wait_gen_factory recoverable_exceptions max_tries max_time on_success on_backoff on_giveup jitter "
        "should_giveup wait_function"
    ),
    "flwr.supercore.retry.retry_invoker:exponential": "base_delay multiplier max_delay",
    "flwr.supercore.control:ControlHttpClient.from_server_address": (
        "server_address insecure root_certificates interceptors retry_invoker"
    ),
    "flwr.supercore.control:ControlHttpClient.StartRun": "self request",
    "flwr.supercore.control:ControlHttpClient.StopRun": "self request",
    "flwr.supercore.control:ControlHttpClient.ListRuns": "self request",
    "flwr.supercore.control:ControlHttpClient.ListNodes": "self request",
    "flwr.supercore.control:ControlHttpClient.RegisterNode": "self request",
    "flwr.supercore.control:ControlHttpClient.UnregisterNode": "self request",
    "flwr.supercore.runtime:RuntimeHttpClient.PullMessages": "self request",
    "flwr.supercore.runtime:RuntimeHttpClient.ConfirmMessageReceived": "self request",
    "flwr.supercore.inflatable.inflatable_object:iterate_object_tree": "tree",
    "flwr.supercore.inflatable.inflatable_utils:inflate_object_from_contents": (
        "object_id object_contents keep_object_contents objects"
    ),
    "flwr.superlink.grid.http_grid:HttpGrid": "runtime_api_address insecure root_certificates token",
    "flwr.superlink.grid.http_grid:HttpGrid.run.fget": "self",
    "flwr.superlink.grid.http_grid:HttpGrid._runtime_client.fget": "self",
    "flwr.supercore.fab:Fab": "hash_str content verifications",
    "flwr.supercore.primitives.asymmetric:public_key_to_bytes": "public_key",
    "flwr.cli.build:build_fab_from_disk": "app",
    "flwr.common.serde:fab_to_proto": "fab",
    "flwr.common.serde:user_config_to_proto": "user_config",
}

FIELDS = {
    "flwr.proto.fleet_pb2:PushMessagesRequest": {"node", "messages_list", "message_object_trees"},
    "flwr.proto.message_pb2:Message": {"metadata"},
    "flwr.proto.message_pb2:Metadata": {"src_node_id", "reply_to_message_id", "message_id"},
    "flwr.proto.message_pb2:ObjectTree": {"object_id", "children"},
    "flwr.proto.message_pb2:PullObjectRequest": {"node", "run_id", "object_id"},
    "flwr.proto.message_pb2:ConfirmMessageReceivedRequest": {"node", "run_id", "message_object_id"},
    "flwr.proto.runtime_pb2:PullAppMessagesRequest": {"message_ids"},
    "flwr.proto.runtime_pb2:PullAppMessagesResponse": {"messages_list", "message_object_trees"},
    "flwr.proto.runtime_pb2:AcquireTaskRequest": {"supported_task_types"},
    "flwr.proto.runtime_pb2:AcquireTaskResponse": {"task", "token"},
    "flwr.proto.message_pb2:PullObjectResponse": {"object_found", "object_available", "object_content"},
    "flwr.proto.control_pb2:RegisterNodeRequest": {"public_key", "name"},
    "flwr.proto.control_pb2:UnregisterNodeRequest": {"node_id"},
    "flwr.proto.control_pb2:ListNodesResponse": {"nodes_info"},
    "flwr.proto.node_pb2:NodeInfo": {"node_id", "public_key", "unregistered_at"},
    "flwr.proto.control_pb2:StartRunRequest": {"fab", "override_config", "federation"},
    "flwr.proto.control_pb2:StartRunResponse": {"run_id"},
    "flwr.proto.control_pb2:StopRunRequest": {"run_id"},
    "flwr.proto.control_pb2:ListRunsRequest": {"run_id"},
    "flwr.proto.control_pb2:ListRunsResponse": {"run_dict"},
    "flwr.proto.run_pb2:RunStatus": {"status"},
    "flwr.proto.fleet_pb2:PullMessagesResponse": {"messages_list", "message_object_trees"},
}

VALUES = {
    "flwr.common.constant:ErrorCode.CLIENT_APP_RAISED_EXCEPTION": 2,
    "flwr.common.constant:ErrorCode.LOAD_CLIENT_APP_EXCEPTION": 1,
    "flwr.common.constant:ErrorCode.MESSAGE_UNAVAILABLE": 3,
    "flwr.common.constant:ErrorCode.REPLY_MESSAGE_UNAVAILABLE": 4,
    "flwr.common.constant:ErrorCode.NODE_UNAVAILABLE": 5,
    "flwr.common.constant:ErrorCode.INVALID_FAB": 7,
    "flwr.common.constant:ErrorCode.CLIENT_APP_CRASHED": 8,
    "flwr.common.constant:SubStatus.COMPLETED": "completed",
    "flwr.common.constant:SubStatus.FAILED": "failed",
    "flwr.common.constant:Status.FINISHED": "finished",
    "flwr.supercore.constant:FLEET_HTTP_PUBLIC_KEY_HEADER": "flwr-public-key",
    "flwr.supercore.constant:FLEET_HTTP_SIGNATURE_HEADER": "flwr-signature",
    "flwr.common.constant:TIMESTAMP_HEADER": "flwr-timestamp",
    "flwr.common.constant:HEARTBEAT_DEFAULT_INTERVAL": 30,
}


def named(name: str) -> object:
    module, _, path = name.partition(":")
    found: object = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


def test_flower_is_the_pinned_version() -> None:
    """Everything below was read in this version's source."""
    assert importlib.metadata.version("flwr") == "1.41.0"


@pytest.mark.parametrize("name", SIGNATURES)
def test_private_name_has_the_signature_we_call(name: str) -> None:
    """A parameter that is renamed, added or gone shows here and not in a hospital."""
    assert " ".join(inspect.signature(named(name)).parameters) == SIGNATURES[name]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FIELDS)
def test_message_has_the_fields_we_read_and_write(name: str) -> None:
    """Protocol buffers give a default for a field that is gone; this test does not."""
    descriptor = named(name).DESCRIPTOR  # type: ignore[attr-defined]
    assert FIELDS[name] <= {field.name for field in descriptor.fields}


@pytest.mark.parametrize("name", VALUES)
def test_constant_has_the_value_that_we_wrote_down(name: str) -> None:
    """Codes of errors, headers and states."""
    assert named(name) == VALUES[name]


def test_private_names_are_imported_in_the_adapters_only(repository: Path) -> None:
    """Every other file uses what Flower documents; the adapters use nothing that is not listed above."""
    listed = {name.partition(":")[0] for name in (*SIGNATURES, *FIELDS, *VALUES)}
    for root in ("node", "coordinator", "schemas", "anonymization", "deploy"):
        for path in (repository / root).rglob("*.py"):
            private = {m for m in flower_modules(path) if m not in PUBLIC}
            relative = str(path.relative_to(repository))
            assert not private or relative in ADAPTERS, f"{relative} imports {private}"
            assert private <= listed, f"{relative} imports {private - listed}, which no contract covers"


def flower_modules(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    found = {
        n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module and n.module.startswith("flwr")
    }
    plain = (a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names if a.name.startswith("flwr"))
    return found | set(plain)


def test_supernode_makes_exactly_the_ten_calls_that_we_pass() -> None:
    """The client of a SuperNode knows these paths; registration is not among those that a registered node needs."""
    from flwr.supernode import fleet_http_client

    from myofed_schemas.federation import FLEET_PATHS

    source = inspect.getsource(fleet_http_client)
    known = {line.split('"')[1] for line in source.splitlines() if '"/v1/fleet/' in line}
    assert known - set(FLEET_PATHS) == {"/v1/fleet/register-node", "/v1/fleet/unregister-node"}
    assert set(FLEET_PATHS) <= known


def test_supernode_sends_only_headers_that_we_pass() -> None:
    """What its interceptors add is on our list."""
    from flwr.supercore.runtime_version_compatibility import RuntimeVersionMetadata

    from myofed_schemas.federation import FLEET_HEADERS

    added = dict(RuntimeVersionMetadata.from_local_component("SuperNode").as_metadata())
    assert set(added) <= set(FLEET_HEADERS)


def test_answer_without_a_message_is_shorter_than_one_with_a_message() -> None:
    """The sites' port holds an empty poll; it knows it by its length."""
    from flwr.proto.fleet_pb2 import PullMessagesResponse
    from flwr.proto.message_pb2 import ObjectTree

    from myofed_coordinator.federation.engine_proxy import EMPTY_PULL_BYTES

    assert len(PullMessagesResponse().SerializeToString()) < EMPTY_PULL_BYTES
    with_message = PullMessagesResponse(message_object_trees=[ObjectTree(object_id="0" * 64)])
    assert len(with_message.SerializeToString()) >= EMPTY_PULL_BYTES
