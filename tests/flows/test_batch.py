"""The whole batch, with real speech, real WhisperX, a real Ray and a real Prefect server."""

import json
import os
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import ray
from conftest import SAMPLES, TWO_SPEAKERS, copy_distinct, cut_speech
from docx import Document
from encoding import encode
from ray._private.internal_api import get_memory_info_reply, get_state_from_address
from runs import Done, run_batch, transcribing

from flows.batch import whisperx_batch
from flows.config.parameters import Batch
from tasks.audio.types import SAMPLE_RATE
from tasks.formats import EXTENSIONS
from tasks.write import WriteOptions

pytestmark = pytest.mark.usefixtures("one_ray", "api_url")

FORMATS = WriteOptions().formats()


@pytest.fixture(scope="module", name="speech")
def _speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real speech: two speakers, a stereo file, a compressed one, and a short clip."""
    folder = tmp_path_factory.mktemp("speech")
    shutil.copy(TWO_SPEAKERS, folder / "call.wav")
    encode(folder / "stereo.flac", "flac", rate=44_100, layout="stereo")
    encode(folder / "compressed.mp3", "libmp3lame", rate=22_050, layout="mono")
    shutil.copy(SAMPLES / "en" / "quick_brown_fox.wav", folder / "fox.wav")
    return folder


def run_whisperx(speech: Path, out: Path, environment: dict[str, str], *options: str) -> None:
    """Run the `whisperx` program on the same files."""
    files = [str(path) for path in sorted(speech.iterdir())]
    command = ["whisperx", *files, "--output_dir", str(out), "--output_format", "json", "--device", "cpu", *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def same_json(ours: Path, theirs: Path) -> None:
    """Compare what both wrote for each file, to the last digit."""
    names = sorted(path.name for path in theirs.glob("*.json"))
    assert len(names) == 4
    for name in names:
        assert (ours / name).read_text() == (theirs / name).read_text(), name


@pytest.fixture(scope="module", name="diarized")
def _diarized(speech: Path, tiny_en: str, small_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Twelve files, aligned and diarized, in every format, on a machine with a (logical) GPU."""
    files = tmp_path_factory.mktemp("twelve")
    for path in speech.iterdir():
        for i, copy in enumerate(("", "-2", "-3")):
            copy_distinct(path, files / f"{path.stem}{copy}{path.suffix}", i)
    out = tmp_path_factory.mktemp("out") / "diarized"
    return run_batch(
        files,
        out,
        write={"output_dir": str(out), "output_format": ",".join(EXTENSIONS)},
        transcribe=transcribing(tiny_en),
        align={"align_model": str(small_models / "align-tiny")},
        diarize={"diarize_model": str(small_models / "diarize-tiny"), "speaker_embeddings": True},
        models={"threads": 1},
    )


