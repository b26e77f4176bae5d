"""Streams: what hands a file from one stage to the next as soon as it is ready for it."""

import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

from flows.planning.file_run import FileRun

MEGABYTE = 1_000_000


class Stream:
    """Hands files on, each as soon as all its feeders, which are named, have put it; ends when all have closed it.

    It travels as a flow parameter, and there has no files: Prefect would drain whatever has `__iter__` or `__dict__`
    to show it, and pickles a flow's parameters with its tasks.
    """

    __slots__ = ("_arrivals", "_feeders", "_files", "_lock", "_open")

    def __init__(self, *feeders: str) -> None:
        self._feeders = feeders
        self._open = set(feeders)
        self._arrivals: Counter[int] = Counter()
        self._files: queue.SimpleQueue[FileRun | None] = queue.SimpleQueue()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type["Stream"], tuple[str, ...]]:
        return Stream, self._feeders

    def put(self, file: FileRun) -> None:
        """Say that one feeder is through with the file."""
        with self._lock:
            self._arrivals[file.index] += 1
            complete = self._arrivals[file.index] == len(self._feeders)
            if complete:
                del self._arrivals[file.index]
        if complete:
            self._files.put(file)

    def close(self, feeder: str) -> None:
        """Say that this feeder has no more files; once is enough."""
        with self._lock:
            ended = self._open == {feeder}
            self._open.discard(feeder)
        if ended:
            self._files.put(None)

    def closed_by(self, feeder: str) -> bool:
        """Tell whether this feeder has no more files."""
        return feeder not in self._open

    def drain(self) -> Iterator[FileRun]:
        """Yield the files as they become ready, until the stream has ended; nothing once it has."""
        while (file := self._files.get()) is not None:
            yield file
        self._files.put(None)


class Admission(Stream):
    """The first stream: admits a file when the decoded audio of all files in flight fits the budget.

    A file larger than the whole budget is admitted alone; one that is larger than `largest_bytes` fails.
    """

    __slots__ = ("_budget_bytes", "_changed", "_in_flight", "_largest_bytes", "_most_files", "_pending", "_stopped")

    def __init__(
        self, files: Iterable[FileRun], budget_bytes: int, largest_bytes: int, most_files: Callable[[], int]
    ) -> None:
        super().__init__()
        self._pending = files
        self._budget_bytes = budget_bytes
        self._largest_bytes = largest_bytes
        self._most_files = most_files
        self._in_flight: dict[int, int] = {}
        self._stopped = False
        self._changed = threading.Condition()

    def drain(self) -> Iterator[FileRun]:
        """Yield each file once there is room for it."""
        for file in self._pending:
            if self._stopped:
                return
            if file.decoded_bytes > self._largest_bytes:
                file.report.failed(file, self._too_large(file))
                continue
            with self._changed:
                self._changed.wait_for(lambda file=file: self._stopped or self._has_room(file))  # type: ignore[misc]
                if self._stopped:
                    return
                self._in_flight[file.index] = file.decoded_bytes
            file.begun = True
            yield file

    def _too_large(self, file: FileRun) -> str:
        length, takes = timedelta(seconds=round(file.source.duration_s)), file.decoded_bytes // MEGABYTE
        return (
            f"its {length} of audio take {takes:,} MB decoded, and Ray's object store holds "
            f"{self._largest_bytes // MEGABYTE:,} MB: cut it, or raise --audio_budget"
        )

    def _has_room(self, file: FileRun) -> bool:
        if not self._in_flight:
            return True
        fits = sum(self._in_flight.values()) + file.decoded_bytes <= self._budget_bytes
        return fits and len(self._in_flight) < self._most_files()

    def release(self, file: FileRun) -> None:
        """Say that a file is finished, done or failed."""
        with self._changed:
            self._in_flight.pop(file.index, None)
            self._changed.notify_all()

    def stop(self) -> None:
        """Admit no more files."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
