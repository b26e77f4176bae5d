"""The stage subflows: each maps its task over the files that reach it, and hands each on as soon as it is finished.

Which stage takes what from which others is in the table in tasks/stage_table.py.
"""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast
from uuid import UUID

from prefect import Task, flow, runtime
from prefect.states import Cancelled, Completed, Failed, State
from ray.exceptions import RayError

from flows.links import Links
from flows.planning.file_run import FileRun
from flows.pools.task_runner import PoolFuture
from tasks.align import AlignOptions, align, align_again
from tasks.check import check, check_again
from tasks.diarize import DiarizeOptions, diarize
from tasks.load_audio import load_audio
from tasks.models.options import ModelOptions
from tasks.people.labels import naming_of
from tasks.people.options import PeopleOptions
from tasks.quality.options import CheckOptions
from tasks.second_pass.stretches import doubts_of
from tasks.stage_table import SECOND_PASS
from tasks.transcribe import TranscribeOptions, transcribe
from tasks.transcribe_again import SecondPassOptions, transcribe_again
from tasks.write import WriteOptions, write


# Prefect would validate the parameters, and so copy the streams; the batch has validated the options.
@flow(name="load audio", flow_run_name="load audio · {links.planned}", validate_parameters=False)
def load_audio_files(links: Links) -> State[Any]:
    """Decode each file once."""
    return _map_files(load_audio, links, lambda _: {})


@flow(name="transcribe", flow_run_name="transcribe · {links.planned}", validate_parameters=False)
def transcribe_files(links: Links, options: TranscribeOptions, models: ModelOptions) -> State[Any]:
    """Find speech and write down what is said."""
    return _map_files(
        transcribe, links, lambda file: {"options": file.used_options.transcribing(options), "models": models}
    )


@flow(name="align", flow_run_name="align · {links.planned}", validate_parameters=False)
def align_files(links: Links, options: AlignOptions, transcribe: TranscribeOptions, models: ModelOptions) -> State[Any]:
    """Time the words."""
    return _map_files(align, links, lambda _: {"options": options, "transcribe": transcribe, "models": models})


@flow(name="diarize", flow_run_name="diarize · {links.planned}", validate_parameters=False)
def diarize_files(links: Links, options: DiarizeOptions, models: ModelOptions) -> State[Any]:
    """Find who speaks when, beside transcription and alignment."""
    return _map_files(diarize, links, lambda file: {"options": file.used_options.diarizing(options), "models": models})


@flow(name="check", flow_run_name="check · {links.planned}", validate_parameters=False)
def check_files(
    links: Links, options: CheckOptions, transcribe: TranscribeOptions, diarize: DiarizeOptions | None
) -> State[Any]:
    """Find out which transcripts can be trusted."""
    return _map_files(
        check,
        links,
        lambda file: {"options": options, "transcribe": transcribe, "diarize": file.used_options.diarizing(diarize)},
    )


@flow(name="transcribe again", flow_run_name="transcribe again", validate_parameters=False)
def transcribe_files_again(
    links: Links, options: SecondPassOptions, transcribe: TranscribeOptions, models: ModelOptions
) -> State[Any]:
    """Decode again what is in doubt; files without doubt go on to `write`."""

    def arguments(file: FileRun) -> dict[str, Any]:
        return {"options": options, "transcribe": file.used_options.transcribing(transcribe), "models": models}

    return _map_files(transcribe_again, links, arguments)


@flow(name="align again", flow_run_name="align again", validate_parameters=False)
def align_files_again(
    links: Links, options: AlignOptions, transcribe: TranscribeOptions, models: ModelOptions
) -> State[Any]:
    """Time the words of the second pass."""
    return _map_files(align_again, links, lambda _: {"options": options, "transcribe": transcribe, "models": models})


