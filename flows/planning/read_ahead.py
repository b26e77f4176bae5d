"""Read-ahead: opens and digests files shortly before they are admitted, to find out what is stored for them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from flows.planning.file_run import FileRun

READERS = 4
AHEAD = 16
"""How many files may be opened and read ahead of their admission."""


def remaining(files: Iterable[FileRun], identify: Callable[[FileRun], None]) -> Iterator[FileRun]:
    """Yield the files with something missing, in their order, each once it is identified."""
    ahead: deque[tuple[FileRun, Future[None]]] = deque()

    def first() -> Iterator[FileRun]:
        file, found = ahead.popleft()
        found.result()
        if file.status == "waiting":
            yield file

    with ThreadPoolExecutor(READERS, thread_name_prefix="digests") as readers:
        try:
            for file in files:
                ahead.append((file, readers.submit(identify, file)))
                if len(ahead) > AHEAD:
                    yield from first()
            while ahead:
                yield from first()
        finally:
            readers.shutdown(wait=False, cancel_futures=True)
