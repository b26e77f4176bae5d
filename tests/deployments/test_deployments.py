"""The set-up of one machine, as a user has it: `make up`, deployments, runs through Prefect, `make down`."""

import http.server
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import psutil
import pytest
import yaml
from conftest import cut_speech
from loopback import free_port
from prefect.server.schemas.schedules import CronSchedule
from prefect_client import ROOT, Prefect
from runs import transcribing

from deployments.automations import crash_zombies, tell_of_late_runs
from deployments.box import environment
from deployments.settings import DeploymentSettings
from flows.services.prefect_server import LASTING_SERVER

TOKEN = "hf_ThisIsTheTokenOfNobody"
FILES = ["one.wav", "two.wav", "three.wav"]
QUIET = "quiet.wav"


def free_ray_port() -> int:
    """Return a port for a Ray head whose other ports, which follow it, are free too."""
    for port in range(3000, 6000, 7):
        with_it = [port, port - 6379 + 8265, port - 6379 + 52365, port + 1]
        if not any(_taken(each) for each in with_it):
            return port
    raise AssertionError("no port is free")


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module", name="box")
def _box(tmp_path_factory: pytest.TempPathFactory, prefect_home: Path) -> Iterator[Prefect]:
    """Everything that `make up` starts, on ports of its own."""
    home, port = tmp_path_factory.mktemp("box"), free_port()
    ours = {
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_SERVER_API_PORT": str(port),
        "WHISPERX_BATCH_RAY_PORT": str(free_ray_port()),
        "WHISPERX_BATCH_RECORDINGS": str(home / "recordings"),
        "WHISPERX_BATCH_TRANSCRIPTS": str(home / "transcripts"),
        "WHISPERX_BATCH_NIGHTLY_CRON": "30 21 * * *",
        "WHISPERX_BATCH_NIGHTLY_TIMEZONE": "Europe/Berlin",
        "HF_TOKEN": TOKEN,
        "HF_HUB_OFFLINE": "1",
    }
    theirs = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "RAY_"))}
    box = Prefect({**theirs, **ours, "PREFECT_API_URL": f"http://127.0.0.1:{port}/api"})
    try:
        printed = box.program("python", "-m", "deployments.box", "up")
        assert "prefect deployment run whisperx-batch/default" in printed
        assert "nightly is off; `make nightly` turns it on." in printed
        yield box
    finally:
        assert "All services are stopped" in box.program("python", "-m", "deployments.box", "down")
        assert "No service was running" in box.program("python", "-m", "deployments.box", "down")
        assert [process.name() for process in processes_of(ours["PREFECT_HOME"])] == []


@pytest.fixture(scope="module", name="options")
def _options(tiny_en: str, small_models: Path) -> dict[str, Any]:
    return {
        "transcribe": transcribing(tiny_en),
        "align": {"align_model": str(small_models / "align-tiny")},
        "diarize": {"diarize_model": str(small_models / "diarize-tiny")},
    }


