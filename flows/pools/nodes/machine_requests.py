"""Asks a cluster that scales itself for machines."""

from collections.abc import Callable, Collection
from math import ceil

from flows.services.ray_cluster.reservation import Reservation

ASK_EVERY_S = 5.0
MAX_REQUESTS = 8
"""How many machines are asked for at a time; once these have joined, others are."""
FILES_PER_MACHINE = 64
"""How many files there must be for each machine: about four times as many as one has in flight."""


class MachineRequests:
    """A reservation for each machine that is asked for, since Ray's autoscaler starts machines for those that wait.

    A cluster that does not scale itself leaves them waiting, which costs nobody anything.
    """

    def __init__(self, wanted: dict[str, float], *, repeated: bool) -> None:
        """`wanted` is what each machine must have at least. Once there are machines, others are asked if `repeated`."""
        self._wanted = wanted
        self._repeated = repeated
        self._waiting: list[Reservation] = []
        self._ask_at = 0.0

    def __len__(self) -> int:
        """Return how many machines are asked for."""
        return len(self._waiting)

    def ask(
        self, now: float, files_left: Callable[[], int], machines: Collection[str], refused: Collection[str]
    ) -> None:
        """Ask for as many machines as the files left can use beside those that have actors; look every few seconds.

        `machines` and `refused` are the identifiers of those that have actors and of those that cannot have any. Once
        a reservation is placed on one of them, the cluster has room that the run does not use: then no more are asked.
        """
        if now < self._ask_at or (machines and not self._repeated):
            return
        self._ask_at = now + ASK_EVERY_S
        if any(each.node in machines or each.node in refused for each in self._waiting):
            self._repeated = False
            self.withdraw()
            return
        useful = max(ceil(files_left() / FILES_PER_MACHINE), 1) - len(machines)
        while len(self._waiting) > max(useful, 0):
            self._waiting.pop().release()
        while len(self._waiting) < min(useful, MAX_REQUESTS):
            self._waiting.append(Reservation([self._wanted]))

    def withdraw(self) -> None:
        """Take all back."""
        while self._waiting:
            self._waiting.pop().release()
