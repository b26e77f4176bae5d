"""flows/pools/warm/takeover.py; with real actors: tests/flows/pools/test_warm.py."""

import pytest

from flows.config.pools import PoolSettings
from flows.pools.sizing import plan_pools
from flows.pools.warm.policy import WarmPolicy
from flows.pools.warm.takeover import leave
from flows.services.ray_cluster.node import Node


def test_the_user_reads_that_pools_that_grow_hold_the_whole_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is reserved as long as they stay: a run beside them would wait for it."""
    monkeypatch.setattr("ray.get", lambda asked, **_: asked)
    node = Node(cpus=8, gpus=1)
    stages = {"load audio", "transcribe", "align", "write"}
    specs = plan_pools([node], PoolSettings(), stages, 100, cross_attention=False, use_gpus=True)
    kept = leave(WarmPolicy("job", "process", {}, ("a model",), 60.0), "set", node, specs, None, [])
    assert str(kept).startswith("a model (0.0 GB, 3 CPUs and 1 GPU) until ")