@pytest.fixture(scope="module", name="heard")
def _heard() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A webhook on loopback, and what it is told."""
    told: list[dict[str, Any]] = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", told
        server.shutdown()


@pytest.fixture(scope="module", name="automated")
def _automated(box: Prefect, heard: tuple[str, list[dict[str, Any]]]) -> None:
    box.environment["WHISPERX_BATCH_WEBHOOK_URL"] = heard[0]
    for _ in range(2):
        box.program("python", "-m", "deployments.automations")
    assert len(own_automations(box)) == 3


def own_automations(box: Prefect) -> list[str]:
    """Return the names of the automations that `make automations` has created."""
    names = [each["name"] for each in box.post("/automations/filter")]
    return [name for name in names if name.startswith("whisperx-batch: ")]


@pytest.fixture(scope="module", name="zombie")
def _zombie(box: Prefect, automated: None, options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> UUID:
    """A run of `nightly` whose process, and the worker that would tell of its end, are killed."""
    folder = tmp_path_factory.mktemp("zombie")
    files = cut_speech(folder / "in", *[f"{i}.wav" for i in range(60)])
    parameters = {"inputs": {"inputs": [str(files)]}, "write": {"output_dir": str(folder / "out")}}
    zombies = crash_zombies()
    trigger = zombies.trigger.model_copy(update={"within": timedelta(seconds=90)})
    soon = zombies.model_copy(update={"name": "crash soon", "trigger": trigger})
    box.post("/automations/", **soon.model_dump(mode="json"))
    run = box.start("nightly", **parameters, **options)
    box.wait(run, lambda _: len(list((folder / "out").glob("*.json"))) > 0)
    ours = processes_of(box.environment["PREFECT_HOME"])
    engine = [p for p in ours if _environment(p).get("PREFECT__FLOW_RUN_ID") == str(run)]
    worker = [p for p in ours if "worker" in p.cmdline() and "start" in p.cmdline()]
    assert engine
    assert worker
    assert _environment(engine[0])["HF_TOKEN"] == TOKEN
    for process in worker + engine:
        process.kill()
    return run


def processes_of(home: str) -> list[psutil.Process]:
    """Return the processes with this PREFECT_HOME."""
    return [process for process in psutil.process_iter() if _environment(process).get("PREFECT_HOME") == home]


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:
        return {}


@pytest.fixture(scope="module", name="first")
def _first(box: Prefect, zombie: UUID, options: dict[str, Any]) -> dict[str, Any]:
    """A run of `default`, and another of it that is started while it goes on."""
    recordings = cut_speech(Path(box.environment["WHISPERX_BATCH_RECORDINGS"]), *FILES)
    with wave.open(str(recordings / QUIET), "wb") as hiss:
        hiss.setparams((1, 2, 16_000, 0, "NONE", ""))
        hiss.writeframes(b"\x01\x00\xff\xff" * 48_000)
    first = box.start("default", **options)
    box.wait(first, lambda run: run["state_type"] == "RUNNING")
    second = box.start("default", **options)
    waiting = box.wait(second, lambda run: run["state_name"] not in ("Scheduled", "Late", "Pending"))
    return {"first": box.ended(first), "waited": waiting["state_name"], "second": box.ended(second)}


def test_a_run_transcribes_what_is_in_the_folder(box: Prefect, first: dict[str, Any]) -> None:
    """With nothing given but the models."""
    run, out = first["first"], Path(box.environment["WHISPERX_BATCH_TRANSCRIPTS"])
    assert (run["state_type"], run["state"]["message"]) == ("COMPLETED", "4 files: 4 done")
    assert re.fullmatch(r"default \d{4}-\d\d-\d\d · 4 files", run["name"])
    for name in FILES:
        assert json.loads((out / name).with_suffix(".json").read_text())["word_segments"]


def test_a_run_shows_its_stages_and_files(box: Prefect, first: dict[str, Any]) -> None:
    """A subflow for each stage, in the order of the pipeline, with a task run for each file."""
    stages = box.stages(first["first"]["id"])
    assert list(stages) == ["load audio", "transcribe", "align", "diarize", "check", "write"]
    for name, stage in stages.items():
        assert stage["name"] == f"{name} · 4 files"
        assert (stage["state_type"], stage["state"]["message"]) == ("COMPLETED", "4 files")
        assert box.tasks(stage, 4) == dict.fromkeys([*FILES, QUIET], "Completed")


def test_a_run_explains_itself(box: Prefect, first: dict[str, Any]) -> None:
    """One plan, one progress, one report."""
    shown = box.artifacts(first["first"]["id"])
    assert set(shown) == {"whisperx-batch-plan", "whisperx-batch-progress", "whisperx-batch-report"}
    assert "| to do | 4 | 0:00:24 |" in shown["whisperx-batch-plan"]["data"]
    assert shown["whisperx-batch-progress"]["data"] == 100
    assert "4/4 files" in shown["whisperx-batch-progress"]["description"]
    for name in FILES:
        files = shown["whisperx-batch-report"]["data"].partition("## Files")[2]
        row = next(line for line in files.splitlines() if name in line)
        assert re.match(
            r"\| \w+\.wav \| done \| \w+ \| en \| \d \| 0:00:06 \|",
            row,
        )
    report = shown["whisperx-batch-report"]["data"]
    assert re.search(r"\| \[transcribe\]\(../../runs/flow-run/[0-9a-f-]{36}\) \| 4 \| [\d:]+ \| █+ \d+% \|", report)
    assert re.search(r"`CPU [▁▂▃▄▅▆▇█]+ \d+%`", report)
    assert "- transcribe: 4 of 4 files" in shown["whisperx-batch-progress"]["description"]


def test_what_a_library_warns_of_is_in_the_log_of_the_file(box: Prefect, first: dict[str, Any]) -> None:
    """Here WhisperX, of a file without speech; what it merely tells is left out."""
    transcribe = box.stages(first["first"]["id"])["transcribe"]
    logs = box.post("/logs/filter", logs={"flow_run_id": {"any_": [transcribe["id"]]}}, limit=200)
    runs = box.post("/task_runs/filter", flow_runs={"id": {"any_": [transcribe["id"]]}})
    names = {run["id"]: run["name"] for run in runs}
    said = {(names[log["task_run_id"]], log["message"]) for log in logs if log["name"].startswith("whisperx")}
    assert said == {(QUIET, "No active speech found in audio")}


def test_a_run_that_overlaps_waits_and_does_what_is_left(box: Prefect, first: dict[str, Any]) -> None:
    """As prefect.yaml chooses; here nothing is left."""
    assert first["waited"] == "AwaitingConcurrencySlot"
    assert first["second"]["state"]["message"] == "4 files: 4 skipped"
    assert first["second"]["start_time"] > first["first"]["end_time"]
    assert box.stages(first["second"]["id"]) == {}


def test_the_next_plan_says_when_it_will_end(box: Prefect, first: dict[str, Any], options: dict[str, Any]) -> None:
    """And a run that is cancelled in Prefect frees what it holds; `only: failed` does the rest of it."""
    recordings = Path(box.environment["WHISPERX_BATCH_RECORDINGS"])
    cut_speech(recordings / "more", *[f"{i}.wav" for i in range(80)], seconds=5)
    transcripts = Path(box.environment["WHISPERX_BATCH_TRANSCRIPTS"])
    run = box.start("default", **options)
    box.wait(run, lambda _: len(list(transcripts.glob("more/*.json"))) > 1)
    assert "as in the last such run" in box.artifacts(run)["whisperx-batch-plan"]["data"]
    box.program("prefect", "flow-run", "cancel", str(run))
    assert box.ended(run)["state_type"] == "CANCELLED"
    for path in transcripts.rglob("*.json"):
        if ".whisperx-batch" not in path.parts:
            assert json.loads(path.read_text())["language"] == "en"
    left = 80 - len(list(transcripts.glob("more/*.json")))
    assert left > 10
    again = box.start("default", inputs={"only": "failed"}, run={"stop_after": "1s"}, **options)
    ended = box.ended(again)
    assert ended["state_type"] == "COMPLETED"
    # Files that are in flight when it stops are finished; with one second these are few.
    found = re.fullmatch(r"(\d+) files: (\d+ done, )?(\d+) left for the next run", ended["state"]["message"])
    assert found, ended["state"]["message"]
    assert int(found[1]) == left
    assert left - 10 < int(found[3]) <= left


@pytest.fixture(scope="module", name="watched")
def _watched(
    box: Prefect, options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], subprocess.CompletedProcess[str], Path]:
    """A run of `default` over a good file and two bad ones, watched until it ended."""
    folder = cut_speech(tmp_path_factory.mktemp("bad"), "good.wav")
    (folder / "broken.mp3").write_bytes(bytes(4000))
    (folder / "letter.wav").write_text("Dear Sir or Madam,\n" * 99)
    given = {"inputs": {"inputs": [str(folder)]}, "write": {"output_format": "docx"}, **options}
    run, ran = box.watch("default", **given)
    return box.ended(run), ran, folder


def test_a_run_with_bad_files_ends_with_them_and_without_a_traceback(
    box: Prefect, watched: tuple[dict[str, Any], subprocess.CompletedProcess[str], Path]
) -> None:
    """In its log, in the worker's, and at the terminal of who watches it; each bad file has a red row."""
    run, ran, _ = watched
    assert (run["state_type"], run["state"]["message"]) == ("FAILED", "3 files: 1 done, 2 failed")
    assert ran.returncode == 1
    logs = box.post("/logs/filter", logs={"flow_run_id": {"any_": [run["id"]]}}, sort="TIMESTAMP_ASC")
    lines = [log["message"] for log in logs]
    for name in ("broken.mp3", "letter.wav"):
        reason = f"{name}: not audio that FFmpeg reads"
        assert sum(line.startswith(reason) for line in lines) == 1
        assert reason in ran.stdout
    assert lines[-1] == "Finished in state Failed('3 files: 1 done, 2 failed')"
    worker = Path(box.environment["PREFECT_HOME"], "whisperx-batch", "worker.log").read_text()
    assert not any("Traceback" in text for text in (*lines, ran.stdout, worker.partition(str(run["id"]))[2]))
    runs = box.post("/task_runs/filter", flow_runs={"id": {"any_": [run["id"]]}})
    assert {each["name"] for each in runs if each["state_type"] == "FAILED"} == {"broken.mp3", "letter.wav"}
    report = box.artifacts(run["id"])["whisperx-batch-report"]["data"]
    assert all(f"(../../runs/task-run/{each['id']})" in report for each in runs if each["state_type"] == "FAILED")


