"""What a run may take over of earlier ones, and for how long its own actors stay."""

import hashlib
import json
import os
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import ray

import flows
import tasks
from flows.config.deadline import seconds_of
from flows.config.parameters import Batch
from tasks.models.fingerprints import cached_weights, revision
from tasks.models.registry import default_aligners, diarizer_parts
from tasks.whisper.loading import WhisperOptions


@dataclass(frozen=True)
class WarmPolicy:
    """A run that may take over kept sets."""

    job: str
    """Ray's identifier of the run's job."""
    process: str
    """A digest of what its actors are started with, but for the sizes of the pools."""
    models: Mapping[str, str]
    """A digest of each model that the run may load, by what it is used for."""
    labels: tuple[str, ...]
    """The models in words."""
    keep_s: float = 0.0
    """How long its own actors stay after it; 0: they end with it."""

    @classmethod
    def of(cls, batch: Batch, token: str | None, *, keep: bool) -> "WarmPolicy":
        """Return the policy of the present run; `token` is that of the Hugging Face Hub.

        `keep` says whether its actors can stay: not in a Ray that ends with this process.
        """
        labels = [f"Whisper {os.path.basename(name)}" for name in batch.whisper_models.values()]
        labels += [f"speakers by {os.path.basename(batch.diarize.diarize_model)}"] if batch.diarize else []
        return cls(
            ray.get_runtime_context().get_job_id(),
            digest([programs(), token, batch.models.model_dump(mode="json")]),
            {use: digest(found) for use, found in _models(batch).items()},
            tuple(dict.fromkeys(labels)),
            seconds_of(batch.run.keep_warm) if keep and batch.run.keep_warm else 0.0,
        )


def _models(batch: Batch) -> dict[str, Any]:
    """Return what identifies each model of a batch, and its weights, by what it is used for."""
    models, transcribe = batch.models, batch.transcribe

    def weights(name: str) -> str:
        return revision(name, models.model_dir, offline=models.model_cache_only)

    pipeline = transcribe.model_dump(mode="json", include=set(WhisperOptions.model_fields))
    found: dict[str, Any] = {"transcribe": [pipeline, weights(transcribe.model)]}
    if batch.second_pass:
        second = batch.second_pass.model_after(transcribe).model
        found["transcribe again"] = [second, weights(second)]
    if batch.align:
        found |= {f"align with {name}": weights(name) for name in batch.align.aligners().values()}
        # What is not there yet is loaded by whichever run needs it first.
        there = {language: cached_weights(name, models.model_dir) for language, name in default_aligners().items()}
        found |= {f"align {language}": each for language, each in there.items() if each}
    if batch.diarize:
        name = batch.diarize.diarize_model
        parts = diarizer_parts(name, models.model_dir, offline=models.model_cache_only)
        found["diarize"] = [name, weights(name), parts]
    return found


@cache
def programs() -> str:
    """Return a digest of this code, of Python, and of the packages that are installed beside it."""
    sources = [path for package in (flows, tasks) for path in sorted(Path(package.__path__[0]).rglob("*.py"))]
    # The time of a folder of packages changes when any is installed, removed or replaced by another version.
    installed = [os.stat(sysconfig.get_path(name)).st_mtime_ns for name in ("purelib", "platlib")]
    return digest([sys.version, sys.executable, installed, [path.read_text(encoding="utf-8") for path in sources]])


def digest(content: Any) -> str:
    """Return a digest of what JSON can hold."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
