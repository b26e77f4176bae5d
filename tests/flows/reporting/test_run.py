"""flows/reporting/run.py: what a run tells of itself in Prefect; its artifacts are in test_artifacts.py."""

import contextvars
import json
import logging
import threading
import time
from datetime import datetime
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prefect import flow, runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, LogFilter
from prefect.client.schemas.objects import Log
from prefect.states import Completed, State
from ray.exceptions import ActorDiedError

from flows.config.file_overrides import NO_OVERRIDES
from flows.config.parameters import Batch
from flows.planning.file_run import FileRun, Status
from flows.pools.placement import CannotBePlaced
from flows.reporting.ending import Ending, why_ended
from flows.reporting.failures import Failures
from flows.reporting.final_state import final_state
from flows.reporting.markdown.texts import report_text
from flows.reporting.report import write_report
from flows.reporting.run import logs_forwarded, publish_not_started
from flows.reporting.tracker import Tracker
from flows.services.failures import ModelsNotLoaded, in_words
from flows.services.prefect_events import flush
from tasks.audio.types import AudioFile
from tasks.storage.outputs import OutputPath

LOGGER = logging.getLogger("flows.pools.dispatcher")


@flow(name="telling", persist_result=False)
def telling() -> State[Any]:
    """Say something in the run, in a thread of the run, in a thread of nobody, and after the end."""
    with logs_forwarded():
        LOGGER.warning("a process died")
        inside = threading.Thread(target=contextvars.copy_context().run, args=(LOGGER.info, "files wait"))
        outside = threading.Thread(target=LOGGER.warning, args=("of no run",))
        for thread in (inside, outside):
            thread.start()
            thread.join()
    LOGGER.warning("too late")
    return Completed(message=runtime.flow_run.id)


def logs_of(run_id: str, count: int, name: str = "prefect.flow_runs") -> list[Log]:
    """Return the lines of a logger in the log of a run, once there are so many that are not Prefect's own."""
    flush()
    for _ in range(100):
        with get_client(sync_client=True) as client:
            logs = client.read_logs(LogFilter(flow_run_id={"any_": [run_id]}))
        said = [log for log in logs if log.name == name and not log.message.startswith(("Beginning", "Finished"))]
        if len(said) >= count:
            break
        time.sleep(0.1)
    return said


def test_what_the_pools_say_is_in_the_log_of_the_run(api_url: str) -> None:
    """That a process has died, or that a pool grows; nothing of what belongs to no run."""
    said = logs_of(telling(return_state=True).message, 2, LOGGER.name)
    assert {log.message for log in said} == {"a process died", "files wait"}


def reported(*statuses: Status) -> Tracker:
    """Return the tracker of files with these statuses."""
    files = [
        FileRun(i, AudioFile(f"/{i}", str(i)), OutputPath("/out", "", "{format}"), status=status)
        for i, status in enumerate(statuses)
    ]
    return Tracker(files)


def test_a_run_is_completed_only_if_every_file_is_done_or_was_left_on_purpose() -> None:
    """For every mix of statuses: one that failed, or that nobody can account for, makes it Failed."""
    for statuses in product(("waiting", "done", "skipped", "failed", "left"), repeat=3):
        state = final_state(reported(*statuses))  # type: ignore[arg-type]
        assert state.is_completed() is not bool({"failed", "waiting"} & set(statuses)), statuses
        assert state.is_final()


def test_a_run_that_ended_early_is_never_completed() -> None:
    """Its message has the reason first, and then the counts."""
    tracker = reported("done", "left", "left")
    tracker.ending = Ending("interrupted", interrupted=True)
    state = final_state(tracker)
    assert state.is_cancelled()
    assert state.message == "interrupted; 3 files: 1 done, 2 left for the next run"
    assert why_ended(state) == "interrupted; the same command goes on where it stopped"
    tracker.ending = Ending("no room")
    state = final_state(tracker)
    assert state.is_failed()
    assert state.message == "no room; 3 files: 1 done, 2 left for the next run"
    assert why_ended(state) == "no room"
    assert why_ended(final_state(reported("failed"))) is None