def test_options_of_a_run_are_added_to_those_of_the_deployment(
    box: Prefect, watched: tuple[dict[str, Any], subprocess.CompletedProcess[str], Path]
) -> None:
    """The outputs have the format of the run, and are in the folder of the deployment."""
    assert watched[0]["parameters"]["write"] == {"output_format": "docx"}
    outputs = Path(box.environment["WHISPERX_BATCH_TRANSCRIPTS"])
    assert [path.name for path in outputs.glob("good.*")] == ["good.docx"]


def test_files_that_are_known_to_be_bad_turn_no_later_run_red(
    box: Prefect, watched: tuple[dict[str, Any], subprocess.CompletedProcess[str], Path], options: dict[str, Any]
) -> None:
    """Nor does an empty folder; who watches is told by status 0."""
    given = {"inputs": {"inputs": [str(watched[2])]}, "write": {"output_format": "docx"}, **options}
    again = box.ended(box.start("default", **given))
    assert (again["state_type"], again["state_name"]) == ("COMPLETED", "FailedBefore")
    (watched[2] / "empty").mkdir()
    run, ran = box.watch("default", inputs={"inputs": [str(watched[2] / "empty")]})
    assert box.ended(run)["state"]["message"] == f"nothing to do: no audio or video file in {watched[2] / 'empty'}"
    assert ran.returncode == 0


