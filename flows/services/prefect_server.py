"""A Prefect server on loopback for the length of a run, where none is configured."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import httpx
from prefect import State  # not from prefect.states: see flows/pools/outcome.py
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, TaskRunFilter
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import PrefectException
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_HOME,
    PREFECT_UI_URL,
    temporary_settings,
)

from flows.host.programs import typed
from flows.host.signals import signals_blocked
from flows.services import server_process
from flows.services.failures import RunBroken
from flows.services.prefect_events import flush

QUICK_SERVER = {
    # A task run costs the server 58 core-ms at the defaults and 12 with these.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    # A run waits at its end until its states are recorded.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    # Ten rows each, and nine tenths of a database: states and logs are recorded apart, and automations act on events as
    # they come.
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}
"""Settings of any Prefect server that this flow runs on."""
FOR_ONE_RUN = {
    **QUICK_SERVER,
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    "PREFECT_SERVER_UI_ENABLED": "false",
    # A run uses none, and registering them takes a quarter of the start.
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
    "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",
}
LASTING_SERVER = {
    **QUICK_SERVER,
    # So that `prefect deployment run --watch` shows a run's log, and in it the failures.
    "PREFECT_SERVER_LOGS_STREAM_OUT_ENABLED": "true",
    "PREFECT_SERVER_LOGS_STREAM_PUBLISHING_ENABLED": "true",
    # Old runs are deleted with their task runs, logs and artifacts, a few runs at a time: one may have 1,000 task runs,
    # and SQLite lets nobody write meanwhile. Events too, where somebody lets them be stored.
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(30 * 24 * 3600),
    "PREFECT_SERVER_SERVICES_DB_VACUUM_BATCH_SIZE": "20",
    "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P1D",
}
"""Settings of a server that goes on from run to run. compose.yaml has the same."""

LATEST = 20
"""Of a run in shards so many may have been running when it ended."""
SETTLED = 2
"""Checks in a row that must find no unfinished run: one that is not recorded at all yet is not found either."""


class ServerFailed(RunBroken):
    """The Prefect server did not start."""


def has_server() -> bool:
    """Return whether an environment variable or a profile names a Prefect server."""
    return bool(PREFECT_API_URL.value())


class LocalServer:
    """A Prefect server on loopback, with the database of PREFECT_HOME, that lives as long as its `with`.

    It asks for a password that only this run knows: any user of the machine can reach its port.
    """

    def __init__(self) -> None:
        self._password = f"whisperx-batch:{secrets.token_urlsafe(24)}"
        home = Path(PREFECT_HOME.value())
        self._lock = home / "whisperx-batch-server.lock"
        try:
            home.mkdir(parents=True, exist_ok=True)
            self._lock.touch()
        except OSError as error:
            raise ServerFailed(
                f"{home}: {error.strerror}: set PREFECT_HOME to a folder that you can write to"
            ) from None
        self._log = home / f"whisperx-batch-server-{os.getpid()}.log"
        self._serving = False

    def __enter__(self) -> Self:
        """Start it, without waiting until it serves."""
        with socket.socket() as listening, self._log.open("wb") as output, signals_blocked():
            listening.bind(("127.0.0.1", 0))
            listening.listen(128)
            self._api = f"http://127.0.0.1:{listening.getsockname()[1]}/api"
            number = listening.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-P", server_process.__file__, str(number), str(self._lock)],
                env={
                    **os.environ,
                    **FOR_ONE_RUN,
                    **self.environment(),
                    "PREFECT_SERVER_API_AUTH_STRING": self._password,
                },
                pass_fds=[number],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the run, which still has to tell the server how it ended
            )
        return self

    def environment(self) -> dict[str, str]:
        """Return the variables with which another process uses this server."""
        return {"PREFECT_API_URL": self._api, "PREFECT_API_AUTH_STRING": self._password}

    def __exit__(self, *exception: object) -> None:
        self._process.send_signal(signal.SIGINT)  # it blocks SIGTERM, which may be sent to all processes of a run
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._serving:
            self._log.unlink(missing_ok=True)

    @contextmanager
    def used(self, timeout: float = 180, nodes: int = 1) -> Iterator[None]:
        """Wait until it serves, and make it the server that Prefect uses on this machine. Raises ServerFailed."""
        if nodes > 1:
            raise ServerFailed("set PREFECT_API_URL: the other nodes of the cluster do not reach a server on 127.0.0.1")
        deadline = time.monotonic() + timeout
        while not self._serves():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise ServerFailed(f"the local Prefect server did not start; see {self._log}")
            time.sleep(0.1)
        self._serving = True
        with using_server(self.environment()):
            yield

    def _serves(self) -> bool:
        user, _, password = self._password.partition(":")
        try:
            # Not by a proxy that the environment names.
            asked = httpx.get(f"{self._api}/admin/version", auth=(user, password), timeout=1, trust_env=False)
        except httpx.HTTPError:
            return False
        return asked.is_success


@contextmanager
def using_server(environment: Mapping[str, str]) -> Iterator[None]:
    """Make this the server that Prefect uses in this process; see LocalServer.environment."""
    url, password = environment["PREFECT_API_URL"], environment["PREFECT_API_AUTH_STRING"]
    with temporary_settings({PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: password}):
        try:
            yield
        finally:
            flush()


def settle(state: State[Any], timeout: float) -> None:
    """Wait until the server has recorded how the task runs of a run that was broken off ended.

    Their states reach it through a queue of events.
    """
    run = state.state_details.flow_run_id
    children = FlowRunFilter(parent_flow_run_id={"any_": [run]})
    unfinished = TaskRunFilter(state={"type": {"any_": [StateType.PENDING, StateType.RUNNING]}})
    deadline, settled = time.monotonic() + timeout, 0
    with suppress(httpx.HTTPError, PrefectException), get_client(sync_client=True) as client:
        shards = client.read_flow_runs(flow_run_filter=children, sort=FlowRunSort.START_TIME_DESC, limit=LATEST)
        stages = FlowRunFilter(parent_flow_run_id={"any_": [run, *(shard.id for shard in shards)]})
        while settled < SETTLED and time.monotonic() < deadline:
            time.sleep(0.3)
            left = client.read_task_runs(flow_run_filter=stages, task_run_filter=unfinished, limit=1)
            settled = 0 if left else settled + 1


def where_to_look(state: State[Any], *, embedded: bool) -> str:
    """Return how the run can be seen in Prefect's UI."""
    path = f"/runs/flow-run/{state.state_details.flow_run_id}"
    if embedded:
        return f"To see this run: {typed('prefect server start')}, then http://127.0.0.1:4200{path}\n"
    return f"This run in Prefect: {(PREFECT_UI_URL.value() or '').rstrip('/')}{path}\n"
