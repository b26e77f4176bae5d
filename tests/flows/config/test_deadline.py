"""The time at which a run begins no more files."""

import re
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from flows.batch import _began
from flows.config.deadline import STOP_AFTER, calling_after, seconds_left, stop_time
from flows.config.parameters import Batch

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(name="in_berlin")
def _in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("given", "seconds"), [("8h", 28_800), ("1.5h", 5_400), ("90min", 5_400), ("30m", 1_800), ("45s", 45)]
)
def test_a_duration_counts_from_the_start(given: str, seconds: float) -> None:
    """As people write it."""
    assert re.match(STOP_AFTER, given)
    assert stop_time(given, 1000.0) == 1000.0 + seconds


@pytest.mark.parametrize(
    ("began", "given", "stops"),
    [
        ((2026, 11, 22, 22, 0), "06:30", (2026, 11, 23, 6, 30)),
        ((2026, 11, 22, 5, 0), "6:30", (2026, 11, 22, 6, 30)),
        ((2026, 11, 22, 6, 30), "06:30", (2026, 11, 23, 6, 30)),
        ((2027, 3, 27, 22, 0), "06:30", (2027, 3, 28, 6, 30)),  # an hour is left out in between
        ((2026, 10, 24, 22, 0), "06:30", (2026, 10, 25, 6, 30)),  # an hour comes twice
    ],
)
def test_a_time_of_day_is_the_next_on_the_wall(
    in_berlin: None, began: tuple[int, ...], given: str, stops: tuple[int, ...]
) -> None:
    """Also where the clocks change during the night."""
    assert re.match(STOP_AFTER, given)
    start = datetime(*began, tzinfo=BERLIN).timestamp()  # type: ignore[misc, arg-type]
    assert datetime.fromtimestamp(stop_time(given, start), BERLIN) == datetime(*stops, tzinfo=BERLIN)  # type: ignore[misc, arg-type]


def test_what_is_past_leaves_nothing() -> None:
    """And no negative time."""
    assert seconds_left("1s", time.time() - 60) == 0


@pytest.mark.parametrize("given", ["noon", "25:00", "8", "-1h", "06:30:00", "8 h", "1d", ""])
def test_anything_else_is_refused(given: str) -> None:
    """By the pattern that the form has too."""
    assert not re.match(STOP_AFTER, given)


def test_a_machine_that_has_slept_stops_at_the_time_on_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not after as many hours awake: the clock has gone on, and timers have not."""
    monkeypatch.setattr("flows.config.deadline.LOOK_EVERY_S", 0.05)
    called, now = threading.Event(), time.time
    with calling_after(3600, called.set):
        assert not called.wait(0.3)
        monkeypatch.setattr("time.time", lambda: now() + 3600)
        assert called.wait(10)


def test_what_is_past_at_the_start_is_called_before_anything_else() -> None:
    """No file is to be admitted."""
    called = threading.Event()
    with calling_after(0, called.set):
        assert called.is_set()


def test_what_ends_in_time_is_not_called_after() -> None:
    """The run is over."""
    called = threading.Event()
    with calling_after(0.2, called.set):
        pass
    assert not called.wait(0.5)


@pytest.mark.parametrize(("runs", "stops"), [(1, "that morning"), (2, "the next")])
def test_a_run_that_comes_late_stops_that_morning_and_one_that_is_retried_the_next(
    monkeypatch: pytest.MonkeyPatch, runs: int, stops: str
) -> None:
    """Whoever calls `prefect flow-run retry` at noon wants the rest done, and not left once more."""
    scheduled = datetime(2026, 11, 22, 22, tzinfo=ZoneInfo("UTC"))
    monkeypatch.setattr("prefect.runtime.flow_run.scheduled_start_time", scheduled, raising=False)
    monkeypatch.setattr("prefect.runtime.flow_run.run_count", runs, raising=False)
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 10**9)  # long after that
    began = _began(Batch.model_validate({"run": {"stop_after": "06:30"}}))
    assert began == (scheduled.timestamp() if stops == "that morning" else now + 10**9)