def test_the_night_waits_for_the_canary(box: Prefect, automated: None, tmp_path: Path) -> None:
    """Once it is Completed, `nightly` starts with the options that it has tried."""
    box.environment["WHISPERX_BATCH_NIGHTLY_AFTER_CANARY"] = "true"
    box.program("python", "-m", "deployments.automations")
    new = {"transcribe": {"model": "tiny", "language": "de"}, "align": None, "second_pass": {}}
    canary = box.ended(box.start("canary", inputs={"inputs": [str(tmp_path)]}, new=new))
    assert (canary["state_type"], "nothing to do" in canary["state"]["message"]) == ("COMPLETED", True)
    started: list[dict[str, Any]] = []
    deadline = time.monotonic() + 30
    while not started and time.monotonic() < deadline:
        time.sleep(0.5)
        runs = box.post("/flow_runs/filter", deployments={"name": {"any_": ["nightly"]}}, sort="ID_DESC")
        started = [run for run in runs if run["parameters"].get("transcribe") == new["transcribe"]]
    (night,) = started
    box.post(f"/flow_runs/{night['id']}/set_state", state={"type": "CANCELLED"}, force=True)
    groups = ("align", "diarize", "check", "models", "second_pass", "run")
    assert [night["parameters"][group] for group in groups] == [None, None, {}, {}, {}, {"stop_after": "06:30"}]
    del box.environment["WHISPERX_BATCH_NIGHTLY_AFTER_CANARY"]
    box.program("python", "-m", "deployments.automations")
    assert len(own_automations(box)) == 3


