"""When a pool gets one more actor: what the first files that go through it show."""

from collections.abc import Callable

WINDOW_S = 10.0
"""Seconds that a measurement takes at least."""
ROUNDS = 4
"""Files that it takes at least, for each slot of each actor: the first that a new actor has are late."""
GAIN = 1.1
"""How much faster an actor must have made its pool for another to be tried."""
WORTH_S = 60.0
"""Seconds that one more actor must be expected to save: to start it keeps a core busy for up to half a minute."""
SPARE = 0.5
"""The share of a GPU's memory that must be free: one more actor takes no more than all that are there."""


class Growth:
    """Measures how much audio a pool puts through while files wait for it.

    Nobody knows beforehand how many actors keep a GPU busy: that hangs on the model, the GPU and the cores. So one is
    added to the pool that the others wait for, and another if that one helped, until nothing waits for it any more. One
    that made it slower is taken away.
    """

    def __init__(self, slots: int, actors: int) -> None:
        self._slots = slots
        self._actors = actors
        self._before = 0.0
        self.settled = False
        """It is not to grow any more."""
        self._restart(0.0)

    def _restart(self, now: float) -> None:
        self._since, self._audio_s, self._files = now, 0.0, 0

    def through(self, audio_s: float) -> None:
        """Count a file that has come through, of so many seconds of audio."""
        self._audio_s += audio_s
        self._files += 1

    def change(self, *, waiting: int, actors: int, now: float, audio_left: Callable[[], float]) -> int:
        """Return, at any time, 1 to add an actor to those that are ready, -1 to take the last away, else 0.

        From then on so many are counted on.
        """
        if self.settled:
            return 0
        if not waiting or actors < self._actors or not self._since:
            self._restart(now)
            return 0
        seconds = now - self._since
        if seconds < WINDOW_S or self._files < ROUNDS * self._slots * actors:
            return 0
        speed, before = self._audio_s / seconds, self._before
        self._restart(now)
        if speed < GAIN * before:
            self.settled = True
            return -1 if speed < before else 0
        if audio_left() < WORTH_S * speed * (actors + 1):  # an actor of n + 1 takes that part of what is left
            return 0
        self._before, self._actors = speed, actors + 1
        return 1
