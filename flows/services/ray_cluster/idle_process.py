"""Idle processes of Ray that wait for an actor, and may call a function meanwhile.

Ray's Python interface has no call that starts one for any job, nor one that sets the function for a single actor. The
request, the variable, and that an idle process is given to an actor with the same runtime environment, are Ray's
internals; tests/flows/pools/test_standby.py holds the contract.
"""

import logging
from typing import Any

from ray._private import ray_constants
from ray._private.grpc_utils import grpc, init_grpc_channel  # type: ignore[attr-defined] # Ray has grpc, we do not
from ray._private.utils import get_runtime_env_info, parse_runtime_env_for_task_or_actor
from ray.core.generated import common_pb2, node_manager_pb2, node_manager_pb2_grpc

from flows.services.ray_cluster.node import Node

PrestartWorkersRequest: Any = node_manager_pb2.PrestartWorkersRequest  # type: ignore[attr-defined]
NodeManagerServiceStub: Any = node_manager_pb2_grpc.NodeManagerServiceStub
PYTHON: Any = common_pb2.Language.PYTHON  # type: ignore[attr-defined]
WAITS_S = 7 * 24 * 3600
"""How long it waits in any case. Ray ends idle processes while the CPUs are reserved, as they are for a moment before
the actor is started; afterwards it may do so."""
ANSWER_S = 2.0

logger = logging.getLogger(__name__)


def runtime_env_with(variables: dict[str, str], function: str) -> dict[str, dict[str, str]]:
    """Return Ray's `runtime_env` for a process with these variables that calls a function, `module.name`, at first."""
    return {"env_vars": {**variables, ray_constants.WORKER_PROCESS_SETUP_HOOK_ENV_VAR: function}}


def start_idle_process(node: Node, runtime_env: dict[str, Any]) -> None:
    """Let Ray start a process on this machine for an actor with this `runtime_env`, if it answers there."""
    request = PrestartWorkersRequest(
        language=PYTHON,
        runtime_env_info=get_runtime_env_info(parse_runtime_env_for_task_or_actor(runtime_env)),
        keep_alive_duration_secs=WAITS_S,
        num_workers=1,
    )
    try:
        with init_grpc_channel(f"{node.host}:{node.port}", ray_constants.GLOBAL_GRPC_OPTIONS) as channel:
            NodeManagerServiceStub(channel).PrestartWorkers(request, timeout=ANSWER_S)
    except grpc.RpcError as error:
        logger.info("no process waits for the next run on %s: %s", node, error)