def test_a_failure_is_told(box: Prefect, automated: None, heard: tuple[str, list[dict[str, Any]]]) -> None:
    """To the webhook, once, with the reason; a relative path would be one in the worker's own folder."""
    run = box.ended(box.start("default", inputs={"inputs": ["not/absolute"]}))
    assert "a deployment needs absolute paths" in run["state"]["message"]
    assert run["name"].startswith(f"default {datetime.now().astimezone():%Y}-")
    # All of it: names of other runs of the day, which have failed too, begin with this one's.
    news = f"{run['name']} is Failed. {run['state']['message']}"
    deadline = time.monotonic() + 60
    while news not in (told := [each["text"] for each in heard[1]]) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert told.count(news) == 1, told


def test_a_run_that_no_worker_takes_up_is_told(
    box: Prefect, automated: None, heard: tuple[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    """Which deployment, and for when it was planned; it begins once there is a worker again."""
    hook, *_ = box.post("/block_documents/filter", block_documents={"name": {"any_": ["whisperx-batch-failures"]}})
    late = tell_of_late_runs(UUID(hook["id"]))
    trigger = late.trigger.model_copy(update={"within": timedelta(seconds=10)})
    soon = late.model_copy(update={"name": "soon", "trigger": trigger})
    box.post("/automations/", **soon.model_dump(mode="json"))
    box.program("prefect", "work-pool", "pause", "whisperx-batch")
    run = box.start("default", inputs={"inputs": [str(tmp_path)]})
    deadline = time.monotonic() + 120
    while not (told := [each["text"] for each in heard[1] if "was to begin" in each["text"]]):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    box.program("prefect", "automation", "delete", "soon")
    box.program("prefect", "work-pool", "resume", "whisperx-batch")
    assert [text.startswith("default was to begin at 20") for text in told] == [True]
    assert box.ended(run)["state_type"] == "COMPLETED"


def test_the_form_has_every_option_with_its_description_and_order(box: Prefect) -> None:
    """As the server has it, which makes the form of it."""
    schema = box.get("/deployments/name/whisperx-batch/default")["parameter_openapi_schema"]
    groups = "inputs write transcribe align diarize people check second_pass models run pools".split()
    assert list(schema["properties"]) == groups
    for group in schema["definitions"].values():
        assert [field["position"] for field in group["properties"].values()] == list(range(len(group["properties"])))
        assert all(field["description"] for field in group["properties"].values())
    for stage in ("align", "diarize", "check", "second_pass"):
        assert {"type": "null"} in schema["properties"][stage]["anyOf"]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"transcribe": {"batch_size": 0}}, "less than the minimum"),
        ({"transcribe": {"vad_method": "ears"}}, "is not one of"),
        ({"write": {"output_dirr": "/x"}}, "output_dirr"),
        ({"run": {"stop_after": "noon"}}, "does not match"),
    ],
)
def test_a_wrong_value_is_refused_by_the_api(box: Prefect, parameters: dict[str, Any], words: str) -> None:
    """Before a run is made of it, with the value and what is wrong."""
    deployment = box.get("/deployments/name/whisperx-batch/default")["id"]
    answer = box._client.post(f"/deployments/{deployment}/create_flow_run", json={"parameters": parameters})
    assert answer.status_code == 409
    assert words in answer.text


def test_nightly_starts_at_the_same_local_time_when_the_clocks_change(box: Prefect) -> None:
    """In Berlin they did so on 2027-03-28, and did not where the server is."""
    nightly = box.get("/deployments/name/whisperx-batch/nightly")
    assert [each["active"] for each in nightly["schedules"]] == [False]
    schedule = CronSchedule.model_validate(nightly["schedules"][0]["schedule"])
    import asyncio

    dates = asyncio.run(schedule.get_dates(3, start=datetime(2027, 3, 27, 0, 0, tzinfo=ZoneInfo("Europe/Berlin"))))
    assert [date.astimezone(ZoneInfo("UTC")).isoformat() for date in dates] == [
        "2027-03-27T20:30:00+00:00",
        "2027-03-28T19:30:00+00:00",
        "2027-03-29T19:30:00+00:00",
    ]


