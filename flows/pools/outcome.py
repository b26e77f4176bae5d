"""The outcome of a task run, as the driver learns it."""

from dataclasses import dataclass
from typing import Any, Self

# `State` from here: pydantic keeps `State[Any]` in the module that uses it first. That has to be the same one in the
# driver and in the actors, where this module may be the first to import Prefect, or pickle does not find the class.
from prefect import State
from prefect.results import ResultRecord

from tasks.errors import describe, will_last
from tasks.oom import is_poisoning


@dataclass(frozen=True)
class Outcome:
    """The final state of a task run without its data, and why it failed."""

    state: State[Any]
    seconds: float = 0.0
    error: str | None = None
    poisoned: bool = False
    """The process cannot use its GPU any more."""
    lasting: bool = False
    """The cause is the file's content: another run would fail in the same way."""

    @classmethod
    def of(cls, state: State[Any], seconds: float) -> Self:
        """Return the outcome of a task run that has ended in this state."""
        failure = exception_of(state)
        return cls(
            copied(state, data=None),
            round(seconds, 3),
            _error(state),
            poisoned=failure is not None and is_poisoning(failure),
            lasting=failure is not None and will_last(failure),
        )


def copied(state: State[Any], **changes: Any) -> State[Any]:
    """Return a changed copy with its time, which Prefect's own copy of a state lacks."""
    return state.model_copy(update={"timestamp": state.timestamp, **changes})


def exception_of(state: State[Any]) -> BaseException | None:
    """Return the exception with which a run ended, if it was one."""
    failure = state.data.result if isinstance(state.data, ResultRecord) else state.data
    return failure if isinstance(failure, BaseException) else None


def _error(state: State[Any]) -> str | None:
    if state.is_completed():
        return None
    failure = exception_of(state)
    return describe(failure) if failure else state.message or state.name
