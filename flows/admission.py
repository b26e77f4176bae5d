"""Backpressure: a file enters the stages when its decoded audio fits the budget."""

import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Protocol

from flows.planning.file_run import FileRun
from flows.streams import Stream

MEGABYTE = 1_000_000
CHECK_EVERY_S = 1.0
"""How soon a file is admitted after the room has grown, since a machine has joined."""


class Room(Protocol):
    """How much there may be in flight, at this moment: machines come and go."""

    @property
    def max_in_flight(self) -> int:
        """How many files."""

    @property
    def audio_budget_bytes(self) -> int:
        """How much decoded audio."""

    @property
    def largest_audio_bytes(self) -> int:
        """How much decoded audio of a single file."""


class Admission(Stream):
    """The first stream: admits a file when the decoded audio of all files in flight fits the budget.

    A file larger than the whole budget is admitted alone; one larger than any machine's object store goes to `refuse`,
    with why.
    """

    __slots__ = ("_changed", "_in_flight", "_pending", "_refuse", "_room", "_stopped")

    def __init__(self, files: Iterable[FileRun], room: Room, refuse: Callable[[FileRun, str], object]) -> None:
        super().__init__()
        self._pending = files
        self._room = room
        self._refuse = refuse
        self._in_flight: dict[int, int] = {}
        self._stopped = False
        self._changed = threading.Condition()

    def drain(self) -> Iterator[FileRun]:
        """Yield each file once there is room for it."""
        for file in self._pending:
            if self._stopped:
                return
            if file.decoded_bytes > self._room.largest_audio_bytes:
                self._refuse(file, self._too_large(file))
                continue
            with self._changed:
                while not (self._stopped or self._has_room(file)):
                    self._changed.wait(CHECK_EVERY_S)
                if self._stopped:
                    return
                self._in_flight[file.index] = file.decoded_bytes
            file.begun = True
            yield file

    def _too_large(self, file: FileRun) -> str:
        length, takes = timedelta(seconds=round(file.source.duration_s)), file.decoded_bytes // MEGABYTE
        return (
            f"its {length} of audio take {takes:,} MB decoded, and Ray's object store holds "
            f"{self._room.largest_audio_bytes // MEGABYTE:,} MB: cut it, or raise --audio_budget"
        )

    def _has_room(self, file: FileRun) -> bool:
        if not self._in_flight:
            return True
        fits = sum(self._in_flight.values()) + file.decoded_bytes <= self._room.audio_budget_bytes
        return fits and len(self._in_flight) < self._room.max_in_flight

    def release(self, file: FileRun) -> None:
        """Give back the room of a finished file, done or failed."""
        with self._changed:
            self._in_flight.pop(file.index, None)
            self._changed.notify_all()

    @property
    def stopped(self) -> bool:
        """Whether no more files are admitted."""
        return self._stopped

    def stop(self) -> None:
        """Admit no more files."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
