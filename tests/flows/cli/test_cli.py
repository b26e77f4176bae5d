"""The command as users run it: refusals before anything starts, a run without a server, Ctrl-C."""

import json
import os
import pty
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import av
import psutil
import pytest
from conftest import COMMAND, DIARIZER, QUICK_BROWN_FOX, SAMPLES, TWO_SPEAKERS, cut_speech
from local_hub import LocalHub
from sound_files import late_film, two_tracks

from flows.cli import flow_run, main
from flows.config.parameters import Batch
from flows.config.run import RunSettings
from flows.preflight.device import check_device


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the command in this process; return what it says when it exits with 2, without having started Ray."""

    def no_ray(*_: object, **__: object) -> None:
        pytest.fail("Ray was started")

    monkeypatch.setattr("ray.init", no_ray)
    monkeypatch.setattr(sys, "argv", ["whisperx-batch", *arguments])
    with pytest.raises(SystemExit) as exit_:
        main.main()
    assert exit_.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bogus"], "unrecognized arguments: --bogus"),
        (["--beam_size", "many"], "--beam_size: Input should be a valid integer"),
        (["--output_format", "srt,pdf"], "--output_format: there is no format 'pdf'; there are all, srt, vtt"),
        (["--output_format", "all,rttm"], "output_format rttm holds speaker turns: set diarize too"),
        (["--language", "xx"], "--language: Whisper knows no language 'xx'"),
        (["--keep_warm", "soon"], "--keep_warm: 'soon' is no duration, such as 15m"),
        (
            ["--audio_track", "klingon"],
            "--audio_track: 'klingon' is no track: give its number, from 1, or its language",
        ),
        (["--chunk_size", "60"], "--chunk_size: Input should be less than or equal to 30"),
        (["--batch_file", "/no/list.txt"], "--batch_file /no/list.txt: No such file"),
        (["--model", "tinny"], "--model tinny: no such folder, and no such Whisper model; did you mean tiny?"),
        (["--second_model", "tinny"], "--second_model tinny: no such folder, and no such Whisper model; did you mean"),
        (["--second_pass", "--no_check"], "second_pass decodes what check doubts"),
        (["--model", "/no/model"], "--model /no/model: no such folder"),
        (["--align_model", "./no-aligner"], "--align_model ./no-aligner: no such folder"),
        (["--diarize", "--diarize_model", "/no/pipeline"], "--diarize_model /no/pipeline: no such folder"),
        (["--highlight_words", "True", "--no_align"], "highlight_words is not possible without word timings"),
        (["--output_dir", "/dev/null/out"], "--output_dir /dev/null/out: /dev/null is not a folder; name another one"),
        (["--output_dir", str(TWO_SPEAKERS)], f"{TWO_SPEAKERS} is not a folder; name another one"),
        (["--results_dir", "/proc/y"], "--results_dir /proc/y: cannot write to /proc: "),
        (["--stop_after", "tomorrow"], "--stop_after: 'tomorrow' is neither a time of day, such as 06:30, nor a durat"),
        (["--subtitles", "netflix"], "--subtitles: 'netflix': it is `readable`, or rules such as max_cps=20"),
        (["--subtitles", "readable", "--highlight_words", "True"], "highlight_words lays out WhisperX's subtitles"),
        (["--report", "/dev/null/report.json"], "--report /dev/null/report.json"),
        (["--report", str(TWO_SPEAKERS)], "sample.wav: this file is not the report of a run; name another one"),
        (["--diarize", "True"], "True: the option before it takes no value; without it the option is off"),
        (["--device", "gpu"], "argument --device: invalid choice: 'gpu' (choose from"),
    ],
)
def test_a_wrong_command_is_refused_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """Exit status 2, before Ray starts."""
    assert message in refused(monkeypatch, capsys, str(TWO_SPEAKERS), *arguments)


def test_a_gpu_that_is_not_there_is_refused(alone: dict[str, str]) -> None:
    """Unless a cluster is joined, whose machines may have one; the user's own program, as PyTorch asks once."""
    line = [COMMAND, str(TWO_SPEAKERS), "--device", "cuda", "--dry_run"]
    hidden = alone | {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(line, env=hidden, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("whisperx-batch: --device cuda: PyTorch sees no NVIDIA GPU on this machine; leave --dev")
    check_device(Batch.model_validate({"models": {"device": "cuda"}, "run": {"ray_address": "head:6379"}}))


def test_a_gated_pipeline_is_refused_where_there_is_neither_token_nor_network(
    hub: LocalHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tiny_en: str, tmp_path: Path
) -> None:
    """At once, rather than after the minutes for which its library tries."""
    from huggingface_hub import constants, file_download

    nowhere = "http://127.0.0.1:9"
    monkeypatch.setattr(constants, "ENDPOINT", nowhere)
    monkeypatch.setattr(
        file_download, "HUGGINGFACE_CO_URL_TEMPLATE", nowhere + "/{repo_id}/resolve/{revision}/{filename}"
    )
    began = time.monotonic()
    options = ["--diarize", "--model", tiny_en, "--no_align", "--model_dir", str(tmp_path), "-o", str(tmp_path / "o")]
    said = refused(monkeypatch, capsys, str(TWO_SPEAKERS), *options)
    assert said.startswith(
        f"whisperx-batch: --diarize_model {DIARIZER}: not on this machine, and the Hub cannot be rea"
    )
    assert said.endswith(
        " Connection refused); fetch it beforehand, where there is a network, with whisperx-batch-models\n"
    )
    assert time.monotonic() - began < 15


def test_the_time_that_stop_after_means_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """So that 06:30 is not taken for this evening's."""
    monkeypatch.setattr(sys, "argv", ["whisperx-batch", str(TWO_SPEAKERS), "--dry-run", "--stop-after", "90min"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main.main()
    then = datetime.now().astimezone() + timedelta(minutes=90)
    assert f"--stop_after 90min: no file is started after {then:%A, %d %B, }" in capsys.readouterr().err


def test_a_settings_file_that_cannot_be_read_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """With what is wrong in it, or that it is missing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "whisperx-batch.toml").write_text("model = \n")
    unreadable = "whisperx-batch.toml: the settings file cannot be read: Invalid value (at line 1"
    assert unreadable in refused(monkeypatch, capsys, str(TWO_SPEAKERS))
    monkeypatch.setenv("WHISPERX_BATCH_SETTINGS_FILE", "/no/settings.toml")
    assert "no file /no/settings.toml" in refused(monkeypatch, capsys, str(TWO_SPEAKERS))


def test_a_command_without_input_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rather than doing nothing with success."""
    assert "no input" in refused(monkeypatch, capsys)


def test_a_command_whose_only_file_is_missing_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """At once, as any other misspelt command; nothing is left behind."""
    arguments = ["nosuch.wav", "-o", "out", "--report", "reports/r.json"]
    monkeypatch.chdir(tmp_path)
    assert f"no such file: {tmp_path}/nosuch.wav" in refused(monkeypatch, capsys, *arguments)
    (tmp_path / "list.txt").write_bytes("\ufeffa.wav\r\nb.wav\r\n".encode("utf-16-le"))
    listed = refused(monkeypatch, capsys, "--batch_file", "list.txt", "-o", "out")
    assert f"no such file: {tmp_path}/a.wav, {tmp_path}/b.wav" in listed
    assert os.listdir(tmp_path) == ["list.txt"]


def test_a_dry_run_shows_the_plan_and_starts_nothing(
    hub: LocalHub,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """Each file, where its outputs would go, and the totals; then what else would stop the run. It makes no folder."""
    monkeypatch.setattr("ray.init", lambda *_, **__: pytest.fail("Ray was started"))
    arguments = [str(TWO_SPEAKERS), str(tmp_path / "gone.wav"), "--dry_run", "-o", str(tmp_path / "out")]
    arguments += ["--report", str(tmp_path / "reports" / "report.json")]
    for model, status in (("small", 0), ("base", 2)):
        monkeypatch.setattr(sys, "argv", ["whisperx-batch", *arguments, "--model", model])
        with pytest.raises(SystemExit) as exit_:
            main.main()
        assert exit_.value.code == status
    shown, errors = capsys.readouterr()
    assert "--model Systran/faster-whisper-base: neither a folder here nor a model on" in errors
    assert "sample.wav (0:00:30, pcm_s16le)" in shown
    assert "no such file" in shown
    assert "1 file to do, 0:00:30 of audio; 1 refused" in shown
    assert "not known before a first run" in shown
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_fails_where_no_file_can_be_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A run would do nothing; with status 1, as it would end."""
    (tmp_path / "bad.wav").write_text("no audio")
    arguments = [str(tmp_path / "bad.wav"), "--dry_run", "-o", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["whisperx-batch", *arguments])
    with pytest.raises(SystemExit) as exit_:
        main.main()
    assert exit_.value.code == 1
    shown = capsys.readouterr().out
    assert "1 refused" in shown
    assert "How long that takes" not in shown


def test_nothing_is_started_for_files_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Such as one that is no recording; a report says so."""
    monkeypatch.setattr("ray.init", lambda *_, **__: pytest.fail("Ray was started"))
    (tmp_path / "bad.wav").write_text("no audio")
    report = tmp_path / "report.json"
    for status in (1, 3):
        arguments = [str(tmp_path / "bad.wav"), "-o", str(tmp_path / "out"), "--report", str(report)]
        monkeypatch.setattr(sys, "argv", ["whisperx-batch", *arguments])
        with pytest.raises(SystemExit) as exit_:
            main.main()
        assert exit_.value.code == status
        assert "bad.wav: not audio that FFmpeg reads" in capsys.readouterr().err
        assert json.loads(report.read_text())["files"][0]["status"] == "failed"


@pytest.mark.parametrize("opened", [os.pipe, pty.openpty])
def test_a_run_goes_on_when_nobody_reads_what_it_prints(
    alone: dict[str, str], tmp_path: Path, opened: Callable[[], tuple[int, int]]
) -> None:
    """As after `| head`, or a logout: its report is written, and its status is what it would be."""
    (tmp_path / "bad.wav").write_text("no audio")
    report = tmp_path / "report.json"
    for status in (1, 3):
        closed, inside = opened()
        os.close(closed)
        line = [COMMAND, str(tmp_path / "bad.wav"), "-o", str(tmp_path / "out"), "--report", str(report)]
        assert subprocess.run(line, env=alone, stderr=inside, check=False).returncode == status
        os.close(inside)
        assert json.loads(report.read_text())["summary"]["failed"] == 1
        report.unlink()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "joining what is warm"),
        ({"ray_dashboard": True}, "starting Ray"),
        ({"ray_address": "local"}, "starting Ray"),
        ({"ray_address": "head:6379"}, "joining the Ray cluster"),
    ],
)
def test_a_run_that_asks_for_another_ray_does_not_say_that_it_joins_what_is_warm(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], words: str
) -> None:
    """It leaves that alone."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(flow_run, "found", lambda: True)
    assert flow_run._services(RunSettings.model_validate(settings), embedded=False) == words


def test_a_run_without_a_server_brings_its_own_and_says_how_to_see_it(
    alone: dict[str, str], tiny_en: str, tmp_path: Path
) -> None:
    """One good file and one bad: exit status 1, a report, a database with every state, and a quiet log."""
    shutil.copy(SAMPLES / "en" / "hello_world.wav", tmp_path / "hello, world.wav")
    (tmp_path / "bad.wav").write_text("no audio")
    files = [str(tmp_path / "hello, world.wav"), str(tmp_path / "bad.wav")]
    options = ["--model", tiny_en, "--language", "en", "--compute_type", "int8", "--no_align"]
    report = tmp_path / "report.json"
    done = subprocess.run(
        [COMMAND, *files, *options, "-o", str(tmp_path / "out"), "--report", str(report), "--ray_dashboard", "False"],
        env=alone,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "hello" in (tmp_path / "out" / "hello, world.txt").read_text().lower()
    assert [each["status"] for each in json.loads(report.read_text())["files"]] == ["done", "failed"]
    assert re.match(r"\d\d:\d\d:\d\d  starting Ray and a Prefect server\n", done.stderr)
    assert "failed  bad.wav: not audio that FFmpeg reads" in done.stderr
    assert "To see this run: " in done.stderr
    assert "prefect server start, then http://127.0.0.1:4200/runs/flow-run/" in done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) < 10, done.stderr
    database = f"file:{tmp_path / 'prefect' / 'prefect.db'}?mode=ro"
    with sqlite3.connect(database, uri=True) as rows:
        flows = dict(rows.execute("SELECT state_type, count(*) FROM flow_run GROUP BY 1"))
        tasks = dict(rows.execute("SELECT state_type, count(*) FROM task_run GROUP BY 1"))
    assert flows == {"FAILED": 1, "COMPLETED": 4}
    # Four task runs, Prefect's own four for the subflows, and one for the file that cannot be read.
    assert tasks == {"COMPLETED": 8, "FAILED": 1}


def test_a_list_that_windows_has_saved_is_run_where_it_lies(
    alone: dict[str, str], tiny_en: str, web: str, tmp_path: Path
) -> None:
    """UTF-16, relative lines in a folder with brackets, a glob, a folder with a trash, a URL with a secret.

    No list with the secret is left, and doubled braces in the template are braces.
    """
    here = tmp_path / "talks [2024]"
    cut_speech(here / "folder" / ".Trash-1000", "thrown away.wav", seconds=3)
    cut_speech(here / "folder", "in folder.wav", seconds=4)
    cut_speech(here, "Müller.wav", "b1.wav", seconds=2)
    lines = ["Müller.wav", "b[0-9].wav", "", "folder", f"{web}/fox.wav?token=geheim", "gone [1].wav"]
    (here / "list.txt").write_bytes(
        "".join(f"{line}\r\n" for line in ["\ufeff" + lines[0], *lines[1:]]).encode("utf-16-le")
    )
    options = ["--model", tiny_en, "--language", "en", "--compute_type", "int8", "--no_align", "-f", "txt"]
    options += ["--output_template", "{{{stem}}}.{format}", "--ray_dashboard", "False", "-o", "out"]
    done = subprocess.run(
        [COMMAND, "--batch_file", "list.txt", *options, "--report", "report.json"],
        env=alone,
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "failed  " in done.stderr
    assert "geheim" not in done.stderr
    found = json.loads((here / "report.json").read_text())["files"]
    assert {Path(each["path"].partition("?")[0]).name: each["status"] for each in found} == {
        "Müller.wav": "done",
        "b1.wav": "done",
        "in folder.wav": "done",
        "fox.wav": "done",
        "gone [1].wav": "failed",
    }
    outputs = {path.name for path in (here / "out").iterdir()}
    assert outputs == {"{Müller}.txt", "{b1}.txt", "{in folder}.txt", "{fox}.txt", ".whisperx-batch"}
    assert not list((here / "out" / ".whisperx-batch").glob("inputs-*"))


def test_a_run_whose_files_have_all_failed_says_so_and_loads_nothing(
    alone: dict[str, str], tiny_en: str, tmp_path: Path
) -> None:
    """That is known before Ray starts: there is no pool to be made."""
    (tmp_path / "empty.wav").touch()
    report = tmp_path / "report.json"
    options = ["--model", tiny_en, "--language", "en", "--no_align", "--ray_dashboard", "False"]
    line = [COMMAND, str(tmp_path / "empty.wav"), *options, "-o", str(tmp_path / "out"), "--report", str(report)]
    done = subprocess.run(line, env=alone, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "failed  empty.wav: " in done.stderr
    assert [each["status"] for each in json.loads(report.read_text())["files"]] == ["failed"]
    assert json.loads(report.read_text())["summary"]["model_loads"] == {}


def test_a_run_that_cannot_go_on_says_why_once_and_last(alone: dict[str, str], tmp_path: Path) -> None:
    """A model that does not load: its files are left, and not listed as failed one by one; but for one that is bad.

    With `--verbose False` nothing else is printed than failures and summary.
    """
    files, report = cut_speech(tmp_path / "files", *[f"{i}.wav" for i in range(20)]), tmp_path / "report.json"
    (files / "bad.wav").write_text("no audio")
    (tmp_path / "whisper").mkdir()
    (tmp_path / "whisper" / "model.bin").write_bytes(b"no weights")
    options = ["--model", str(tmp_path / "whisper"), "--language", "en", "--no_align", "--device", "cpu"]
    options += ["--verbose", "False"]
    line = [COMMAND, str(files), *options, "-o", str(tmp_path / "out"), "--report", str(report)]
    done = subprocess.run([*line, "--ray_dashboard", "False"], env=alone, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    failed, summary, last = done.stderr.splitlines()
    assert failed.startswith("failed  bad.wav: ")
    assert summary.startswith("21 files: 0 done, 1 failed, 0 skipped, 20 left for the next run; ")
    assert last.startswith("whisperx-batch: the pool 'all stages' cannot load its models: ")
    assert done.stderr.count("cannot load its models") == 1
    assert done.stderr.count("failed  ") == 1
    written = json.loads(report.read_text())
    assert [each["status"] for each in written["files"]].count("left") == 20
    assert last == f"whisperx-batch: {written['summary']['ended_early']}"


def test_films_have_the_times_and_the_track_that_a_player_has(
    alone: dict[str, str], tiny_en: str, tmp_path: Path
) -> None:
    """Sound that begins late, and a second track in the language asked for: as the plan says, so are the subtitles.

    A file beside them whose sound is cut off fails; the next run knows it, and says so without starting anything.
    """
    films = tmp_path / "films"
    films.mkdir()
    late_film(films / "late.mp4", QUICK_BROWN_FOX, "libx264 -preset ultrafast -c:a aac")
    two_tracks(films / "two.mkv", SAMPLES / "en" / "hello_world.wav", QUICK_BROWN_FOX, "ger", "eng")
    two_tracks(films / "first.mkv", SAMPLES / "en" / "hello_world.wav", QUICK_BROWN_FOX, "ger", "eng")
    manifest = tmp_path / "m.csv"
    manifest.write_text("path,audio_track\nfilms/late.mp4,\nfilms/two.mkv,\nfilms/first.mkv,1\nfilms/cut.flac,\n")
    whole = tmp_path / "whole.flac"
    with av.open(str(QUICK_BROWN_FOX)) as source, av.open(str(whole), "w") as encoded:
        stream = encoded.add_stream("flac", rate=16_000, layout="mono")
        for frame in source.decode(audio=0):
            encoded.mux(stream.encode(frame))
        encoded.mux(stream.encode(None))
    (films / "cut.flac").write_bytes(whole.read_bytes()[:8350])  # what follows the header is cut off
    options = ["--model", tiny_en, "--compute_type", "int8", "--align_model", "whisper", "--ray_dashboard", "False"]
    line = [
        COMMAND,
        "--manifest",
        str(manifest),
        "--language",
        "en",
        *options,
        "-o",
        str(tmp_path / "out"),
        "-f",
        "srt",
    ]
    plan = subprocess.run([*line, "--dry_run"], env=alone, capture_output=True, text=True, check=True).stdout
    assert "two.mkv (0:00:03, aac, track 2 of 2: eng)" in plan
    assert "first.mkv (0:00:03, aac, track 1 of 2: ger)" in plan
    done = subprocess.run(line, env=alone, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    late, two, first = ((tmp_path / "out" / f"{name}.srt").read_text() for name in ("late", "two", "first"))
    start = re.search(r"00:00:(\d\d),(\d{3}) -->", late)
    assert start
    assert float(f"{start[1]}.{start[2]}") == pytest.approx(5.1, abs=0.3)
    assert "quick brown fox" in late
    assert "quick brown fox" in two
    assert "hello" in first.lower()
    assert "fox" not in first
    assert "4 files: 3 done, 1 failed, 0 skipped" in done.stderr
    again = subprocess.run(line, env=alone, capture_output=True, text=True, check=False)
    assert again.returncode == 3, again.stderr
    assert "failed before  cut.flac: " in again.stderr
    assert "4 files: 0 done, 1 failed (1 of them before), 3 skipped" in again.stderr
    assert "To see this run" not in again.stderr


def _listening(process: psutil.Process) -> set[str]:
    try:
        return {each.laddr.ip for each in process.net_connections() if each.status == psutil.CONN_LISTEN}
    except psutil.NoSuchProcess:  # it was there a moment ago
        return set()


def _slowdown() -> float:
    """Return how many times as long a thread takes beside what else runs on this machine now, as it does alone."""
    began, worked = time.monotonic(), time.thread_time()
    while time.thread_time() < worked + 0.5:
        pass
    return (time.monotonic() - began) / 0.5


@pytest.mark.alone
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_in_ten_seconds_and_keeps_what_is_written(
    alone: dict[str, str], tiny_en: str, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    """Ctrl-C at a terminal, and SIGTERM to all processes, as systemd sends it; no process of ours is left."""
    files, out = cut_speech(tmp_path / "files", *[f"{i}.wav" for i in range(80)]), tmp_path / "out"
    options = ["--model", tiny_en, "--language", "en", "--compute_type", "int8", "--align_model", "whisper"]
    command = [COMMAND, str(files), *options, "-o", str(out), "--report", str(tmp_path / "report.json")]
    terminal, inside = pty.openpty()
    run = subprocess.Popen(
        command,
        env=alone,
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
        # What runs in the background of a script ignores it, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    os.close(inside)
    os.set_blocking(terminal, False)
    screen = b""
    deadline = time.monotonic() + 300
    while len(list(out.glob("*.json"))) < 2 and time.monotonic() < deadline and run.poll() is None:
        screen += _read(terminal)
        time.sleep(0.1)
    ours = psutil.Process(run.pid).children(recursive=True)
    assert len(ours) > 3
    listening = {address for process in ours for address in _listening(process)}
    assert listening <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    if number == signal.SIGINT:
        os.killpg(run.pid, number)
    else:
        for process in [*ours, run]:
            process.send_signal(number)
    pressed = time.monotonic()
    while run.poll() is None and time.monotonic() < pressed + 60:
        screen += _read(terminal)
        time.sleep(0.05)
    took = time.monotonic() - pressed
    assert run.returncode == status, screen.decode(errors="replace")
    assert took < 10 * _slowdown()
    assert b" done, " in screen
    _, left = psutil.wait_procs(ours, timeout=2)
    assert [process.name() for process in left] == []
    written = json.loads((tmp_path / "report.json").read_text())
    assert 2 <= written["summary"]["done"] < 80
    assert {each["status"] for each in written["files"]} == {"done", "left"}
    assert b"failed  " not in screen
    assert f"{written['summary']['left']} left for the next run".encode() in screen
    if number == signal.SIGINT:
        assert screen.split(b"\r\n")[-2] == b"whisperx-batch: interrupted; the same command goes on where it stopped"
    for each in written["files"]:
        for path in each["outputs"]:
            assert Path(path).is_file()
    for path in out.glob("*.json"):
        assert json.loads(path.read_text())["language"] == "en"
    assert [path.name for path in out.glob(".*")] == [".whisperx-batch"]
    assert (
        screen.index(b"starting") < screen.index(b"looking at the files") < screen.index(b"starting Ray and a Prefect")
    )
    assert b"all files" in screen
    assert b"transcribe" in screen


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1_000_000)
    except OSError:
        return b""
