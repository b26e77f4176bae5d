"""flows/services/ray_cluster/idle_process.py; what Ray does with a request: tests/flows/pools/test_standby.py."""

import socket

import pytest
from loopback import free_port

from flows.services.ray_cluster.idle_process import start_idle_process
from flows.services.ray_cluster.node import Node


def test_a_machine_is_not_asked_by_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Ray's own channels: a proxy reaches no machine of the cluster. Without an answer the run goes on."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.setblocking(False)
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
            monkeypatch.delenv(name, raising=False)
        start_idle_process(Node(cpus=1, gpus=0, host="127.0.0.1", port=free_port()), {"env_vars": {"NAME": "value"}})
        with pytest.raises(BlockingIOError):
            proxy.accept()
