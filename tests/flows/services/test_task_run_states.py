"""flows/services/task_run_states.py: what the server has lost is sent again."""

import contextvars
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import flow, runtime
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import StateType
from prefect.states import Completed, State

from flows.pools.task_runner import _report_state
from flows.services import task_run_states
from flows.services.task_run_states import TaskRunStates, _count, _ended_ids
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
    states, flow_run = TaskRunStates(), UUID(runtime.flow_run.id)
    reports = reports_of([uuid4() for _ in range(3)])
    for task_run, report in reports.items():
        states.add(flow_run, task_run, report)
    next(iter(reports.values()))()
    states.confirm()
    return Completed(message=str(flow_run))


@pytest.mark.usefixtures("api_url")
def test_states_that_the_server_has_lost_are_sent_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those alone, and said so; the run does not end before the server has them."""
    monkeypatch.setattr(task_run_states, "QUIET_S", 3.0)
    with caplog.at_level(logging.WARNING, "flows"):
        flow_run = UUID(losing(return_state=True).message)
    with get_client(sync_client=True) as client:
        found = client.read_task_runs(flow_run_filter=FlowRunFilter(id={"any_": [flow_run]}))
    assert {each.name: each.state_type for each in found} == {f"{i}.wav": StateType.COMPLETED for i in range(3)}
    assert [each.getMessage() for each in caplog.records if each.name.startswith("flows")] == [
        "Prefect has not recorded the states of 2 task runs; they are sent again"
    ]


@flow(name="late", persist_result=False)
def late() -> State[str]:
    """Look up three ended task runs; a fourth, which the server sorts first, ends after the first page is read."""
    flow_run, read = UUID(runtime.flow_run.id), SyncPrefectClient.read_task_runs
    *early, last = (UUID(int=uuid4().int >> 4 | i << 124) for i in range(4))
    reports, pages = reports_of([*early, last]), []

    def record(client: SyncPrefectClient, task_runs: list[UUID], ended: int) -> None:
        for task_run in task_runs:
            reports[task_run]()
        deadline = time.monotonic() + 60
        while _count(client, flow_run) < ended:
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def read_task_runs(client: SyncPrefectClient, **options: Any) -> list[Any]:
        pages.append(read(client, **options))
        assert len(pages) < 10, "it asks for the same page again and again"
        if len(pages) == 1:
            record(client, [last], 4)
        return pages[-1]

    with get_client(sync_client=True) as client, pytest.MonkeyPatch.context() as patch:
        record(client, early, 3)
        patch.setattr(task_run_states, "PAGE", 3)
        patch.setattr(SyncPrefectClient, "read_task_runs", read_task_runs)
        assert _ended_ids(client, flow_run) >= {*early}
    return Completed(message="found")


@pytest.mark.usefixtures("api_url")
def test_a_state_that_is_recorded_while_the_server_is_asked_does_not_hold_up_the_run() -> None:
    """It moves the pages on, so that one that was read is given again."""
    assert late(return_state=True).message == "found"