def test_nightly_is_turned_on_by_one_command_and_stays_on(box: Prefect) -> None:
    """`make nightly`, which says when it starts, until when it runs and how to turn it off; `make up` leaves it on."""
    box.environment["WHISPERX_BATCH_NIGHTLY_ACTIVE"] = "true"
    printed = box.program("python", "-m", "deployments.box", "up")
    assert re.search(
        r"starts next on \w+day, \d\d \w+, at 21:30 \(Europe/Berlin\), .* no more files after 06:30", printed
    )
    assert "WHISPERX_BATCH_NIGHTLY_ACTIVE=false make up" in printed
    del box.environment["WHISPERX_BATCH_NIGHTLY_ACTIVE"]
    box.program("python", "-m", "deployments.deploy")
    nightly = box.get("/deployments/name/whisperx-batch/nightly")
    assert [each["active"] for each in nightly["schedules"]] == [True]
    assert nightly["parameters"]["run"] == {"stop_after": "06:30"}


def test_options_of_the_deployments_are_settings(box: Prefect) -> None:
    """As deployments/.env has them; the canary's are what it compares with."""
    settings = {"MODEL": "large-v3", "OUTPUT_FORMAT": "srt,docx", "DIARIZE": "true", "KEEP_WARM": "15m"}
    box.environment |= {f"WHISPERX_BATCH_{name}": value for name, value in settings.items()}
    box.program("python", "-m", "deployments.deploy")
    deployed = {
        name: box.get(f"/deployments/name/whisperx-batch/{name}")["parameters"]
        for name in ("default", "nightly", "canary")
    }
    for name in ("default", "nightly"):
        assert deployed[name]["transcribe"] == {"model": "large-v3"}
        assert deployed[name]["write"]["output_format"] == "srt,docx"
        assert Path(deployed[name]["write"]["output_dir"]).is_absolute()
        assert deployed[name]["diarize"] == {}
        assert deployed[name]["run"]["keep_warm"] == "15m"
    assert deployed["canary"]["old"] == {"transcribe": {"model": "large-v3"}, "diarize": {}}
    for name in settings:
        del box.environment[f"WHISPERX_BATCH_{name}"]
    box.program("python", "-m", "deployments.deploy")
    assert "transcribe" not in box.get("/deployments/name/whisperx-batch/default")["parameters"]


def test_a_run_whose_process_is_gone_is_ended(box: Prefect, zombie: UUID) -> None:
    """By the automation, here after three heartbeats; supervisord has started the worker again."""
    ended = box.ended(zombie)
    box.program("prefect", "automation", "delete", "crash soon")
    assert (ended["state_type"], "no heartbeat" in ended["state"]["message"]) == ("CRASHED", True)


def test_the_token_is_nowhere_but_in_its_block(box: Prefect, first: dict[str, Any], zombie: UUID) -> None:
    """Not in the database, which has all parameters, logs, artifacts, reports and events, nor in a file."""
    home = Path(box.environment["PREFECT_HOME"])
    assert (home / "prefect.db").stat().st_size > 100_000
    kept = box.program(
        "python", "-c", "from prefect.blocks.system import Secret; print(Secret.load('whisperx-batch-hf-token').get())"
    )
    assert kept.strip() == TOKEN
    for folder in (home, Path(box.environment["WHISPERX_BATCH_TRANSCRIPTS"])):
        for path in folder.rglob("*"):
            assert not path.is_file() or TOKEN.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("NIGHTLY_CRON", "at ten", "WHISPERX_BATCH_NIGHTLY_CRON: Invalid cron string"),
        ("NIGHTLY_TIMEZONE", "Mars/Olympus", "WHISPERX_BATCH_NIGHTLY_TIMEZONE: Invalid timezone"),
        ("NIGHTLY_STOP_AFTER", "noon", "WHISPERX_BATCH_NIGHTLY_STOP_AFTER: 'noon' is neither a time of day, such as"),
        ("MODEL", "largev3", "no such Whisper model; did you mean large-v3?"),
        ("DIARIZE_MODEL", "campplus", "WHISPERX_BATCH_DIARIZE_MODEL: has no effect without WHISPERX_BATCH_DIARIZE"),
        ("RECORDINGS", "/no/such/folder", "WHISPERX_BATCH_RECORDINGS: /no/such/folder cannot be made: No such file"),
        ("OUTPUT_FORMAT", "doc", "WHISPERX_BATCH_OUTPUT_FORMAT: there is no format 'doc'"),
        ("KEEP_WARM", "soon", "WHISPERX_BATCH_KEEP_WARM: 'soon' is no duration"),
        ("LANGUAGE", "Klingon", "WHISPERX_BATCH_LANGUAGE: "),
    ],
)
def test_a_wrong_setting_is_named_before_anything_starts(name: str, value: str, words: str) -> None:
    """In a line, and nothing else."""
    line = [sys.executable, "-m", "deployments.box", "up"]
    environment = {**os.environ, f"WHISPERX_BATCH_{name}": value}
    ran = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert words in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_services_reach_each_other_without_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`make up` would wait for the server until it gives up."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "corp.example")
    services = environment(DeploymentSettings())
    assert services["no_proxy"] == services["NO_PROXY"] == "corp.example,127.0.0.1,localhost,::1"


