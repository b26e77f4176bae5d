"""flows/services/task_run_states.py: what the server has lost is sent again."""

import contextvars
import logging
from contextlib import nullcontext
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import flow, runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import StateType
from prefect.states import Completed, State

from flows.pools.call import Call
from flows.pools.outcome import Outcome
from flows.pools.task_runner import PoolFuture, _report_state
from flows.services import task_run_states
from flows.services.task_run_states import TaskRunStates, confirmed_at_end
from tasks.audio.types import AudioFile
from tasks.load_audio import load_audio


def ended(number: int, state: State[Any]) -> PoolFuture:
    """Return a task run of the current flow run that has ended so, named after its number."""
    task_run, parameters = uuid4(), {"file": AudioFile(f"/{number}.wav", f"{number}.wav")}
    report = partial(contextvars.copy_context().run, _report_state, load_audio, task_run, parameters)
    return PoolFuture(task_run, Call("load audio", 1.0, None, report, outcome=Outcome.of(state, 1.0)))


@flow(name="losing", persist_result=False)
def losing() -> State[str]:
    """End three task runs, tell the server of one, and see to it that it knows of all."""
    state, states = Completed(), TaskRunStates()
    told, dropped, untold = (ended(number, state) for number in range(3))
    for future in (told, dropped, untold):
        states.add(future.task_run_id, future.report_again)
    told.call.report_state(state)
    dropped.call.report_state(state)  # with the id of an event that the server has just seen
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


@flow(name="ending", persist_result=False)
def ending() -> State[str]:
    """End a task run of which the server is not told."""
    states, untold = TaskRunStates(), ended(0, Completed())
    states.add(untold.task_run_id, untold.report_again)
    states.confirm_at_end()
    return Completed(message=runtime.flow_run.id)


@pytest.mark.usefixtures("api_url")
@pytest.mark.parametrize("later", [False, True])
def test_a_run_may_end_before_its_states_are_confirmed(monkeypatch: pytest.MonkeyPatch, *, later: bool) -> None:
    """Where the command waits for them in its end; in a deployment's run they are there when it has ended."""
    monkeypatch.setattr(task_run_states, "QUIET_S", 1.0)

    def recorded(flow_run: UUID) -> list[str]:
        with get_client(sync_client=True) as client:
            found = client.read_task_runs(flow_run_filter=FlowRunFilter(id={"any_": [flow_run]}))
        return [each.name for each in found if each.state_type is StateType.COMPLETED]

    with confirmed_at_end() if later else nullcontext():
        flow_run = UUID(ending(return_state=True).message)
        assert recorded(flow_run) == ([] if later else ["0.wav"])
    assert recorded(flow_run) == ["0.wav"]
