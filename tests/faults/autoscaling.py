"""Ray's autoscaler with machines that are Ray processes on this one, by Ray's own provider of fake ones.

`ray.cluster_utils.AutoscalingCluster` does the same, but ends every Ray of the computer first, and reads a file that
Ray's package does not ship.
"""

import json
import os
import socket
from pathlib import Path

import ray
from ray.autoscaler._private.fake_multi_node.node_provider import FAKE_HEAD_NODE_ID

IDLE_MINUTES = 0.1
ON_ONE_HOST = ("use_node_id_as_ip", "disable_node_updaters", "disable_launch_config_check")
"""Settings of the provider: the machines have one address, and nothing is to be installed on them."""
COMMANDS = ("initialization", "setup", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray")


def autoscaled(machines: int, store_bytes: int) -> dict[str, object]:
    """Return the arguments of a head that adds up to so many machines, with 2 CPUs and 1 GPU, and removes idle ones."""
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    address = f"{ray.util.get_node_ip_address()}:{port}"
    resources = {"CPU": 2, "GPU": 1, "object_store_memory": store_bytes}
    config = {
        "cluster_name": "test",
        "max_workers": machines,
        "upscaling_speed": 1.0,
        "idle_timeout_minutes": IDLE_MINUTES,
        "provider": {"type": "fake_multinode", "gcs_address": address, **dict.fromkeys(ON_ONE_HOST, True)},
        "head_node_type": "ray.head.default",
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "gpu": {"resources": resources, "node_config": {}, "min_workers": 0, "max_workers": machines},
        },
        "auth": {},
        "file_mounts": {},
        "cluster_synced_files": [],
        **{f"{commands}_commands": [] for commands in COMMANDS},
    }
    path = Path(os.environ["WHISPERX_BATCH_TEST_SLEEPS"], "autoscaler.json")
    path.write_text(json.dumps(config))
    os.environ |= {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"}
    os.environ["RAY_OVERRIDE_NODE_ID_FOR_TESTING"] = FAKE_HEAD_NODE_ID
    return {"autoscaling_config": str(path), "gcs_server_port": port}
