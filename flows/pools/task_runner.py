"""Prefect tasks inside the actors of a pool; all that we take from the internals of Prefect and prefect-ray.

Each borrowed piece has its reason here and a contract test in tests/test_task_runner.py; versions are bounded in
pyproject.toml.
"""

import contextvars
import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import ray
from prefect.client.schemas.objects import RunInput, TaskRun

# serialize_context and hydrated_context carry a flow run into another process. prefect_ray hydrates for every task
# run; once per actor and flow run takes a task run from 145 to 57 ms of wall time.
# Without an open SyncClientContext the engine makes a client, and an SSL context, for every task run: 70 core-ms.
from prefect.context import FlowRunContext, SyncClientContext, hydrated_context, serialize_context

# The workers behind task run states and logs: a killed actor would take what they still hold with it.
from prefect.events.worker import EventsWorker
from prefect.futures import PrefectConcurrentFuture, PrefectFuture
from prefect.logging.handlers import APILogWorker
from prefect.results import ResultRecord
from prefect.states import State

# The entry of the task engine that prefect_ray calls in its workers; with context=None it runs in the open context. A
# task run that is made before is not first told to be Pending: a state of three less, each an event and rows.
from prefect.task_engine import _create_task_run_locally, run_task_sync
from prefect.tasks import Task
from prefect.utilities.annotations import quote

# What the engine tells the API of a state with; see _tell.
from prefect.utilities.engine import emit_task_run_state_change_event
from prefect_ray import RayTaskRunner

from tasks.faults import is_poisoning, will_last
from tasks.storage.results import StoredResult

if TYPE_CHECKING:
    from flows.pools.call import Call
    from flows.pools.group import Pools


@dataclass(frozen=True)
class Outcome:
    """What the driver learns of a task run: its final state without data, and why it failed."""

    state: State[Any]
    seconds: float = 0.0
    error: str | None = None
    poisoned: bool = False
    """The process cannot use its GPU any more."""
    lasting: bool = False
    """Why it failed is in the content of the file: another run would meet it again."""


class PoolFuture(PrefectConcurrentFuture[Any]):
    """The future of a task run in a pool. To wait for it fetches a state without data.

    `value`, once it is done, refers to the state with its data, which only the actors that need it fetch.
    """

    def __init__(self, task_run_id: UUID, call: "Call") -> None:
        super().__init__(task_run_id, call.state)
        self._call = call

    @property
    def value(self) -> "ray.ObjectRef[State[Any]] | None":
        """The state with its data, in the object store, until it is released."""
        return self._call.value

    @property
    def outcome(self) -> Outcome:
        """What became of it; wait for it first."""
        if self._call.outcome is None:
            raise RuntimeError("the task run is not done")
        return self._call.outcome

    def fetch(self) -> Any:
        """Bring the result here. Only for small results, such as what was written."""
        if self.value is None:
            raise RuntimeError("the result has been released")
        return ray.get(self.value).result()

    def release(self) -> None:
        """Let the object store drop the data."""
        self._call.value = None


class Sessions:
    """The flow runs that this actor works for, each with its context hydrated at first sight."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[contextvars.Context, Task[Any, Any]]] = {}
        self._stack = ExitStack()
        self._lock = threading.Lock()

    def of(self, ticket: "ray.ObjectRef[Any]") -> tuple[contextvars.Context, Task[Any, Any]]:
        """Return the open context, and the task, of a stage's flow run; also after Ray has restarted this actor."""
        with self._lock:
            if ticket.hex() not in self._open:
                serialized, task = ray.get(ticket)
                context = contextvars.Context()
                context.run(self._stack.enter_context, hydrated_context(serialized))
                context.run(self._stack.enter_context, SyncClientContext.get_or_create())
                self._open[ticket.hex()] = context, task
            return self._open[ticket.hex()]

    def run(
        self, ticket: "ray.ObjectRef[Any]", task_run_id: UUID, parameters: dict[str, Any]
    ) -> tuple[State[Any], Outcome]:
        """Run a task under Prefect. Return its final state, and the outcome, which is all that the driver fetches."""
        began = time.monotonic()
        context, task = self.of(ticket)
        parameters = {name: v.read() if isinstance(v, StoredResult) else v for name, v in parameters.items()}
        state = context.copy().run(_run, task, task_run_id, parameters)
        # The engine links results to states here, for a flow that ends with its run; this context serves many files.
        context[FlowRunContext.__var__].run_results.clear()
        for value in parameters.values():
            _release(value)
        slim = state.model_copy(update={"data": None})
        failure = exception_of(state)
        return state, Outcome(
            slim,
            round(time.monotonic() - began, 3),
            _error(state),
            poisoned=failure is not None and is_poisoning(failure),
            lasting=failure is not None and will_last(failure),
        )