def test_the_compose_file_is_whole() -> None:
    """As docker compose reads it, with the file of settings that the docs show."""
    example = (ROOT / "deployments" / "example.env").read_text()
    needed = dict.fromkeys(re.findall(r"^#(\w+)=", example, re.MULTILINE), "x:y")
    line = ["docker-compose", "-f", "deployments/compose.yaml", "--env-file", os.devnull, "config"]
    program = str(Path(sys.executable).parent / line[0])
    ran = subprocess.run([program, *line[1:]], cwd=ROOT, env=needed, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    services = yaml.safe_load(ran.stdout)["services"]
    assert set(services) == {"postgres", "redis", "server", "ray-head", "ray-node", "worker"}
    for service in services.values():
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", []))
        assert not {"PREFECT_API_KEY", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"} & set(service.get("environment", {}))
    assert services["server"]["environment"]["PREFECT_SERVER_API_AUTH_STRING"] == "x:y"
    assert services["server"]["environment"].items() >= LASTING_SERVER.items()
    assert services["ray-node"]["environment"]["RAY_AUTH_MODE"] == "token"
    own = {"RAY_PORT"}  # compose has a network of its own
    settings = {name.upper() for name, field in DeploymentSettings.model_fields.items() if not field.validation_alias}
    assert {f"WHISPERX_BATCH_{name}" for name in settings - own} <= set(services["worker"]["environment"])


def test_when_the_workers_container_is_stopped_its_runs_end_before_their_ray(tmp_path: Path) -> None:
    """`docker compose stop` sends SIGTERM to the container's first program alone, which is this shell."""
    compose = yaml.safe_load((ROOT / "deployments" / "compose.yaml").read_text())
    *shell, script = compose["services"]["worker"]["command"]
    events = tmp_path / "events"
    wait = "trap 'sleep {delay}; echo {name} >> {events}; exit' TERM; echo up >> {events}; "
    wait += "for _ in $(seq 300); do sleep 0.1; done"
    flow_run = f"sh -c {shlex.quote(wait.format(name='run', delay=0.5, events=events))} & wait"
    programs = {
        "ray": wait.format(name="ray", delay=0, events=events),
        "python": "exit 0",
        # A worker that waits for its runs, which are in its process group.
        "prefect": f"trap 'wait' TERM; {flow_run}; echo worker >> {events}",
    }
    for name, lines in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{lines}\n")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    container = subprocess.Popen([*shell, script.replace("$$", "$")], env=environment)
    deadline = time.monotonic() + 30
    while not (events.exists() and events.read_text() == "up\nup\n") and time.monotonic() < deadline:
        time.sleep(0.1)
    container.terminate()
    assert container.wait(timeout=30) == 0
    assert events.read_text().split() == ["up", "up", "run", "worker", "ray"]
    assert compose["services"]["worker"]["stop_grace_period"] == "60s"


def test_the_dockerfile_has_no_faults() -> None:
    """As hadolint finds them."""
    program = str(Path(sys.executable).parent / "hadolint")
    ran = subprocess.run([program, "deployments/Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    assert ran.stdout == ""