@pytest.fixture(scope="module", name="aligned")
def _aligned(speech: Path, tiny_en: str, small_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The same four files, aligned, on a machine without a GPU."""
    return run_batch(
        speech,
        tmp_path_factory.mktemp("out") / "aligned",
        transcribe=transcribing(tiny_en),
        align={"align_model": str(small_models / "align-tiny")},
        models={"device": "cpu"},
    )


def options_of(tiny_en: str, *more: str) -> tuple[str, ...]:
    """Return the same options for the `whisperx` program."""
    return ("--model", tiny_en, "--language", "en", "--compute_type", "int8", "--threads", "1", *more)


def test_transcripts_with_speakers_equal_those_of_whisperx(
    diarized: Done, speech: Path, tiny_en: str, small_models: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    """Alignment, speakers and their embeddings, byte for byte."""
    more = ("--align_model", str(small_models / "align-tiny"), "--diarize", "--speaker_embeddings")
    more += ("--diarize_model", str(small_models / "diarize-tiny"))
    run_whisperx(speech, tmp_path, environment, *options_of(tiny_en, *more))
    same_json(diarized.out, tmp_path)
    call = json.loads((diarized.out / "call.json").read_text())
    assert call["speaker_embeddings"]
    assert any("speaker" in word for word in call["word_segments"])


def test_aligned_transcripts_equal_those_of_whisperx(
    aligned: Done, speech: Path, tiny_en: str, small_models: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    """Byte for byte."""
    more = ("--align_model", str(small_models / "align-tiny"))
    run_whisperx(speech, tmp_path, environment, *options_of(tiny_en, *more))
    same_json(aligned.out, tmp_path)


def test_transcripts_without_alignment_equal_those_of_whisperx(
    speech: Path, tiny_en: str, environment: dict[str, str], tmp_path: Path
) -> None:
    """Byte for byte."""
    done = run_batch(speech, tmp_path / "ours", transcribe=transcribing(tiny_en), align=None, models={"device": "cpu"})
    assert done.state.is_completed()
    run_whisperx(speech, tmp_path / "theirs", environment, *options_of(tiny_en, "--no_align"))
    same_json(tmp_path / "ours", tmp_path / "theirs")


def test_every_actor_loads_its_model_once(diarized: Done) -> None:
    """Twelve files, four actors, four processes; pyannote's pipelines have state, so each of four files has its own."""
    assert diarized.report["summary"]["model_loads"] == {"transcribe": 1, "align": 1, "diarize": 4}
    assert len(diarized.seen.actor_pids) == 4


def test_threads_of_one_process_share_whisper_and_the_aligner(aligned: Done) -> None:
    """Without a GPU one process does it all."""
    assert aligned.report["summary"]["model_loads"] == {"transcribe": 1, "align": 1}
    assert len(aligned.seen.actor_pids) == 1


def test_pools_that_may_grow_reserve_the_gpu_and_give_it_back(diarized: Done) -> None:
    """The rest of it is for surplus actors."""
    assert min(diarized.seen.free_gpus) == 0
    assert Counter(round(free, 4) for free in diarized.seen.free_gpus).most_common(1)[0][0] == 0
    for _ in range(100):
        if ray.available_resources()["GPU"] == 1.0:
            break
        time.sleep(0.1)
    assert ray.available_resources()["GPU"] == 1.0


def test_a_pool_that_can_never_be_placed_is_refused_at_once(speech: Path, tiny_en: str, tmp_path: Path) -> None:
    """Not left waiting for GPUs that the cluster does not have."""
    batch = Batch.model_validate(
        {
            "inputs": {"inputs": [str(speech)]},
            "transcribe": transcribing(tiny_en),
            "write": {"output_dir": str(tmp_path)},
            "pools": {"transcribe_num_gpus": 2},
        }
    )
    began = time.monotonic()
    state = whisperx_batch(**dict(batch), return_state=True)
    assert time.monotonic() - began < 15
    assert state.is_failed()
    assert str(state.message).startswith("the pools reserve more GPUs than the cluster has (1): transcribe 1 × 2")
    assert str(state.message).endswith("; 4 files: 4 left for the next run")


def test_a_model_that_does_not_load_ends_the_run(
    speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At once and with its reason, said once; no file is taken for done, or for failed.

    It says too that nothing will stay warm of a Ray that ends with this process.
    """
    broken = tmp_path / "whisper"
    broken.mkdir()
    (broken / "model.bin").write_bytes(b"no weights")
    report = tmp_path / "report.json"
    batch = Batch.model_validate(
        {
            "inputs": {"inputs": [str(speech)]},
            "transcribe": transcribing(str(broken)),
            "write": {"output_dir": str(tmp_path / "out")},
            "models": {"device": "cpu"},
            "run": {"report": str(report), "keep_warm": "15m"},
        }
    )
    state = whisperx_batch(**dict(batch), return_state=True)
    assert state.is_failed()
    assert str(state.message).startswith("the pool 'all stages' cannot load its models: ")
    assert "Unsupported model binary version" in str(state.message)
    assert str(state.message).endswith("; 4 files: 4 left for the next run")
    written = json.loads(report.read_text())
    assert {each["status"] for each in written["files"]} == {"left"}
    assert str(state.message).startswith(written["summary"]["ended_early"])
    said = capsys.readouterr().err
    assert "failed  " not in said
    assert "keep_warm has no effect" in said


def test_the_first_output_is_there_before_the_last_file_has_words_and_speakers(diarized: Done) -> None:
    """Stages overlap: no stage waits for another to finish all its files."""
    first_written = min(task.end_time for task in diarized.tasks["write"] if task.end_time)
    before = [task.end_time for stage in ("align", "diarize") for task in diarized.tasks[stage] if task.end_time]
    assert first_written < max(before)


def test_diarization_runs_beside_transcription(diarized: Done) -> None:
    """Some file is diarized before it is transcribed."""
    transcribed = {task.name: task.end_time for task in diarized.tasks["transcribe"]}
    assert any(
        task.start_time and task.start_time < transcribed[task.name]  # type: ignore[operator]
        for task in diarized.tasks["diarize"]
    )


def test_the_api_shows_a_run_for_each_stage_and_file(diarized: Done) -> None:
    """The parent, six subflows, a task run for each file in each; all final, all with names to read."""
    assert diarized.state.is_completed()
    assert diarized.run.state_name == "Completed"
    assert diarized.run.name.endswith(f"→ {diarized.out} · 12 files")
    assert set(diarized.stages) == {"load audio", "transcribe", "align", "diarize", "check", "write"}
    assert {stage.state_name for stage in diarized.stages.values()} == {"Completed"}
    names = sorted(Path(each["path"]).name for each in diarized.report["files"])
    for tasks in diarized.tasks.values():
        assert sorted(task.name for task in tasks) == names
        assert {task.state_name for task in tasks} == {"Completed"}


def test_the_report_tells_of_each_file(diarized: Done) -> None:
    """Outputs, language, duration and the seconds of each stage."""
    entry = diarized.file("call.wav")
    assert entry["status"] == "done"
    assert entry["duration_s"] == 30
    assert entry["language"] == "en"
    assert sorted(Path(path).name for path in entry["outputs"]) == sorted(
        f"call.{each}" for each in EXTENSIONS.values()
    )
    assert all(Path(path).is_file() for path in entry["outputs"])
    assert set(entry["timings_s"]) == {"load audio", "transcribe", "align", "diarize", "check", "write"}
    assert entry["verdict"] in {"good", "check", "bad"}
    summary = diarized.report["summary"]
    assert (summary["done"], summary["failed"], summary["skipped"]) == (12, 0, 0)


def test_a_document_names_its_recording_and_model(diarized: Done, tiny_en: str) -> None:
    """Also where it was written far from the options that made it."""
    properties = Document(str(diarized.out / "call.docx")).core_properties
    assert (properties.subject, properties.comments) == ("call.wav", f"Transcribed with {Path(tiny_en).name}")


def test_speaker_turns_are_those_of_the_transcript(diarized: Done) -> None:
    """The speakers that words and segments are labelled with have turns; others may say nothing that was heard."""
    turns = [line.split() for line in (diarized.out / "call.rttm").read_text().splitlines()]
    segments = json.loads((diarized.out / "call.json").read_text())["segments"]
    assert {turn[1] for turn in turns} == {"call"}
    assert {segment["speaker"] for segment in segments if "speaker" in segment} <= {turn[7] for turn in turns}


def test_bad_files_harm_nobody(aligned: Done, speech: Path, tiny_en: str, small_models: Path, tmp_path: Path) -> None:
    """A corrupt, an empty, a silent, a renamed and a missing file: the good ones come out byte for byte as without."""
    files = tmp_path / "files"
    shutil.copytree(speech, files)
    (files / "empty.mp3").touch()
    (files / "letter.wav").write_text("Dear Sir or Madam,\n" * 99)
    (files / "corrupt.flac").write_bytes(b"fLaC" + os.urandom(20_000))
    (files / "missing.wav").symlink_to(tmp_path / "gone.wav")
    write_silence(files / "silent.wav", seconds=3)
    done = run_batch(
        files,
        tmp_path / "out",
        transcribe=transcribing(tiny_en),
        align={"align_model": str(small_models / "align-tiny")},
        models={"device": "cpu"},
    )
    for path in aligned.out.glob("[!.]*"):
        assert (done.out / path.name).read_bytes() == path.read_bytes(), path.name
    failed = {Path(each["path"]).name: each["error"] for each in done.report["files"] if each["status"] == "failed"}
    assert set(failed) == {"empty.mp3", "letter.wav", "corrupt.flac", "missing.wav"}
    assert all(error and "\n" not in error and len(error) < 200 for error in failed.values()), failed
    assert done.file("silent.wav")["status"] == "done"
    assert done.file("silent.wav")["reasons"] == ["the recording is silent"]
    assert {path.suffix[1:] for path in done.out.glob("silent.*")} == set(FORMATS)
    assert json.loads((done.out / "silent.json").read_text()) == {"segments": [], "language": "en"}
    assert done.run.state_name == "Failed"
    assert done.state.message == "9 files: 5 done, 4 failed"
    assert [path.name for path in done.out.glob(".*")] == [".whisperx-batch"]


def write_silence(path: Path, seconds: int) -> None:
    """Write digital silence, as 8 kHz wav of 8 bits."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_u8", rate=8_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.full((1, seconds * 8_000), 128, np.uint8), format="u8", layout="mono")
        frame.sample_rate = 8_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_memory_is_bounded_by_the_budget(tiny_en: str, tmp_path: Path) -> None:
    """Forty files of 10 MB decoded, a budget of 100 MB: the object store holds no more, and the driver none of it.

    But for what the store is still to free, which takes it longer on a busy machine.
    """
    files = tmp_path / "files"
    files.mkdir()
    write_silence(files / "0.wav", seconds=10_000_000 // 2 // SAMPLE_RATE)
    for i in range(1, 40):
        copy_distinct(files / "0.wav", files / f"{i}.wav", i)
    stored_before = get_memory_info_reply(
        get_state_from_address(ray.get_runtime_context().gcs_address)
    ).store_stats.object_store_bytes_used
    done = run_batch(
        files,
        tmp_path / "out",
        transcribe=transcribing(tiny_en),
        align=None,
        pools={"load_audio_num_tasks": 8, "load_audio_num_cpus": 0.1},
        write={"output_dir": str(tmp_path / "out"), "output_format": "json"},
        run={"audio_budget": 100},
    )
    assert done.report["summary"]["done"] == 40
    most = max(done.seen.stored_bytes) - stored_before
    assert 20_000_000 < most <= 130_000_000
    assert max(done.seen.driver_bytes) - done.seen.driver_bytes[0] < 200_000_000


def test_word_timings_come_from_whisper_where_there_is_no_aligner(speech: Path, tiny_en: str, tmp_path: Path) -> None:
    """`--align_model whisper`, with the model that is loaded already, in the pool that holds it."""
    done = run_batch(speech, tmp_path / "out", transcribe=transcribing(tiny_en), align={"align_model": "whisper"})
    assert done.report["summary"]["model_loads"] == {"transcribe": 1}
    fox = json.loads((done.out / "fox.json").read_text())
    words = [word["word"].lower().strip(".,") for word in fox["word_segments"]]
    assert words == "the quick brown fox jumps over the lazy dog".split()
    starts = [word["start"] for word in fox["word_segments"]]
    assert starts == sorted(starts)
    assert all(word["end"] >= word["start"] for word in fox["word_segments"])


def test_after_stop_after_no_file_is_begun_and_what_was_begun_is_finished(
    tiny_en: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Completed, with the rest for the next run. The time comes while the first files wait for the model to load."""
    for module in ("batch", "pipeline"):
        monkeypatch.setattr(f"flows.{module}.seconds_left", lambda _stop_after, _began: 3.0)
    files = cut_speech(tmp_path / "files", *[f"{i:02}.wav" for i in range(30)])
    options = {"transcribe": transcribing(tiny_en), "align": None, "models": {"device": "cpu"}}
    done = run_batch(files, tmp_path / "out", **options, run={"stop_after": "06:30"})
    summary = done.report["summary"]
    assert 0 < summary["done"] < 30
    assert (summary["failed"], summary["left"]) == (0, 30 - summary["done"])
    assert len(list(done.out.glob("*.json"))) == summary["done"]
    assert done.run.state_name == "Completed"
    assert done.state.message == f"30 files: {summary['done']} done, {summary['left']} left for the next run"
    assert all(each["error"] is None for each in done.report["files"])


def test_a_run_that_waits_for_a_gpu_says_so_and_ends_at_stop_after(
    tiny_en: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rather than waiting on for the few files that it has admitted; all are left for the next run."""
    for module in ("batch", "pipeline"):
        monkeypatch.setattr(f"flows.{module}.seconds_left", lambda _stop_after, _began: 10.0)
    files = cut_speech(tmp_path / "files", "a.wav", "b.wav", "c.wav")
    program: Any = type("OtherProgram", (), {})
    hog = ray.remote(program).options(num_gpus=0.9, num_cpus=0).remote()
    ray.get(hog.__ray_ready__.remote())
    try:
        options = {"transcribe": transcribing(tiny_en), "align": None}
        done = run_batch(files, tmp_path / "out", **options, run={"stop_after": "06:30"})
    finally:
        ray.kill(hog)
    assert done.state.message == "3 files: 3 left for the next run"
    assert done.run.state_name == "Completed"
    assert done.report["summary"]["ended_early"] is None
    shown = capsys.readouterr().err
    assert "waiting for room in the Ray cluster (0 min): the pools need " in shown
    assert f"in use by process {os.getpid()} on " in shown
