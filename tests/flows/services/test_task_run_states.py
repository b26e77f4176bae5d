"""flows/services/task_run_states.py: what the server has lost is sent again."""

import contextvars
import logging
from collections.abc import Callable
from functools import partial
from uuid import UUID, uuid4

import pytest
from prefect import flow, runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import StateType
from prefect.states import Completed, State

from flows.pools.task_runner import _report_state
from flows.services import task_run_states
from flows.services.task_run_states import TaskRunStates
from tasks.audio.types import AudioFile
from tasks.load_audio import load_audio


def reports_of(task_runs: list[UUID]) -> dict[UUID, Callable[[], object]]:
    """Return for task runs of the current flow run what reports the end of each; they are named after their order."""
    found = {}
    for i, task_run in enumerate(task_runs):
        parameters = {"file": AudioFile(f"/{i}.wav", f"{i}.wav")}
        report = partial(_report_state, load_audio, task_run, parameters, Completed())
        found[task_run] = partial(contextvars.copy_context().run, report)
    return found


@flow(name="losing", persist_result=False)
def losing() -> State[str]:
    """End three task runs, tell the server of one, and see to it that it knows of all."""
    states = TaskRunStates()
    reports = reports_of([uuid4() for _ in range(3)])
    for task_run, report in reports.items():
        states.add(task_run, report)
    next(iter(reports.values()))()
    states.confirm()
    return Completed(message=runtime.flow_run.id)


@pytest.mark.usefixtures("api_url")
def test_states_that_the_server_has_lost_are_sent_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those alone, and said so; the run does not end before the server has them. It is asked in pieces."""
    monkeypatch.setattr(task_run_states, "QUIET_S", 3.0)
    monkeypatch.setattr(task_run_states, "COUNTED", 2)
    monkeypatch.setattr(task_run_states, "PAGE", 2)
    with caplog.at_level(logging.WARNING, "flows"):
        flow_run = UUID(losing(return_state=True).message)
    with get_client(sync_client=True) as client:
        found = client.read_task_runs(flow_run_filter=FlowRunFilter(id={"any_": [flow_run]}))
    assert {each.name: each.state_type for each in found} == {f"{i}.wav": StateType.COMPLETED for i in range(3)}
    assert [each.getMessage() for each in caplog.records if each.name.startswith("flows")] == [
        "Prefect has not recorded the states of 2 task runs; they are sent again"
    ]