def _run(task: Task[Any, Any], task_run_id: UUID, parameters: dict[str, Any]) -> State[Any]:
    # What is quoted the engine takes as it is; it would walk twice through all options, in search of states.
    parameters = {name: v if isinstance(v, State) else quote(v) for name, v in parameters.items()}
    task_run = _create_task_run_locally(task, task_run_id, parameters)
    return run_task_sync(task, task_run=task_run, parameters=parameters, return_type="state")  # type: ignore[return-value]


def flush(timeout: float = 5) -> None:
    """Send what Prefect still holds of this process's states and logs, while there is a server to take them."""
    EventsWorker.drain_all(timeout=timeout, at_exit=False)
    APILogWorker.drain_all(timeout=timeout, at_exit=False)


def _release(parameter: Any) -> None:
    """Empty what an upstream task returned, if it can be emptied.

    Prefect's engine leaves its parameters in reference cycles, and in the contexts of events that are yet to be sent:
    without this, decoded audio stays in the object store until Python happens to collect them.
    """
    if isinstance(parameter, State) and isinstance(parameter.data, ResultRecord):
        release = getattr(parameter.data.result, "release", None)
        if release is not None:
            release()


def exception_of(state: State[Any]) -> BaseException | None:
    """Return the exception with which a run ended, if it was one."""
    failure = state.data.result if isinstance(state.data, ResultRecord) else state.data
    return failure if isinstance(failure, BaseException) else None


def _error(state: State[Any]) -> str | None:
    """Return why a task run failed, as an exception's name and words."""
    if state.is_completed():
        return None
    failure = exception_of(state)
    return named(failure) if failure else state.message or state.name


def named(error: BaseException) -> str:
    """Return an exception's name and words."""
    return f"{type(error).__name__}: {error}"


def _tell(task: Task[..., Any], task_run_id: UUID, parameters: dict[str, Any], state: State[Any]) -> None:
    """Tell the API how a task run ended whose actor cannot: it would show it Running for ever.

    As an event, like those of the actor: the API may not know the run yet, and orders events by their time. Must be
    called in the context of the flow run.
    """
    flow_run = FlowRunContext.get()
    if flow_run is None or flow_run.flow_run is None:
        raise RuntimeError("a task run is ended in the context of its flow run")
    name = task.task_run_name.format(**parameters) if isinstance(task.task_run_name, str) else task.name
    run = TaskRun(
        id=task_run_id,
        name=name,
        flow_run_id=flow_run.flow_run.id,
        task_key=task.task_key,
        dynamic_key=str(task_run_id),
        run_count=1,
    )
    emit_task_run_state_change_event(run, initial_state=None, validated_state=state)


class ActorPoolTaskRunner(RayTaskRunner):  # type: ignore[misc]
    """Runs the tasks of one stage in the warm actors of its pool, where their models are, instead of fresh workers.

    To run a task in a worker, Prefect enters a duplicate of its flow's task runner there, so entering must be cheap:
    pools are started by the batch, and a runner that has travelled holds none.
    """

    def __init__(self, stage: str, pools: "Pools | None" = None) -> None:
        super().__init__()
        self.stage = stage
        self.pools = pools
        self._tickets: dict[str, ray.ObjectRef[Any]] = {}

    def __exit__(self, *exc_info: object) -> None:
        """Let go of what Ray holds for the stage.

        What is yet to be sent to Prefect keeps the flow's context, and with it this runner, until another thread has
        sent it. An ObjectRef that goes while Ray shuts down ends the process at once, with exit status 1.
        """
        self._tickets.clear()
        super().__exit__(*exc_info)

    def duplicate(self) -> "ActorPoolTaskRunner":
        """Return a new runner for the same stage and pools."""
        return type(self)(self.stage, self.pools)

    def __reduce__(self) -> tuple[type["ActorPoolTaskRunner"], tuple[str]]:
        return type(self), (self.stage,)

    def submit(
        self,
        task: Task[Any, Any],
        parameters: dict[str, Any],
        wait_for: Iterable[PrefectFuture[Any]] | None = None,
        dependencies: dict[str, set[RunInput]] | None = None,
    ) -> PoolFuture:
        """Queue a task run for the pool. Futures among the parameters must be done and reach the actor as values."""
        if self.pools is None or wait_for or dependencies:
            raise RuntimeError("a stage's tasks are submitted by its flow, and depend on their arguments alone")
        if task.task_key not in self._tickets:
            self._tickets[task.task_key] = ray.put((serialize_context(), task))
        # In a list: Ray hands a bare reference over as the value, which every call would deserialize again.
        ticket, task_run_id, context = [self._tickets[task.task_key]], uuid4(), contextvars.copy_context()
        values = {name: value.value for name, value in parameters.items() if isinstance(value, PoolFuture)}
        plain = {name: value for name, value in parameters.items() if name not in values}
        call = self.pools.submit(
            self.stage,
            getattr(parameters.get("file"), "duration_s", 0.0),
            lambda actor: actor.run.remote(ticket, task_run_id, plain, list(values), *values.values()),
            lambda state: context.run(_tell, task, task_run_id, plain, state),
        )
        return PoolFuture(task_run_id, call)
