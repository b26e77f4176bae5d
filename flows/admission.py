"""Backpressure: a file enters the stages when its decoded audio fits the budget."""

import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

from flows.planning.file_run import FileRun
from flows.streams import Stream

MEGABYTE = 1_000_000


class Admission(Stream):
    """The first stream: admits a file when the decoded audio of all files in flight fits the budget.

    A file larger than the whole budget is admitted alone; one larger than `largest_bytes` goes to `refuse`, with why.
    """

    __slots__ = (
        "_budget_bytes",
        "_changed",
        "_in_flight",
        "_largest_bytes",
        "_most_files",
        "_pending",
        "_refuse",
        "_stopped",
    )

    def __init__(
        self,
        files: Iterable[FileRun],
        budget_bytes: int,
        largest_bytes: int,
        most_files: Callable[[], int],
        refuse: Callable[[FileRun, str], object],
    ) -> None:
        super().__init__()
        self._pending = files
        self._budget_bytes = budget_bytes
        self._largest_bytes = largest_bytes
        self._most_files = most_files
        self._refuse = refuse
        self._in_flight: dict[int, int] = {}
        self._stopped = False
        self._changed = threading.Condition()

    def drain(self) -> Iterator[FileRun]:
        """Yield each file once there is room for it."""
        for file in self._pending:
            if self._stopped:
                return
            if file.decoded_bytes > self._largest_bytes:
                self._refuse(file, self._too_large(file))
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
