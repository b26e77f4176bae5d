"""flows/canary.py: new options on a sample, with real models, on a real Ray and a real Prefect server."""

import asyncio
import contextvars
import json
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from conftest import cut_speech
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, FlowRunFilter
from prefect.events.actions import RunDeployment
from prefect.server.utilities.user_templates import render_user_template
from prefect.states import Cancelling, State
from runs import transcribing

from deployments.automations import GROUPS, start_night
from flows.canary import _sample, canary
from flows.config.canary import OptionSet
from flows.config.inputs import Entry, Inputs


@pytest.mark.usefixtures("one_ray", "api_url")
def test_options_that_lose_speech_fail_the_canary_and_equal_ones_do_not(tiny_en: str, tmp_path: Path) -> None:
    """It says why, and shows it in an artifact; what both have in common is done once."""
    files = cut_speech(tmp_path / "files", *[f"{i}.wav" for i in range(5)])
    given: dict[str, Any] = {
        "inputs": {"inputs": [str(files)]},
        "output_dir": str(tmp_path / "canary"),
        "old": {"transcribe": transcribing(tiny_en), "align": None, "models": {"device": "cpu"}},
        "sample": 3,
    }
    same: State[Any] = canary(**given, return_state=True)
    assert (same.name, same.message) == ("Completed", "3 files: no difference")
    assert "No difference." in shown(same)

    worse: State[Any] = canary(
        **given, new={"transcribe": {"vad_onset": 0.999, "vad_offset": 0.998}}, return_state=True
    )
    assert worse.name == "Failed"
    assert worse.message
    assert worse.message.startswith("beyond the limits: ")
    assert "of the words differ, more than 10.0%" in worse.message
    assert "a loss of more than 2.0%" in worse.message
    assert "## Examples" in shown(worse)
    reports = sorted((tmp_path / "canary").glob("*/*/report.json"))
    transcribed = {}
    for path in reports:
        files_of_run = json.loads(path.read_text())["files"]
        transcribed[path.parent] = sum("transcribe" in each["timings_s"] for each in files_of_run)
    assert [(folder.name, count) for folder, count in transcribed.items()] == [
        *(("new", 0), ("old", 3)),
        *(("new", 3), ("old", 0)),
    ]


@pytest.mark.usefixtures("one_ray", "api_url")
def test_a_canary_that_is_cancelled_in_prefect_ends_cancelled(
    tiny_en: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does the run of its sample, whose files are left; no new options are tried, and nothing is compared."""
    monkeypatch.setattr("flows.services.cancellation.CHECK_EVERY_S", 0.2)
    files = cut_speech(tmp_path / "files", *[f"{i}.wav" for i in range(12)])
    cancelled: Future[UUID] = Future()

    def cancel_once_it_transcribes() -> None:
        with get_client(sync_client=True) as client:
            while not list((tmp_path / "canary").glob("*/old/report.json")):  # it is written when the plan is made
                time.sleep(0.1)
            named = FlowRunFilter(name={"any_": ["canary"]}, state={"type": {"any_": ["RUNNING"]}})
            (run,) = client.read_flow_runs(flow_run_filter=named)
            client.set_flow_run_state(run.id, Cancelling(), force=True)
            cancelled.set_result(run.id)

    cancelling = contextvars.copy_context().run
    threading.Thread(target=cancelling, args=(cancel_once_it_transcribes,), daemon=True).start()
    options: dict[str, Any] = {"transcribe": transcribing(tiny_en), "align": None, "models": {"device": "cpu"}}
    state: State[Any] = canary(
        Inputs(inputs=[str(files)]), str(tmp_path / "canary"), OptionSet.model_validate(options), return_state=True
    )
    assert (state.type.value, state.message) == ("CANCELLED", "the run with the old options was cancelled")
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(cancelled.result(0))
        children = client.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id={"any_": [run.id]}))
    assert run.state
    assert run.state.is_cancelled()
    assert [(child.name.partition(" · ")[0], child.state_name) for child in children] == [("old options", "Cancelled")]
    (report,) = (tmp_path / "canary").glob("*/*/report.json")
    assert json.loads(report.read_text())["summary"]["left"] > 0


def shown(state: State[Any]) -> str:
    """Return the artifact of a run of the canary."""
    with get_client(sync_client=True) as client:
        run = ArtifactFilter(flow_run_id={"any_": [state.state_details.flow_run_id]})
        (artifact,) = client.read_artifacts(artifact_filter=run)
    return str(artifact.data)


def test_the_sample_stays_the_same_when_files_are_added() -> None:
    """But for those that are new."""
    entries = [Entry(f"/in/{i}.wav") for i in range(100)]
    before, after = _sample(entries, 20), _sample([*entries, Entry("/in/new.wav")], 20)
    assert len({*before} - {*after}) <= 1
    assert len(before) == len(after) == 20


@pytest.mark.parametrize(
    ("inputs", "output_dir", "words"),
    [
        (
            {"inputs": ["/in/a.wav"]},
            "s3://key:secret@bucket/canary",
            "output_dir s3://bucket/canary: the canary compares",
        ),
        ({"inputs": ["/in/a.wav"]}, "/dev/null/canary", "/dev/null is not a folder"),
        ({"inputs": ["/in/a.wav"], "only": "failed"}, "", "a sample is taken of all files"),
        ({"inputs": ["/in/a.wav"], "of_report": "/in/report.json"}, "", "a sample is taken of all files"),
    ],
)
def test_what_a_canary_cannot_do_is_refused_first(
    inputs: dict[str, Any], output_dir: str, words: str, tmp_path: Path
) -> None:
    """Rather than ignored, or found once the sample is transcribed twice."""
    state = canary.fn(Inputs.model_validate(inputs), output_dir or str(tmp_path))
    assert state.is_failed()
    assert words in (state.message or "")
    assert not any(tmp_path.iterdir())


def test_new_options_keep_what_they_do_not_name() -> None:
    """A group that is left out, and within a group each option; None turns a stage off."""
    old = OptionSet.model_validate({"transcribe": {"model": "small", "language": "de"}, "diarize": {}})
    new = OptionSet.model_validate({"transcribe": {"model": "tiny"}, "align": None}).over_set(old)
    assert (new.transcribe.model, new.transcribe.language, new.align, new.diarize) == ("tiny", "de", None, old.diarize)


def test_the_night_after_a_canary_gets_every_group_of_options_that_it_tried() -> None:
    """Where neither set of options names a group, as the canary has it then."""
    unset = {name: "none" if field.default is None else "{}" for name, field in OptionSet.model_fields.items()}
    assert unset == GROUPS


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({}, {}),
        ({"transcribe": {"model": "small", "language": "de"}}, {"transcribe": {"model": "tiny"}}),
        ({"diarize": {"num_speakers": 2}, "check": None}, {"diarize": None, "second_pass": {"second_model": "small"}}),
        ({"second_pass": {}, "align": None}, {"align": {"interpolate_method": "linear"}, "check": {}}),
    ],
)
def test_the_night_after_a_canary_has_the_options_that_it_tried(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Those of both sets, within a group too."""
    (start,) = start_night(uuid4(), uuid4()).actions
    assert isinstance(start, RunDeployment)
    run = SimpleNamespace(parameters={"old": old, "new": new})
    night = {}
    for group, value in (start.parameters or {}).items():
        rendered = asyncio.run(render_user_template(value["value"]["template"], {"flow_run": run}))
        night[group] = json.loads(rendered)
    tried = OptionSet.model_validate(new).over_set(OptionSet.model_validate(old))
    assert OptionSet.model_validate(night) == tried
