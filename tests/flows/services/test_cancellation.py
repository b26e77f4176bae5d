"""flows/services/cancellation.py: a run that was cancelled in Prefect."""

import threading

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.states import Cancelling, Running

from flows.services.cancellation import noticing_cancellation


@flow
def a_run() -> None:
    """Give the runs of this test a flow."""


def test_it_is_noticed_although_the_run_that_started_it_was_deleted(
    api_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before it is cancelled."""
    monkeypatch.setattr("flows.services.cancellation.CHECK_EVERY_S", 0.1)
    told, noticed = [], threading.Event()

    def interrupt(reason: str) -> None:
        told.append(reason)
        noticed.set()

    with get_client(sync_client=True) as client:
        parent, run = (client.create_flow_run(a_run, state=Running()).id for _ in range(2))
        client.delete_flow_run(parent)
        with noticing_cancellation([str(run), str(parent)], interrupt):
            assert not noticed.wait(1)
            client.set_flow_run_state(run, Cancelling(), force=True)
            assert noticed.wait(30)
    assert told == ["cancelled in Prefect"]
