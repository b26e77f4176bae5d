"""The time at which a run begins no more files."""

import re
import time
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from flows.stop_after import STOP_AFTER, seconds_left, stop_time

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(name="in_berlin")
def _in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(("given", "seconds"), [("8h", 28_800), ("1.5h", 5_400), ("90min", 5_400), ("45s", 45)])
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
