"""The Ray actor that holds the models of a pool's stages and runs their tasks."""

import gc
import logging
import os
import sys
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psutil
import ray
from prefect.context import TaskRunContext
from prefect.logging.handlers import APILogHandler
from prefect.states import State
from pydantic import SecretStr

from flows.host.usage import Usage, UsageMeter
from flows.pools.outcome import Outcome
from flows.pools.task_engine import Sessions
from flows.pools.warm.kept_set import KeptSet
from flows.pools.warm.policy import WarmPolicy
from flows.pools.warm.tenure import Tenure
from flows.services.prefect_events import flush, forget_workers
from tasks.align import AlignOptions
from tasks.alignment.selection import forget_failures, select_timing_method
from tasks.diarization.loading import diarizers
from tasks.diarize import DiarizeOptions
from tasks.models.cache import forget_calls, load_counts
from tasks.models.compute_limits import compute_limits
from tasks.models.options import ModelOptions, decline_statistics, go_offline
from tasks.storage.filesystems import forget_filesystems
from tasks.transcribe import TranscribeOptions
from tasks.transcribe_again import SecondPassOptions
from tasks.whisper.loading import pipelines, whisper_model

LIBRARIES = ("tasks", "whisperx", "faster_whisper", "pyannote", "huggingface_hub", "transformers")


@dataclass(frozen=True)
class ActorOptions:
    """The options that determine which models a batch needs; None for a stage that it leaves out."""

    models: ModelOptions
    transcribe: TranscribeOptions
    align: AlignOptions | None
    diarize: DiarizeOptions | None
    token: SecretStr | None = None
    """The driver's Hugging Face token, for gated models: the nodes of a cluster may have none."""
    second_pass: SecondPassOptions | None = None
    warm: WarmPolicy | None = None
    """None: nothing of earlier runs is taken over, and nothing stays."""


@dataclass(frozen=True)
class ActorFacts:
    """What an actor reports of itself."""

    pid: int
    model_loads: dict[str, int]


def forward_logs() -> None:
    """Send warnings of the stages' libraries to the log of the task run, and so of the file, that they concern.

    Prefect's line for each completed task run is dropped: its state says the same, and these lines would be most of
    what the server writes.
    """
    logging.getLogger("prefect.task_runs").addFilter(
        lambda record: not record.getMessage().startswith("Finished in state Completed")
    )
    handler = APILogHandler(logging.WARNING)
    handler.addFilter(lambda _: TaskRunContext.get() is not None)
    for library in LIBRARIES:
        # WhisperX would add a handler that prints everything to its logger if that had none.
        logging.getLogger(library).addHandler(handler)


class StageProcess:
    """Runs the tasks of its pool's stages, a few at a time, in one process whose models stay loaded.

    Not decorated with `ray.remote`: Ray would then pickle it by value, with copies of the modules' state that it uses.
    """

    def __init__(self, parallel: int, threads: int, *, offline: bool = False, kept_set: str = "") -> None:
        """`kept_set` is the name of its set if that may stay after the run."""
        compute_limits.configure(parallel, threads)
        # Here, because Ray runs it again after a restart; libraries that are not yet imported read both.
        if offline:
            go_offline()
        decline_statistics()
        if threads:
            os.environ["OMP_NUM_THREADS"] = str(threads)
            if "torch" in sys.modules:  # a process that waited for this run; see pools/nodes/standby.py
                sys.modules["torch"].set_num_threads(threads)
        forward_logs()
        self._sessions = Sessions()
        self._meter = UsageMeter()
        self._tenure = Tenure(kept_set) if kept_set else None
        self._own_token = os.environ.get("HF_TOKEN")

    def load(self, stages: tuple[str, ...], options: ActorOptions) -> None:
        """Load the models of these stages before the first file needs them."""
        if self._tenure and options.warm:
            self._tenure.hold(options.warm.job)
        if options.token:
            os.environ["HF_TOKEN"] = options.token.get_secret_value()
        gc.disable()  # it takes a sixth of the time of WhisperX's imports, and finds nothing
        try:
            self._load(stages, options)
        finally:
            gc.freeze()
            gc.enable()

    @staticmethod
    def _load(stages: tuple[str, ...], options: ActorOptions) -> None:
        if "transcribe" in stages:
            pipelines(options.transcribe, options.models).fill()
        if "transcribe again" in stages and options.second_pass:
            whisper_model(options.second_pass.model_after(options.transcribe), options.models)
        language = options.transcribe.fixed_language
        if "align" in stages and options.align and language:
            select_timing_method(language, options.align.named(language, language), options.transcribe, options.models)
        if "diarize" in stages and options.diarize:
            diarizers(options.diarize.diarize_model, options.models).fill()

    @ray.method(num_returns=2)
    def run(
        self,
        ticket: "list[ray.ObjectRef[Any]]",
        task_run_id: UUID,
        parameters: dict[str, Any],
        names: list[str],
        *values: State[Any],
    ) -> tuple[State[Any], Outcome]:
        """Run one task; `values` are the states of upstream tasks, for the parameters `names`."""
        return self._sessions.run(ticket[0], task_run_id, parameters | dict(zip(names, values, strict=True)))

    @ray.method(concurrency_group="control")
    def facts(self) -> ActorFacts:
        """Send the states and logs that Prefect still holds, and return this actor's facts."""
        flush()
        stages = {stage: count for stage, count in load_counts.items() if stage in ("transcribe", "align", "diarize")}
        return ActorFacts(os.getpid(), stages)

    @ray.method(concurrency_group="control")
    def usage(self) -> Usage:
        """Return how busy its machine is."""
        return self._meter.read()

    @ray.method(concurrency_group="control")
    def hold(self, job: str) -> None:
        """Note that this run has it; see Tenure."""
        if self._tenure:
            self._tenure.hold(job)

    @ray.method(concurrency_group="control")
    def rest(self, kept: KeptSet) -> int | None:
        """Forget the run, but for its models, and wait for the next. Return the bytes of memory that this process has.

        None if it still works for the run, or ends with it.
        """
        if self._tenure is None or not self._sessions.close():
            return None
        os.environ.pop("HF_TOKEN", None)
        if self._own_token:
            os.environ["HF_TOKEN"] = self._own_token
        forget_failures()
        forget_calls()
        forget_filesystems()
        forget_workers()
        load_counts.clear()
        gc.collect()
        if "torch" in sys.modules:
            sys.modules["torch"].cuda.empty_cache()
        self._tenure.rest(kept)
        return int(psutil.Process().memory_info().rss)

    @ray.method(concurrency_group="control")
    def claim(self, job: str, before: float) -> KeptSet | None:
        """Take it for a run; see Tenure."""
        if self._tenure is None or (kept := self._tenure.claim(job, before)) is None:
            return None
        self._meter = UsageMeter()
        return kept

    @ray.method(concurrency_group="control")
    def gpu_memory_free(self) -> float:
        """Return the free share of its GPU's memory; 1 without a GPU."""
        import torch  # here: an actor without models does not need it

        if not torch.cuda.is_available():
            return 1.0
        free, total = torch.cuda.mem_get_info()
        return free / total


StageActor = ray.remote(concurrency_groups={"control": 1})(StageProcess)  # type: ignore[call-overload]
