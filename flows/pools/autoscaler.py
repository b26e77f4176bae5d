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
    added to the pool that the others wait for, and another if that one helped, until nothing waits for it any more.
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

    def due(self, *, waiting: int, actors: int, now: float, audio_left: Callable[[], float]) -> bool:
        """Tell, at any time, whether to add an actor now to those that are ready; it is counted on from then."""
        if self.settled:
            return False
        if not waiting or actors < self._actors or not self._since:
            self._restart(now)
            return False
        seconds = now - self._since
        if seconds < WINDOW_S or self._files < ROUNDS * self._slots * actors:
            return False
        speed = self._audio_s / seconds
        # One actor of n + 1 takes that part of what is left.
        self.settled = speed < GAIN * self._before or audio_left() < WORTH_S * speed * (actors + 1)
        if not self.settled:
            self._before, self._actors = speed, actors + 1
        self._restart(now)
        return not self.settled
