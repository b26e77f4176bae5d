"""Processes that die or hang in the middle of a file: that file's affair, and nobody else's."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conftest import cut_speech
from runs import Done, run_batch, transcribing

pytestmark = pytest.mark.usefixtures("one_ray", "api_url")

GOOD = [f"good {i}.wav" for i in range(4)]
FAULTY = {
    "dies once transcribe-kill-once.wav": None,
    "dies transcribe-kill.wav": "transcribe: worker died (2 times)",
    "hangs align-hang.wav": "align: worker timed out: the stage took more than 15 s (2 times)",
    "busy load audio-busy-once.wav": None,
    "dies in the middle of the outputs write-cut-once.wav": None,
}
NAMES = [*GOOD, *FAULTY]


@pytest.fixture(scope="module", name="options")
def _options(tiny_en: str, small_models: Path) -> dict[str, Any]:
    aligner = {"align_model": str(small_models / "align-tiny")}
    return {"transcribe": transcribing(tiny_en), "align": aligner, "models": {"device": "cpu"}}


@pytest.fixture(scope="module", name="faulty")
def _faulty(options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Done:
    """A batch in which every fault happens."""
    folder = tmp_path_factory.mktemp("faulty")
    return run_batch(cut_speech(folder / "in", *NAMES), folder / "out", **options, run={"stage_timeout": 15})


@pytest.fixture(scope="module", name="clean")
def _clean(options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The same files where nothing happens to them."""
    folder = tmp_path_factory.mktemp("clean")
    return run_batch(cut_speech(folder / "in", *map(harmless, NAMES)), folder / "out", **options)


def harmless(name: str) -> str:
    """Return the name without what asks for a fault."""
    return name.replace("-", " ")


def outputs(out: Path) -> dict[str, bytes]:
    """Return what a batch has written, by names that ask for no fault."""
    return {harmless(path.name): path.read_bytes() for path in out.iterdir() if path.is_file()}


def lives(faults_met: Path, name: str) -> int:
    """Return how many processes met the fault of a file."""
    return len((faults_met / name).read_text().splitlines())


def went_through(stage: str, done: Done) -> set[str]:
    """Return the files that a stage has worked on in this run."""
    return {Path(each["path"]).name for each in done.report["files"] if stage in each["timings_s"]}


def test_every_file_ends_with_its_own_outcome(faulty: Done) -> None:
    """What passes is retried, a process that dies is replaced, what kills two is given up."""
    errors = {Path(each["path"]).name: each["error"] for each in faulty.report["files"]}
    assert errors == dict.fromkeys(GOOD) | FAULTY
    assert Counter(each["status"] for each in faulty.report["files"]) == {"done": 7, "failed": 2}
    assert faulty.run.state_name == "Failed"


def test_what_comes_through_is_what_a_clean_run_writes(faulty: Done, clean: Done) -> None:
    """Byte for byte, and nothing in part."""
    written = outputs(faulty.out)
    assert len(written) == 7 * 5
    assert written == {name: content for name, content in outputs(clean.out).items() if name in written}
    assert not list(faulty.out.rglob(".whisperx-batch-*"))


def test_a_file_is_given_up_after_two_deaths(faulty: Done, faults_met: Path) -> None:
    """Of processes that ran nothing else; one more may have had other files beside it."""
    for name in ("dies transcribe-kill.wav", "hangs align-hang.wav"):
        assert 2 <= lives(faults_met, name) <= 3
    assert lives(faults_met, "dies once transcribe-kill-once.wav") >= 2


def test_no_task_run_is_left_running(faulty: Done) -> None:
    """In Prefect each has ended, with the state that tells the truth."""
    states = {task.name: task.state_name for task in faulty.tasks["transcribe"]}
    assert states["dies transcribe-kill.wav"] == "Crashed"
    assert states["dies once transcribe-kill-once.wav"] == "Completed"
    tasks = [(stage, task) for stage, tasks in faulty.tasks.items() for task in tasks]
    assert [
        (stage, task.name, task.state_name) for stage, task in tasks if not (task.state and task.state.is_final())
    ] == []


def test_another_run_does_only_what_is_missing(
    faulty: Done, clean: Done, options: dict[str, Any], faults_met: Path
) -> None:
    """Under names that ask for no fault: what had come through is known, also under another name."""
    folder = faulty.out.parent / "in"
    for name in NAMES:
        (folder / name).rename(folder / harmless(name))
    stored = {path: path.stat().st_mtime_ns for path in (faulty.out / ".whisperx-batch" / "results").rglob("*-*")}
    again = run_batch(folder, faulty.out, **options)
    assert again.report["summary"]["failed"] == 0
    dead, hung = harmless("dies transcribe-kill.wav"), harmless("hangs align-hang.wav")
    assert went_through("transcribe", again) == {dead}
    assert went_through("align", again) == {dead, hung}
    assert {path: path.stat().st_mtime_ns for path in stored} == stored
    assert outputs(again.out) == outputs(clean.out)


def test_a_finished_batch_runs_nothing(clean: Done, options: dict[str, Any]) -> None:
    """No model is loaded, no actor started; the report has every file."""
    shutil.copytree(clean.out, clean.out.parent / "before")
    again = run_batch(clean.out.parent / "in", clean.out, **options)
    assert again.report["summary"]["skipped"] == len(NAMES)
    assert again.report["summary"]["model_loads"] == {}
    assert again.seen.actor_pids == set()
    assert again.run.state_name == "Completed"
    assert outputs(again.out) == outputs(clean.out.parent / "before")
    assert all(each["outputs"] and each["language"] == "en" for each in again.report["files"])


def test_another_format_is_written_without_a_model(clean: Done, options: dict[str, Any]) -> None:
    """Nor is any audio decoded."""
    write = {"write": {"output_dir": str(clean.out), "output_format": "aud"}}
    again = run_batch(clean.out.parent / "in", clean.out, **{**options, **write})
    assert again.report["summary"]["done"] == len(NAMES)
    assert again.report["summary"]["model_loads"] == {}
    assert {stage for each in again.report["files"] for stage in each["timings_s"]} == {"write"}
    words = json.loads((clean.out / "good 0.json").read_text())["segments"][0]["text"].split()
    assert words[0] in (clean.out / "good 0.aud").read_text()
    assert len(list(clean.out.glob("*.aud"))) == len(NAMES)
