"""Prefect's task runner over the pools, with parts of the internals of Prefect and prefect-ray.

Each borrowed part has its reason here and a contract test in tests/flows/pools/test_task_runner.py; pyproject.toml
bounds the versions. What runs inside an actor is in task_engine.py.
"""

import contextvars
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

import ray
from prefect.client.schemas.objects import RunInput, TaskRun

# Carries a flow run into another process; see task_engine.py.
from prefect.context import FlowRunContext, serialize_context

# A future that is done when its `Future` is: prefect_ray's own would fetch the data with the state.
from prefect.futures import PrefectConcurrentFuture, PrefectFuture
from prefect.states import State
from prefect.tasks import Task

# How the engine reports a state to the API; see _report_state.
from prefect.utilities.engine import emit_task_run_state_change_event
from prefect_ray import RayTaskRunner

from flows.pools.call import Call, Inputs
from flows.pools.group import Pools
from flows.pools.outcome import Outcome, copied
from tasks.storage.results import stored_result


class PoolFuture(PrefectConcurrentFuture[Any]):
    """The future of a task run in a pool. Waiting for it fetches a state without data.

    `value`, once it is done, refers to the state with its data, which only the actors that need it fetch.
    """

    def __init__(self, task_run_id: UUID, call: Call) -> None:
        super().__init__(task_run_id, call.state)
        self._call = call

    @property
    def call(self) -> Call:
        """Its way through the pools."""
        return self._call

    @property
    def value(self) -> "ray.ObjectRef[State[Any]] | None":
        """The state with its data, in the object store, until it is released."""
        return self._call.value

    @property
    def outcome(self) -> Outcome:
        """How the task run ended; wait for it first."""
        if self._call.outcome is None:
            raise RuntimeError("the task run is not done")
        return self._call.outcome

    def fetch(self) -> Any:
        """Return the result. Only for small results, such as what was written."""
        if self.value is None:
            raise RuntimeError("the result has been released")
        return ray.get(self.value).result()

    def report_again(self) -> None:
        """Report the final state to the API once more, where the API has lost it.

        Under another id: the server drops an event whose id is among its last thousand.
        """
        self.call.report_state(copied(self.outcome.state, id=uuid4()))

    def release(self) -> None:
        """Let the object store drop the data."""
        self._call.release()


class ActorPoolTaskRunner(RayTaskRunner):  # type: ignore[misc]
    """Runs the tasks of one stage in the warm actors of its pool, where their models are, instead of fresh workers.

    To run a task in a worker, Prefect enters a duplicate of its flow's task runner there, so entering must be cheap:
    pools are started by the batch, and a runner that was unpickled holds none.
    """

    def __init__(self, stage: str, pools: Pools | None = None) -> None:
        super().__init__()
        self.stage = stage
        self.pools = pools
        self._tickets: dict[str, ray.ObjectRef[Any]] = {}

    def __exit__(self, *exc_info: object) -> None:
        """Release the object references of the stage.

        Events that are not yet sent to Prefect keep the flow's context, and with it this runner, until another thread
        has sent them. An ObjectRef that is collected while Ray shuts down ends the process at once, with exit status 1.
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
        futures = {name: value for name, value in parameters.items() if isinstance(value, PoolFuture)}
        plain = {name: value for name, value in parameters.items() if name not in futures}

        def invoke(actor: Any, inputs: Inputs) -> Any:
            return actor.run.remote(ticket, task_run_id, plain, list(inputs), *inputs.values())

        call = self.pools.submit(
            Call(
                self.stage,
                getattr(parameters.get("file"), "sound_s", 0.0),
                invoke,
                lambda state: context.run(_report_state, task, task_run_id, plain, state),
                {name: future.call for name, future in futures.items()},
                stored_result(task, plain),
            )
        )
        return PoolFuture(task_run_id, call)


def _report_state(task: Task[..., Any], task_run_id: UUID, parameters: dict[str, Any], state: State[Any]) -> None:
    """Report the final state of a task run to the API in place of its actor: it would be shown as Running for ever.

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
