"""The stage subflows: each maps its task over the files that reach it, and hands each on as soon as it is through."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from prefect import Task, flow
from prefect.states import Cancelled, Completed, Failed, State

from flows.planning.file_run import FileRun
from flows.pools.task_runner import PoolFuture
from flows.streams import Stream
from tasks.align import AlignOptions, align
from tasks.diarize import DiarizeOptions, diarize
from tasks.load_audio import load_audio
from tasks.models.cache import ModelOptions
from tasks.storage.results import storage_of
from tasks.transcribe import TranscribeOptions, transcribe
from tasks.write import WriteOptions, write


@dataclass(frozen=True)
class Keeping:
    """Where the stages' results are kept, and whether those that are there are used."""

    folder: str
    refresh: bool

    def results_of(self, task: Task[..., Any]) -> Task[..., Any]:
        """Return the task with its results kept there."""
        return task.with_options(result_storage=storage_of(self.folder), refresh_cache=self.refresh)


# Prefect would validate the parameters, and so copy the streams; the batch has validated the options.
@flow(name="load audio", flow_run_name="load audio", validate_parameters=False)
def load_audio_files(upstream: Stream, downstream: list[Stream]) -> State[Any]:
    """Decode each file once."""
    return _map_files(load_audio, upstream, downstream, lambda _: {})


@flow(name="transcribe", flow_run_name="transcribe", validate_parameters=False)
def transcribe_files(
    upstream: Stream, downstream: list[Stream], options: TranscribeOptions, models: ModelOptions, keeping: Keeping
) -> State[Any]:
    """Find speech and write down what is said."""
    return _map_files(
        keeping.results_of(transcribe),
        upstream,
        downstream,
        lambda file: {
            "audio": file.futures["load audio"],
            "options": file.options.transcribing(options),
            "models": models,
        },
    )


@flow(name="align", flow_run_name="align", validate_parameters=False)
def align_files(
    upstream: Stream,
    downstream: list[Stream],
    options: AlignOptions,
    transcribe: TranscribeOptions,
    models: ModelOptions,
    keeping: Keeping,
) -> State[Any]:
    """Time the words."""
    return _map_files(
        keeping.results_of(align),
        upstream,
        downstream,
        lambda file: {
            "transcript": file.result_of("transcribe", keeping.folder),
            "audio": file.futures["load audio"],
            "options": options,
            "transcribe": transcribe,
            "models": models,
        },
    )


@flow(name="diarize", flow_run_name="diarize", validate_parameters=False)
def diarize_files(
    upstream: Stream, downstream: list[Stream], options: DiarizeOptions, models: ModelOptions, keeping: Keeping
) -> State[Any]:
    """Find who speaks when, beside transcription and alignment."""
    return _map_files(
        keeping.results_of(diarize),
        upstream,
        downstream,
        lambda file: {
            "audio": file.futures["load audio"],
            "options": file.options.diarizing(options),
            "models": models,
        },
    )


@flow(name="write", flow_run_name="write", validate_parameters=False)
def write_files(
    upstream: Stream,
    downstream: list[Stream],
    options: WriteOptions,
    keeping: Keeping,
    *,
    last: str,
    diarize: DiarizeOptions | None,
) -> State[Any]:
    """Join words and speakers, and write the outputs."""
    return _map_files(
        write,
        upstream,
        downstream,
        lambda file: {
            "pattern": file.pattern,
            "transcript": file.result_of(last, keeping.folder),
            "diarization": file.result_of("diarize", keeping.folder) if file.options.diarizing(diarize) else None,
            "options": options,
            "earlier": file.earlier,
            "ahead": file.ahead,
        },
    )


def _map_files(
    task: Task[..., Any],
    upstream: Stream,
    downstream: list[Stream],
    arguments: Callable[[FileRun], dict[str, Any]],
) -> State[Any]:
    """Submit the task for each file of `upstream`, and put each that comes through on every `downstream`.

    Returns the stage's final state, which counts. It is not made from the futures, as Prefect would: a flow that
    returns them keeps them all, and the driver must not grow with the number of files.
    """
    stage = task.name
    through = threading.Semaphore(0)
    states: list[str] = []

    def hand_on(file: FileRun, future: PoolFuture) -> None:
        try:
            outcome = future.outcome
            states.append(outcome.state.type.value)
            if outcome.error is None:
                for stream in downstream:
                    stream.put(file)
            elif not outcome.state.is_cancelled():
                file.report.failed(file, f"{stage}: {outcome.error}", lasting=outcome.lasting)
            file.report.stage_passed(file, stage, outcome.seconds)
        finally:
            through.release()

    files = 0
    for file in _missing(stage, upstream, downstream):
        future = cast(PoolFuture, task.submit(file=file.source, **arguments(file)))
        file.futures[stage] = future
        files += 1
        future.add_done_callback(partial(hand_on, file))
    for _ in range(files):
        through.acquire()
    for stream in downstream:
        stream.close(stage)
    completed = states.count("COMPLETED")
    if completed == files:
        return Completed(message=f"{files} files")
    ended = Cancelled if "CANCELLED" in states else Failed
    return ended(message=f"{files - completed} of {files} files did not come through")


def _missing(stage: str, upstream: Stream, downstream: list[Stream]) -> Iterator[FileRun]:
    """Yield the files that need the stage; hand on those that have its result from an earlier run."""
    for file in upstream.drain():
        if stage not in file.missing:
            for stream in downstream:
                stream.put(file)
        elif file.report.submitting(file):
            yield file