@flow(name="check again", flow_run_name="check again", validate_parameters=False)
def check_files_again(
    links: Links, options: CheckOptions, transcribe: TranscribeOptions, diarize: DiarizeOptions | None
) -> State[Any]:
    """Choose between the texts of both passes."""
    return _map_files(
        check_again,
        links,
        lambda file: {"options": options, "transcribe": transcribe, "diarize": file.used_options.diarizing(diarize)},
    )


@flow(name="write", flow_run_name="write · {links.planned}", validate_parameters=False)
def write_files(
    links: Links,
    options: WriteOptions,
    transcribe: TranscribeOptions,
    align: AlignOptions | None,
    diarize: DiarizeOptions | None,
    second_pass: SecondPassOptions | None,
    people: PeopleOptions,
) -> State[Any]:
    """Join words and speakers, and write the outputs."""
    naming = naming_of(people)

    def arguments(file: FileRun) -> dict[str, Any]:
        return {
            "output": file.output,
            "options": options,
            "previous": file.previous,
            "ahead": file.ahead,
            "made_with": file.used_options.made_with(
                transcribe, align, diarize, second_pass if SECOND_PASS & file.stages else None
            ),
            "naming": naming,
        }

    return _map_files(write, links, arguments)


def _map_files(task: Task[..., Any], links: Links, arguments: Callable[[FileRun], dict[str, Any]]) -> State[Any]:
    """Submit the task for each file of the upstream stream, and put each that succeeds on every downstream one.

    A task gets the file, its inputs from other stages, and further `arguments`. Returns the stage's final state, which
    counts. It is not made from the futures, as Prefect would: a flow that returns them keeps them all, and the driver
    must not grow with the number of files.
    """
    links.begun.set()
    stage, tracker, results = task.name, links.tracker, links.results.folder
    tracker.stage_runs[stage] = UUID(runtime.flow_run.id)
    task = links.results.applied_to(task)
    finished = threading.Semaphore(0)
    states: list[str] = []

    def hand_on(file: FileRun, future: PoolFuture) -> None:
        try:
            outcome = future.outcome
            states.append(outcome.state.type.value)
            if not outcome.state.is_cancelled():  # of those that have not run, Prefect knows nothing
                links.states.add(future.task_run_id, future.report_again)
            if outcome.error is None:
                for stream in links.downstream:
                    stream.put(file)
            elif not outcome.state.is_cancelled():
                file.failed_run = file.failed_run or future.task_run_id
                tracker.failed(file, f"{stage}: {outcome.error}", lasting=outcome.lasting)
            tracker.stage_finished(file, stage, outcome.seconds)
        finally:
            finished.release()

    files = 0
    for file in _missing(stage, links):
        future = cast(PoolFuture, task.submit(file=file.source, **file.inputs_of(stage, results), **arguments(file)))
        file.futures[stage] = future
        files += 1
        future.add_done_callback(partial(hand_on, file))
    for _ in range(files):
        finished.acquire()
    for stream in links.downstream:
        stream.close(stage)
    completed = states.count("COMPLETED")
    if completed == files:
        return Completed(message=f"{files} files")
    ended = Cancelled if "CANCELLED" in states else Failed
    return ended(message=f"{files - completed} of {files} files did not come through")


def _missing(stage: str, links: Links) -> Iterator[FileRun]:
    """Yield the files that need the stage; hand on those that have its result from an earlier run."""
    for file in links.upstream.drain():
        if stage == "transcribe again" and not _may_be_in_doubt(file):
            file.leave_out(SECOND_PASS)
        if stage not in file.missing:
            for stream in links.downstream:
                stream.put(file)
        elif links.tracker.stage_started(file):
            yield file


def _may_be_in_doubt(file: FileRun) -> bool:
    """Return whether this run's check doubts any text of the file, as planning asks of an earlier run's check."""
    check = file.futures.get("check")
    try:
        return check is None or bool(doubts_of(check.fetch().findings))
    except (RayError, RuntimeError):  # its machine is gone, or another branch has failed: the stage itself will see
        return True
