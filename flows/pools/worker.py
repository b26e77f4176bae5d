"""The process that holds a stage's models: one Ray actor with a share of the machine."""

import gc
import logging
import os
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import ray
from prefect.context import TaskRunContext
from prefect.logging.handlers import APILogHandler
from prefect.states import State
from pydantic import SecretStr

from flows.pools.task_runner import Outcome, Sessions, flush
from tasks.align import AlignOptions
from tasks.alignment.selection import best_rung
from tasks.diarize import DiarizeOptions, diarizers
from tasks.models.cache import ModelOptions, go_offline, loads, share
from tasks.transcribe import TranscribeOptions
from tasks.whisper.loading import pipelines

LIBRARIES = ("tasks", "whisperx", "faster_whisper", "pyannote", "huggingface_hub", "transformers")


@dataclass(frozen=True)
class Models:
    """The options that say which models a batch needs; None for a stage that it leaves out."""

    models: ModelOptions
    transcribe: TranscribeOptions
    align: AlignOptions | None
    diarize: DiarizeOptions | None
    token: SecretStr | None = None
    """For the gated ones: the driver's, which a cluster's nodes need not have."""


@dataclass(frozen=True)
class ActorFacts:
    """What an actor tells of itself."""

    pid: int
    model_loads: dict[str, int]


def forward_logs() -> None:
    """Send what the stages' libraries warn of to the log of the task run, and so of the file, that it is about.

    That a task run has come through, its state says: a line more for each would be the most of what the server writes.
    """
    logging.getLogger("prefect.task_runs").addFilter(
        lambda record: not record.getMessage().startswith("Finished in state Completed")
    )
    handler = APILogHandler(logging.WARNING)
    handler.addFilter(lambda _: TaskRunContext.get() is not None)
    for library in LIBRARIES:
        # To a logger of its own that has no handler, WhisperX would add one that prints all it does.
        logging.getLogger(library).addHandler(handler)


class StageProcess:
    """Runs the tasks of its pool's stages, a few at a time, in one process whose models stay loaded.

    Not decorated with `ray.remote`: Ray then pickles it by value, with copies of the modules' state that it uses.
    """

    def __init__(self, parallel: int, threads: int, *, offline: bool = False) -> None:
        share.take(parallel, threads)
        # Here, where Ray comes by again after a restart; libraries that are not yet imported read both.
        if offline:
            go_offline()
        # It would tell its maker of each file: how long it is, and how many speakers were asked for.
        os.environ.setdefault("PYANNOTE_METRICS_ENABLED", "false")
        if threads:
            os.environ["OMP_NUM_THREADS"] = str(threads)
        forward_logs()
        self._sessions = Sessions()

    def load(self, stages: tuple[str, ...], batch: Models) -> None:
        """Load the models of these stages before the first file needs them."""
        if batch.token:
            os.environ["HF_TOKEN"] = batch.token.get_secret_value()
        gc.disable()  # it takes a sixth of the time that WhisperX's imports take, and finds nothing
        try:
            self._load(stages, batch)
        finally:
            gc.freeze()
            gc.enable()

    @staticmethod
    def _load(stages: tuple[str, ...], batch: Models) -> None:
        if "transcribe" in stages:
            pipelines(batch.transcribe, batch.models).fill()
        language = batch.transcribe.fixed_language
        if "align" in stages and batch.align and language:
            best_rung(language, batch.align.named(language, language), batch.transcribe, batch.models)
        if "diarize" in stages and batch.diarize:
            diarizers(batch.diarize.diarize_model, batch.models).fill()

    @ray.method(num_returns=2)
    def run(
        self,
        ticket: "list[ray.ObjectRef[Any]]",
        task_run_id: UUID,
        parameters: dict[str, Any],
        names: list[str],
        *values: State[Any],
    ) -> tuple[State[Any], Outcome]:
        """Run one task; `values` are the states of the upstream tasks that the parameters `names` take."""
        return self._sessions.run(ticket[0], task_run_id, parameters | dict(zip(names, values, strict=True)))

    @ray.method(concurrency_group="control")
    def facts(self) -> ActorFacts:
        """Send what Prefect still holds of states and logs, and return this actor's facts."""
        flush()
        stages = {stage: count for stage, count in loads.items() if stage in ("transcribe", "align", "diarize")}
        return ActorFacts(os.getpid(), stages)

    @ray.method(concurrency_group="control")
    def gpu_memory_free(self) -> float:
        """Return the share of its GPU's memory that no process uses; 1 without a GPU."""
        import torch  # here: an actor without models has no use for it

        if not torch.cuda.is_available():
            return 1.0
        free, total = torch.cuda.mem_get_info()
        return free / total


StageActor = ray.remote(concurrency_groups={"control": 1})(StageProcess)  # type: ignore[call-overload]
