"""Why a run ended before every file had its turn, in words for its user."""

from dataclasses import dataclass
from typing import Any

import httpx
from prefect.exceptions import PrefectException
from prefect.settings import PREFECT_API_URL
from prefect.states import State
from ray.exceptions import RayError

from flows.pools.placement import CannotBePlaced
from flows.pools.task_runner import exception_of
from flows.services.prefect_server import ServerFailed
from tasks.bad_input import BadInput
from tasks.storage.filesystems import BadPlace

GO_ON = "the same command goes on where it stopped"


class RunBroken(Exception):
    """The run as a whole has failed, not some of its files; its words say why."""


EXPECTED = (RunBroken, CannotBePlaced, ServerFailed, BadInput, BadPlace)
"""Errors of a run whose words say it all to its user."""


@dataclass(frozen=True)
class Ending:
    """Why a run ended before every file had its turn."""

    reason: str
    interrupted: bool = False
    """Somebody asked for it; otherwise something is broken."""

    @property
    def advice(self) -> str:
        """What to do, for the last line that the user sees."""
        return f"{self.reason}; {GO_ON}" if self.interrupted else self.reason


def in_words(error: BaseException) -> str:
    """Return what has happened to a run, on one line, for somebody who knows neither Ray nor Prefect."""
    if isinstance(error, EXPECTED):
        return str(error)
    if isinstance(error, (httpx.HTTPError, PrefectException)):
        return (
            f"the Prefect server at {PREFECT_API_URL.value()} does not answer as it should ({brief(error)}); "
            f"once it does, {GO_ON}"
        )
    if isinstance(error, RayError):
        return f"Ray failed ({brief(error)}); see its logs (/tmp/ray/session_latest/logs); {GO_ON}"
    return brief(error)


def why_ended(state: State[Any]) -> str | None:
    """Return why a run ended early, for the last line that its user sees; None if every file had its turn."""
    if state.is_cancelled():
        return Ending((state.message or "interrupted").partition(";")[0], interrupted=True).advice
    error = exception_of(state)
    return in_words(error) if error else None


def brief(error: BaseException) -> str:
    """Return an exception's name and words on one line; of Ray's, which may be a traceback, the last line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines[-1:] if isinstance(error, RayError) else lines)}"
