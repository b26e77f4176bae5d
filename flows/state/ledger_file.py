"""The ledger's file while a run writes to it: lines are appended and synced by a thread of their own."""

import errno
import logging
import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path

logger = logging.getLogger(__name__)

CLOSE_S = 60.0
"""How long the end of a run waits for a disk or a share that does not answer."""


class LedgerFile:
    """Appends lines in their order. Callers do not wait for the disk: a share that hangs would stop all pools.

    Lines that wait are written and synced together, so that many files cost few syncs.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: queue.SimpleQueue[bytes | Callable[[], None] | None] = queue.SimpleQueue()
        self._torn = False
        self._thread = threading.Thread(target=self._write_all, name="ledger", daemon=True)
        self._thread.start()

    def append(self, line: bytes) -> None:
        """Queue a line, without its line break."""
        self._waiting.put(line)

    def once_synced(self, then: Callable[[], None]) -> None:
        """Call `then` once all lines so far are on the disk; not at all if they could not be written."""
        self._waiting.put(then)

    def close(self) -> None:
        """Write and sync all that waits."""
        self._waiting.put(None)
        self._thread.join(CLOSE_S)
        if self._thread.is_alive():
            logger.warning("%s: the disk does not answer; what it has not taken is learnt again", self._path)

    def _write_all(self) -> None:
        lines: list[bytes] = []
        thens: list[Callable[[], None]] = []
        ended = False
        while not ended:
            taken = [self._waiting.get()]
            while not self._waiting.empty():
                taken.append(self._waiting.get())
            ended = None in taken
            lines += [each for each in taken if isinstance(each, bytes)]
            thens += [each for each in taken if callable(each)]
            try:
                self._write(lines)
            except OSError as error:  # with the next lines it is tried again
                logger.warning("%s: %s", self._path, error)
                continue
            for then in thens:
                try:
                    then()
                except Exception as error:
                    logger.warning("%s: %s", self._path, error)
            lines, thens = [], []

    def _write(self, lines: list[bytes]) -> None:
        """Append the lines and sync. Raises OSError; a line may then be there in part, or twice, which does no harm."""
        if not lines:
            return
        content = b"\n" * self._torn + b"\n".join(lines) + b"\n"
        self._torn = True
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if os.write(handle, content) < len(content):
                raise OSError(errno.ENOSPC, "written in part")
            os.fsync(handle)
        finally:
            os.close(handle)
        self._torn = False
