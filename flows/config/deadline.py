"""When a run stops admitting files: the option `stop_after`."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

DURATION = r"^\d+(\.\d+)?(h|min|m|s)$"
STOP_AFTER = rf"^([01]?\d|2[0-3]):[0-5]\d$|{DURATION}"
"""A time of day of the machine that runs the flow, or a duration."""
SECONDS = {"h": 3600.0, "min": 60.0, "m": 60.0, "s": 1.0}
LOOK_EVERY_S = 10.0


def _known_form(stop_after: str) -> str:
    if not re.match(STOP_AFTER, stop_after):
        raise ValueError(
            f"{stop_after!r} is neither a time of day, such as 06:30, nor a duration, such as 8h, 90min or 30s"
        )
    return stop_after


StopAfter = Annotated[str, AfterValidator(_known_form), WithJsonSchema({"type": "string", "pattern": STOP_AFTER})]
"""The option's value; the form of Prefect's UI checks the pattern."""


def _known_duration(duration: str) -> str:
    if not re.match(DURATION, duration):
        raise ValueError(f"{duration!r} is no duration, such as 15m, 1h or 90s")
    return duration


Duration = Annotated[str, AfterValidator(_known_duration), WithJsonSchema({"type": "string", "pattern": DURATION})]


def seconds_of(duration: str) -> float:
    """Return the seconds of a duration such as 1.5h, 15m, 15min or 30s."""
    number, unit = re.split(r"(?<=[\d])(?=[hms])", duration)
    return float(number) * SECONDS[unit]


def stop_time(stop_after: str, began: float) -> float:
    """Return the time, in seconds since the epoch, at which a run that `began` then stops admitting files.

    A time of day is the next such time of the local clock, also across a change to or from summer time.
    """
    if ":" not in stop_after:
        return began + seconds_of(stop_after)
    hour, minute = map(int, stop_after.split(":"))
    now = datetime.fromtimestamp(began)  # noqa: DTZ006 - the local clock is meant
    then = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return (then if then > now else then + timedelta(days=1)).timestamp()


def seconds_left(stop_after: str, began: float) -> float:
    """Return the seconds until the stop time, 0 if it has passed."""
    return max(stop_time(stop_after, began) - time.time(), 0.0)


@contextmanager
def calling_after(seconds: float, call: Callable[[], None]) -> Iterator[None]:
    """Call `call` once so many seconds of wall-clock time have passed, unless the `with` block ends before.

    The clock is polled, because timers stand still while a machine sleeps.
    """
    if seconds <= 0:
        call()  # here: in another thread it might come after the first files
        yield
        return
    due, ended = time.time() + seconds, threading.Event()

    def look() -> None:
        while not ended.wait(min(max(due - time.time(), 0.0), LOOK_EVERY_S)):
            if time.time() >= due:
                call()
                return

    threading.Thread(target=look, name="stop_after", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
