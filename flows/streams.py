"""The stream between two stages."""

import queue
import threading
from collections import Counter
from collections.abc import Iterator

from flows.planning.file_run import FileRun


class Stream:
    """A queue of files. A file comes out once each of the named feeders has put it; it ends once all have closed it.

    Streams are parts of flow parameters. Prefect pickles those with a flow's tasks, so a stream is pickled without its
    files; and it would iterate, to show them, over objects with `__iter__` or `__dict__`, so a stream has neither.
    """

    __slots__ = ("_arrivals", "_feeders", "_files", "_lock", "_open")

    def __init__(self, *feeders: str) -> None:
        """Name the feeders; one that is named twice, as it provides two inputs of a stage, puts a file once."""
        self._feeders = tuple(dict.fromkeys(feeders))
        self._open = set(feeders)
        self._arrivals: Counter[int] = Counter()
        self._files: queue.SimpleQueue[FileRun | None] = queue.SimpleQueue()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type["Stream"], tuple[str, ...]]:
        return Stream, self._feeders

    def put(self, file: FileRun) -> None:
        """Add a file that one feeder has finished."""
        with self._lock:
            self._arrivals[file.index] += 1
            complete = self._arrivals[file.index] == len(self._feeders)
            if complete:
                del self._arrivals[file.index]
        if complete:
            self._files.put(file)

    def close(self, feeder: str) -> None:
        """Record that this feeder has no more files; may be called again."""
        with self._lock:
            ended = self._open == {feeder}
            self._open.discard(feeder)
        if ended:
            self._files.put(None)

    def closed_by(self, feeder: str) -> bool:
        """Return whether this feeder has no more files."""
        return feeder not in self._open

    def drain(self) -> Iterator[FileRun]:
        """Yield the files as they become ready, until the stream has ended; nothing once it has."""
        while (file := self._files.get()) is not None:
            yield file
        self._files.put(None)
