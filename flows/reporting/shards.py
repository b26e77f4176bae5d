"""How far each shard of a large run is."""

import time
from collections import Counter
from dataclasses import dataclass, field

from flows.planning.file_run import FileRun


@dataclass(eq=False)
class Shard:
    """A part of a run's files, which one subflow sends through the stages."""

    number: int
    """From 1."""
    files: list[FileRun]
    began: float | None = field(default=None, init=False)
    ended: float | None = field(default=None, init=False)

    def begin(self) -> None:
        """Record that it is its turn: its files are admitted from now on."""
        self.began = time.monotonic()

    def end(self) -> None:
        """Record that its subflow has ended."""
        self.ended = time.monotonic()

    @property
    def statuses(self) -> Counter[str]:
        """How many of its files have each status."""
        return Counter(file.status for file in self.files)

    @property
    def wall_s(self) -> float | None:
        """Seconds since it began, or that it took; None before."""
        if self.began is None:
            return None
        return (self.ended or time.monotonic()) - self.began

    @property
    def is_running(self) -> bool:
        """Whether it has begun and not ended."""
        return self.began is not None and self.ended is None


def divided(files: list[FileRun], size: int) -> list[Shard]:
    """Divide files, in their order, into shards of at most `size`; each file is given the number of its shard."""
    shards = [Shard(i // size + 1, files[i : i + size]) for i in range(0, len(files), size)]
    for shard in shards:
        for file in shard.files:
            file.shard = shard.number
    return shards