def test_why_a_run_broke_is_said_in_words() -> None:
    """Not as the name of an exception, or a page of Ray's."""
    assert in_words(CannotBePlaced("too many GPUs")) == "too many GPUs"
    said = in_words(ActorDiedError())
    assert said.startswith("Ray failed (ActorDiedError: The actor died unexpectedly")
    assert "does not answer as it should (ConnectError: refused)" in in_words(httpx.ConnectError("refused"))
    assert in_words(KeyError("x")) == "KeyError: 'x'"


def test_models_that_cannot_be_downloaded_say_what_to_do() -> None:
    """On a machine without a network."""
    lost = OSError("We couldn't connect to 'https://huggingface.co'.\nCheck your connection.")
    said = str(ModelsNotLoaded("transcribe", lost))
    assert said.startswith(
        "the pool 'transcribe' cannot load its models: OSError: We couldn't connect to 'https://huggingface.co'. Check"
    )
    assert said.endswith(
        "; fetch the models where there is a network, with whisperx-batch-models, and name that --model_dir"
    )


def test_a_failed_file_has_one_task_run(api_url: str) -> None:
    """Its own, if it has one, also before the time that it took is known."""
    tracker, own = reported("waiting", "waiting"), uuid4()
    tracker.files[0].failed_run = own
    for file in tracker.files:
        tracker.failed(file, "no audio")

    @flow(name="failing", persist_result=False)
    def failing() -> State[Any]:
        Failures(tracker).report()
        return Completed(message=runtime.flow_run.id)

    run_id = failing(return_state=True).message
    with get_client(sync_client=True) as client:
        (created,) = client.read_task_runs(flow_run_filter=FlowRunFilter(id={"any_": [run_id]}))
    assert [file.failed_run for file in tracker.files] == [own, created.id]
    assert {log.message: log.task_run_id for log in logs_of(run_id, 2)} == {
        "0: no audio": None,
        "1: no audio": created.id,
    }


def test_a_run_that_ends_before_it_begins_leaves_every_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As when Ray does not start: the report is that of this run, and of no earlier one."""
    tracker, place = reported("waiting", "skipped"), tmp_path / "report.json"
    publish_not_started(tracker, Ending("Ray did not start"), str(place))
    written = json.loads(place.read_text())
    assert [each["status"] for each in written["files"]] == ["left", "skipped"]
    assert written["summary"]["ended_early"] == "Ray did not start"
    assert "0 done, 0 failed, 1 skipped, 1 left for the next run" in capsys.readouterr().err


def test_the_report_says_what_made_the_files_and_when(tmp_path: Path) -> None:
    """While files wait it has no end; secrets in URLs are left out."""
    batch = Batch.model_validate(
        {
            "write": {"output_dir": "s3://key:secret@bucket/out"},
            "transcribe": {"model": "s3://key:secret@bucket/tiny"},
            "second_pass": {"second_model": "s3://key:secret@bucket/small"},
        }
    )
    tracker = Tracker(reported("waiting", "done").files, batch=batch)
    write_report(tracker, str(tmp_path / "report.json"))
    report = json.loads((tmp_path / "report.json").read_text())
    assert [each["status"] for each in report["files"]] == ["waiting", "done"]
    assert report["run"]["ended"] is None
    assert report["run"]["options"]["transcribe"]["model"] == "s3://bucket/tiny"
    assert report["run"]["options"]["diarize"] is None
    assert report["run"]["options"]["second_pass"]["second_model"] == "s3://bucket/small"
    assert report["run"]["options"]["people"]["speakers"] is None
    assert report["run"]["versions"]["whisperx"] == version("whisperx")
    origin = NO_OVERRIDES.made_with(batch.transcribe, batch.align, batch.diarize, batch.second_pass)
    assert (origin.model, origin.options["second_pass"]) == ("s3://bucket/tiny", "s3://bucket/small")
    assert "s3://bucket/small" in report_text(tracker)
    assert "secret" not in json.dumps(report) + report_text(tracker)
    tracker.defer(tracker.files)
    write_report(tracker, str(tmp_path / "report.json"))
    run = json.loads((tmp_path / "report.json").read_text())["run"]
    assert datetime.fromisoformat(run["started"]) <= datetime.fromisoformat(run["ended"])
