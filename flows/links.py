"""What joins a stage subflow to the others, and where its results are stored."""

import threading
from dataclasses import dataclass
from typing import Any

from prefect import Task

from flows.reporting.tracker import Tracker
from flows.services.task_run_states import TaskRunStates
from flows.streams import Stream
from tasks.stage_table import TABLE
from tasks.storage.results import storage_of


@dataclass(frozen=True)
class ResultPolicy:
    """Where the stages' results are stored, and whether those that are there are replaced."""

    folder: str
    refresh: bool

    def applied_to(self, task: Task[..., Any]) -> Task[..., Any]:
        """Return the task with its results stored there, if it is one whose results are stored."""
        if not TABLE[task.name].stored:
            return task
        return task.with_options(result_storage=storage_of(self.folder), refresh_cache=self.refresh)


class Links:
    """What joins a stage to the others: its streams, where outcomes and states go, and where results are stored.

    It is a flow parameter, and as such has no `__dict__` and is pickled as nothing; see Stream.
    """

    __slots__ = ("begun", "downstream", "planned", "results", "states", "tracker", "upstream")

    def __init__(
        self,
        upstream: Stream,
        downstream: list[Stream],
        tracker: Tracker,
        results: ResultPolicy,
        states: TaskRunStates,
        planned: str,
    ) -> None:
        """`planned` says how many files the stage is planned for."""
        self.upstream = upstream
        self.downstream = downstream
        self.tracker = tracker
        self.results = results
        self.states = states
        self.planned = planned
        self.begun = threading.Event()
        """Set once the stage's flow runs."""

    def __reduce__(self) -> tuple[type[object], tuple[()]]:
        return object, ()
