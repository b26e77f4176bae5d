"""Read-ahead: digests files shortly before they are admitted, to find out what is stored for them."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from flows.planning.file_run import FileRun, Outcomes
from flows.planning.resume import Resume

READERS = 2
AHEAD = 8
"""How many files may be read ahead of their admission."""


def remaining(files: Iterable[FileRun], resume: Resume, outcomes: Outcomes) -> Iterator[FileRun]:
    """Yield the files with something missing, in their order, each once it is identified; others go to `outcomes`."""

    def find(file: FileRun) -> None:
        # Not those that the plan has decided: the pools were chosen for what was missing then.
        if not file.source.keys:
            resume.find(file, outcomes)

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
