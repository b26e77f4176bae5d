"""The folder of known people: ids, and writing what is there."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from filelock import FileLock

from flows.state.private import make_private
from tasks.people.known import Person, table_of
from tasks.storage import io


def next_ids(people: Iterable[Person], folder: str) -> Iterator[str]:
    """Yield ids, P0001 and so on, greater than those of the people and in the folder's table. Raises OSError."""
    taken = [person.id for person in people] + [row["id"] for row in table_of(folder)]
    numbers = [int(each[1:]) for each in taken if each[:1] == "P" and each[1:].isdecimal()]
    return (f"P{number:04}" for number in count(max(numbers, default=0) + 1))


@contextmanager
def one_at_a_time(folder: str) -> Iterator[None]:
    """Let no other run change the people of a folder for the length of a `with`: they may share it, and wait.

    In a folder that is not there, or cannot be written to, nothing can be changed.
    """
    if not os.access(folder, os.W_OK):
        yield
        return
    with FileLock(os.path.join(folder, ".lock")):
        yield


def write_private(folder: str, contents: dict[str, bytes]) -> None:
    """Write files to a folder that only this user may read. Raises OSError, InvalidInput."""
    make_private(Path(folder), "--speakers")
    io.write_all({os.path.join(folder, name): content for name, content in contents.items()})
