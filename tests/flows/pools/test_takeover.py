"""flows/pools/warm/takeover.py; with real actors: tests/flows/pools/test_warm.py."""

from pathlib import Path

import pytest

from flows.config.inputs import Inputs
from flows.config.parameters import Batch
from flows.config.pools import PoolSettings
from flows.pools.sizing import plan_pools
from flows.pools.warm.kept_set import KeptSet
from flows.pools.warm.policy import WarmPolicy
from flows.pools.warm.takeover import leave
from flows.services.ray_cluster.node import Node
from tasks.models.options import ModelOptions
from tasks.models.registry import default_aligners
from tasks.transcribe import TranscribeOptions
from tasks.write import WriteOptions


def test_the_user_reads_that_pools_that_grow_hold_the_whole_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is reserved as long as they stay: a run beside them would wait for it."""
    monkeypatch.setattr("ray.get", lambda asked, **_: asked)
    node = Node(cpus=8, gpus=1)
    stages = {"load audio", "transcribe", "align", "write"}
    specs = plan_pools([node], PoolSettings(), stages, 100, cross_attention=False, use_gpus=True)
    kept = leave(WarmPolicy("job", "process", {}, ("a model",), 60.0), "set", node, specs, None, [])
    assert str(kept).startswith("a model (0.0 GB, 3 CPUs and 1 GPU) until ")


@pytest.mark.usefixtures("one_ray")
def test_an_aligner_that_was_fetched_anew_since_is_not_gone_on_with(tmp_path: Path) -> None:
    """One that WhisperX chooses for a language; one that only the later run finds is no obstacle."""

    def policy() -> WarmPolicy:
        models = ModelOptions(model_dir=str(tmp_path / "hub"))
        transcribe, write = TranscribeOptions(model=str(tmp_path / "whisper")), WriteOptions(output_dir="/out")
        batch = Batch(inputs=Inputs(inputs=["/in"]), write=write, transcribe=transcribe, models=models)
        return WarmPolicy.of(batch, None, keep=False)

    def fetched(content: str) -> None:
        folder = tmp_path / "hub" / f"models--{default_aligners()['pl'].replace('/', '--')}"
        blob, snapshot = folder / "blobs" / content, folder / "snapshots" / content
        for each in (blob.parent, snapshot, folder / "refs"):
            each.mkdir(parents=True, exist_ok=True)
        blob.write_text(content)
        (folder / "refs" / "main").write_text(content)
        (snapshot / "pytorch_model.bin").symlink_to(blob)

    (tmp_path / "whisper").mkdir()
    found = [policy()]
    for content in ("first", "other"):
        fetched(content)
        found.append(policy())
    sets = [KeptSet("set", "node", "process", each.models) for each in found]
    serves = [kept.serves("node", "process", each.models) for kept, each in zip(sets, found[1:], strict=False)]
    assert serves == [True, False]
    assert sets[2].serves("node", "process", policy().models)
