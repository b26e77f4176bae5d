"""Reads files before they are admitted: what of each is there already, its content tells."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from flows.planning.file_run import FileRun
from flows.planning.resume import Resume

READERS = 2
AHEAD = 8
"""Files that are read before they are admitted."""


def remaining(files: Iterable[FileRun], resume: Resume) -> Iterator[FileRun]:
    """Yield the files with something missing, in their order, each once it is identified."""

    def find(file: FileRun) -> None:
        # Not again what the plan has found: the pools are those for what was missing then.
        if not file.source.keys:
            resume.find(file)

    ahead: deque[tuple[FileRun, Future[None]]] = deque()

    def first() -> Iterator[FileRun]:
        file, found = ahead.popleft()
        found.result()
        if file.status == "waiting":
            yield file

    with ThreadPoolExecutor(READERS, thread_name_prefix="digests") as readers:
        try:
            for file in files:
                ahead.append((file, readers.submit(find, file)))
                if len(ahead) > AHEAD:
                    yield from first()
            while ahead:
                yield from first()
        finally:
            readers.shutdown(wait=False, cancel_futures=True)
