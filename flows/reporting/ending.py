"""Why a run ended early, for the last line that its user sees."""

from dataclasses import dataclass
from typing import Any

from prefect.states import State

from flows.pools.outcome import exception_of
from flows.services.failures import GO_ON, in_words


@dataclass(frozen=True)
class Ending:
    """Why a run ended before every file was tried."""

    reason: str
    interrupted: bool = False
    """Somebody asked for it; otherwise something is broken."""

    @classmethod
    def by(cls, error: BaseException) -> "Ending":
        """Return the ending by an exception: an error, Ctrl-C, or what a signal was turned into."""
        if isinstance(error, Exception):
            return cls(in_words(error))
        pressed = isinstance(error, KeyboardInterrupt)
        return cls("interrupted" if pressed else "told to end by a signal", interrupted=True)

    @property
    def advice(self) -> str:
        """The reason and what to do."""
        return f"{self.reason}; {GO_ON}" if self.interrupted else self.reason


def why_ended(state: State[Any]) -> str | None:
    """Return why a run ended early, and what to do; None if every file was tried."""
    if state.is_cancelled():
        return Ending((state.message or "interrupted").partition(";")[0], interrupted=True).advice
    error = exception_of(state)
    return in_words(error) if error else None
