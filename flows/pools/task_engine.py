"""Runs Prefect tasks inside an actor, with parts of Prefect's internals.

Each borrowed part has its reason here and a contract test in tests/flows/pools/test_task_runner.py; pyproject.toml
bounds the versions.
"""

import contextvars
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import ray

# serialize_context (task_runner.py) and hydrated_context carry a flow run into another process. prefect_ray hydrates
# for every task run; once per actor and flow run takes a task run from 145 to 57 ms of wall time.
# Without an open SyncClientContext the engine makes a client, and an SSL context, for every task run: 70 core-ms; and
# hydrated_context, which is given no client, makes one of its own: 25 core-ms.
from prefect.context import FlowRunContext, SettingsContext, SyncClientContext, hydrated_context
from prefect.results import ResultRecord
from prefect.settings import PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED, temporary_settings
from prefect.states import Running, State

# The entry of the task engine that prefect_ray calls in its workers; with context=None it runs in the open context. A
# task run that is created first is not reported as Pending: one state of three less, each an event and rows.
# SyncTaskRunEngine: what this entry runs; see UnreportedStart.
from prefect.task_engine import SyncTaskRunEngine, _create_task_run_locally, run_task_sync
from prefect.tasks import Task
from prefect.utilities.annotations import quote

from flows.pools.outcome import Outcome
from tasks.storage.results import StoredResult

BRIEF = frozenset(("load audio", "write"))
"""Stages of which Prefect is told only how a task run ended, which takes the server 1.4 core-ms instead of 2.0, and its
database 2 kB instead of 4. The run's progress says which files are in work."""
KEPT = 16
"""Flow runs of which an actor keeps the context open: each has connections, and a run in shards has hundreds in all."""


@dataclass
class Session:
    """A flow run that an actor works for."""

    context: contextvars.Context
    task: Task[Any, Any]
    stack: ExitStack
    running: int = 0
    """How many of its task runs are in progress."""


class Sessions:
    """The flow runs that this actor works for; the context of each is hydrated once, at its first task run."""

    def __init__(self) -> None:
        self._open: dict[str, Session] = {}
        self._lock = threading.Lock()

    def of(self, ticket: "ray.ObjectRef[Any]") -> tuple[contextvars.Context, Task[Any, Any]]:
        """Return the open context and the task of a stage's flow run; also after Ray has restarted this actor."""
        with self._lock:
            session = self._open.pop(ticket.hex(), None) or _opened(ticket)
            self._open[ticket.hex()] = session  # the last in order: the latest used
            session.running += 1
            self._close_oldest()
            return session.context, session.task

    def _close_oldest(self) -> None:
        idle = [name for name, session in self._open.items() if not session.running]
        for name in idle[: max(len(self._open) - KEPT, 0)]:
            session = self._open.pop(name)
            session.context.run(session.stack.close)

    def close(self) -> bool:
        """Close all contexts. Returns False, and closes none, if a task run is in progress."""
        with self._lock:
            if any(session.running for session in self._open.values()):
                return False
            while self._open:
                _, session = self._open.popitem()
                session.context.run(session.stack.close)
            return True

    def run(
        self, ticket: "ray.ObjectRef[Any]", task_run_id: UUID, parameters: dict[str, Any]
    ) -> tuple[State[Any], Outcome]:
        """Run a task under Prefect. Return its final state, and the outcome, which is all that the driver fetches."""
        began = time.monotonic()
        context, task = self.of(ticket)
        try:
            state = self._run(context, task, task_run_id, parameters)
        finally:
            with self._lock:
                self._open[ticket.hex()].running -= 1
        return state, Outcome.of(state, time.monotonic() - began)

    @staticmethod
    def _run(
        context: contextvars.Context, task: Task[Any, Any], task_run_id: UUID, parameters: dict[str, Any]
    ) -> State[Any]:
        parameters = {name: v.read() if isinstance(v, StoredResult) else v for name, v in parameters.items()}
        state = context.copy().run(_run, task, task_run_id, parameters)
        # The engine links results to states here, for a flow that ends with its run; this context serves many files.
        context[FlowRunContext.__var__].run_results.clear()
        for value in parameters.values():
            _release(value)
        return state


def _opened(ticket: "ray.ObjectRef[Any]") -> Session:
    serialized, task = ray.get(ticket)
    session = Session(contextvars.Context(), task, ExitStack())
    session.context.run(_enter, session.stack, serialized)
    return session


def _enter(stack: ExitStack, serialized: dict[str, Any]) -> None:
    stack.enter_context(SettingsContext(**serialized["settings_context"]))
    # The client would ask the server for its version, and the task would fail if the server is away just then.
    with temporary_settings({PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False}):
        client = stack.enter_context(SyncClientContext.get_or_create()).client
    stack.enter_context(hydrated_context(serialized, client))


def _run(task: Task[Any, Any], task_run_id: UUID, parameters: dict[str, Any]) -> State[Any]:
    # Without `quote` the engine would walk twice through all options, in search of states.
    parameters = {name: v if isinstance(v, State) else quote(v) for name, v in parameters.items()}
    task_run = _create_task_run_locally(task, task_run_id, parameters)
    if task.name in BRIEF:
        return _run_unreported(UnreportedStart(task=task, task_run=task_run, parameters=parameters))
    return run_task_sync(task, task_run=task_run, parameters=parameters, return_type="state")  # type: ignore[return-value]


class UnreportedStart(SyncTaskRunEngine[Any, Any]):
    """Runs a task without an event for its first Running state; what that changes in the run goes with the next."""

    def begin_run(self) -> None:
        """Begin the run."""
        run, flow_run_context = self.task_run, FlowRunContext.get()
        state: State[Any] = Running()
        if run is None:
            raise RuntimeError("the task run is created first")
        if flow_run_context and flow_run_context.flow_run:
            run.flow_run_run_count = flow_run_context.flow_run.run_count
        run.state, run.state_id, run.state_type, run.state_name = state, state.id, state.type, state.name
        run.start_time = state.timestamp  # type: ignore[assignment]  # as Prefect's engine has it
        run.run_count += 1


def _run_unreported(engine: UnreportedStart) -> State[Any]:
    """Return the final state; as run_task_sync does with its engine."""
    with engine.start():
        while engine.is_running():
            engine.wait_until_ready()
            with engine.asset_context(), engine.run_context(), engine.transaction_context() as transaction:
                engine.call_task_fn(transaction)
    return engine.state


def _release(parameter: Any) -> None:
    """Empty the result of an upstream task, if it has a `release` method.

    Prefect's engine leaves its parameters in reference cycles, and in the contexts of events that are yet to be sent:
    without this, decoded audio stays in the object store until Python happens to collect them.
    """
    if isinstance(parameter, State) and isinstance(parameter.data, ResultRecord):
        release = getattr(parameter.data.result, "release", None)
        if release is not None:
            release()
