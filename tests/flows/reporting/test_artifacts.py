"""What a run shows of itself in Prefect's UI."""

import logging
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import flow, runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.states import Completed, State
from ray.exceptions import RaySystemError
from rich.console import Console

from flows.config.parameters import Batch
from flows.host.usage import WIDTH, Usage, picture
from flows.planning.file_run import FileRun
from flows.reporting.artifacts import Artifacts
from flows.reporting.ending import Ending
from flows.reporting.live import Progress
from flows.reporting.markdown.texts import ROWS, plan_text, report_text
from flows.reporting.tracker import Tracker
from tasks.audio.types import AudioFile
from tasks.storage.outputs import OutputPath
from tasks.written import WriteResult


def file(index: int, name: str, duration_s: float = 60.0) -> FileRun:
    """Return a file of a plan."""
    return FileRun(
        index,
        AudioFile(f"/in/{name}", name, duration_s=duration_s),
        OutputPath("/out", "", f"{Path(name).stem}.{{format}}"),
    )


def test_the_plan_has_the_totals_and_what_is_refused() -> None:
    """And when it will end."""
    tracker = Tracker([file(0, "a.wav"), file(1, "b.wav", 3600.0), file(2, "c.wav", 0.0), file(3, "d.wav")])
    tracker.failed(tracker.files[2], "no audio")
    tracker.skipped(tracker.files[3], WriteResult({"json": (1, 1)}, "en"))
    text = plan_text(tracker, "about 04:10")
    assert "# Plan: 4 files" in text
    assert "| to do | 2 | 1:01:00 |" in text
    assert "| done before | 1 |" in text
    assert "| refused | 1 |" in text
    assert "Finish: about 04:10" in text
    assert "- c.wav: no audio" in text


def test_the_report_has_the_failures_before_the_totals_and_the_files(tmp_path: Path) -> None:
    """With reasons and links to their task runs; the stages' shares; what made the outputs; the index."""
    batch = Batch.model_validate(
        {
            "write": {"output_dir": str(tmp_path)},
            "transcribe": {"model": "tiny", "language": "de"},
            "diarize": {},
            "second_pass": {"second_model": "small"},
        }
    )
    tracker, run = Tracker([file(0, "a.wav"), file(1, "b.wav")], batch=batch), uuid4()
    tracker.index = f"{tmp_path}/index.html"
    tracker.files[1].failed_run = tracker.stage_runs["transcribe"] = run
    tracker.stage_finished(tracker.files[0], "transcribe", 30.0)
    tracker.stage_finished(tracker.files[0], "write", 10.0)
    tracker.usage.add([Usage(1.0, None), Usage(0.5, 0.5)])
    tracker.usage.add([Usage(0.2, 1.0)])
    tracker.done(
        tracker.files[0], WriteResult({"json": (1, 1), "srt": (1, 1)}, "de", speakers=2, aligned_by="/models/align-de")
    )
    tracker.failed(tracker.files[1], "transcribe: it broke")
    text = report_text(tracker)
    assert f"- [b.wav](../../runs/task-run/{run}): transcribe: it broke" in text
    assert f"| [transcribe](../../runs/flow-run/{run}) | 1 | 0:00:30 | {'█' * 15} 75% |" in text
    assert "| write | 1 | 0:00:10 | █████ 25% |" in text
    assert "`CPU ▇▂ 48%`" in text
    assert "`GPU ▅█ 75%`" in text
    assert f"- Index of the pages: {tmp_path}/index.html".replace("_", "\\_") in text
    assert (
        "- Model: tiny\n- Options: diarize, second\\_pass, language de, second\\_model small, output\\_format all"
        in text
    )
    assert "whisperx 3.8.6" in text
    assert "| a.wav | done |  | de | 2 | 0:01:00 |" in text
    parts = ("## Failed", "it broke", "## Totals", "**1 done, 1 failed**", "## Files", "| b.wav | failed |")
    assert [text.index(part) for part in parts] == sorted(text.index(part) for part in parts)


def test_a_name_is_shown_as_it_is() -> None:
    """It may hold what Markdown or a browser would act on; a long one loses its middle."""
    long = f"{'x' * 50} take 2.wav"
    assert f"| {'x' * 20}…{'x' * 8} take 2.wav | waiting |" in report_text(Tracker([file(0, long)]))
    name = "a|b `c` <script>*d*_e_[f](g).wav"
    text = report_text(Tracker([file(0, name)]))
    assert r"| a\|b \`c\` \<script\>\*d\*\_e\_\[f\](g).wav | waiting |" in text


def test_a_table_ends_before_it_is_too_long_for_a_browser() -> None:
    """The file of the report has the others."""
    text = report_text(Tracker([file(i, f"{i}.wav") for i in range(ROWS + 5)]))
    assert text.count(".wav | waiting |") == ROWS
    assert "and 5 more" in text


def test_the_report_begins_with_why_the_run_ended_early() -> None:
    """Files that were not begun are left, and named as such."""
    tracker = Tracker([file(0, "a.wav"), file(1, "b.wav")])
    tracker.ending = Ending("the pool 'transcribe' cannot load its models: no_such_model")
    tracker.defer(tracker.files)
    text = report_text(tracker)
    assert text.index("cannot load its models: no\\_such\\_model") < text.index("**2 left**")
    assert "| a.wav | left |" in text
    assert "Failed" not in text


def test_a_long_run_is_shown_by_means() -> None:
    """In as many characters as fit."""
    assert picture([0.0, 1.0] * WIDTH) == "▅" * WIDTH
    assert picture([0.0, 0.5, 1.0]) == "▁▅█"


@flow(name="followed", persist_result=False)
def followed(tracker: Any, fails: int) -> State[Any]:
    """Follow the progress of a run; the first looks at its machines end with an error of Ray."""
    looks, pools = [], SimpleNamespace(running={"write": 0})

    def look() -> None:
        looks.append(time.monotonic())
        if len(looks) <= fails:
            raise RaySystemError("the machine is gone")

    artifacts = Artifacts(runtime.flow_run.id)
    with artifacts.following(Progress(tracker, pools, Console(quiet=True)), look):  # type: ignore[arg-type]
        while len(looks) <= fails:
            time.sleep(0.05)
        tracker.skipped(tracker.files[0], WriteResult({}, "en"))
    artifacts.close()
    return Completed(message=f"{runtime.flow_run.id}")


@pytest.mark.usefixtures("api_url")
def test_an_error_of_ray_does_not_end_the_live_progress(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and looked at again a few seconds later; nor does it end the run."""
    monkeypatch.setattr("flows.reporting.artifacts.FOLLOW_EVERY_S", 0.1)
    with caplog.at_level(logging.WARNING):
        state = followed.with_options(timeout_seconds=60, validate_parameters=False)(
            Tracker([file(0, "a.wav")]), 2, return_state=True
        )
    assert state.is_completed()
    assert "the run's progress could not be updated: RaySystemError: System error: the machine is gone" in caplog.text
    run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(state.message)]))
    with get_client(sync_client=True) as client:
        (artifact,) = client.read_artifacts(artifact_filter=run)
    assert artifact.data == 100


def test_the_report_says_what_is_warm_and_how_to_end_it() -> None:
    """Otherwise nobody would know what still holds memory after a run."""
    tracker = Tracker([])
    tracker.warm = ["Whisper small (2.3 GB, 2 CPUs) until 14:32:00"]
    line = "Whisper small (2.3 GB, 2 CPUs) until 14:32:00; `whisperx-batch --stop_warm` ends it"
    assert f"Warm for the next run: {line}" in report_text(tracker)
