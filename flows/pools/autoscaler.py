"""When a pool gets another actor, as its throughput for the first files shows."""

from collections.abc import Callable

WINDOW_S = 10.0
"""The shortest measurement, in seconds."""
ROUNDS = 4
"""The fewest files in a measurement, for each slot of each actor: the first files of a new actor are late."""
MIN_SPEEDUP = 1.1
"""How much faster an actor must have made its pool for another to be tried."""
MIN_SAVING_S = 60.0
"""Seconds that another actor must be expected to save: its start keeps a core busy for up to half a minute."""
MIN_FREE_MEMORY = 0.5
"""The share of a GPU's memory that must be free: another actor takes no more than all the present ones together."""


class Autoscaler:
    """Measures how much audio a pool processes while files wait for it, and decides when it gets another actor.

    How many actors keep a GPU busy depends on the model, the GPU and the cores, and is not known beforehand. So the
    pool that files wait for gets one more, and another if that one helped, until files do not wait for it any more.
    """

    def __init__(self, slots: int, actors: int) -> None:
        self._slots = slots
        self._actors = actors
        self._speed_before = 0.0
        self.stopped = False
        """The pool keeps the actors that it has."""
        self._restart(0.0)

    def _restart(self, now: float) -> None:
        self._since, self._audio_s, self._files = now, 0.0, 0

    def record(self, audio_s: float) -> None:
        """Count a finished file of so many seconds of audio."""
        self._audio_s += audio_s
        self._files += 1

    def should_grow(self, *, waiting: int, actors: int, now: float, audio_left: Callable[[], float]) -> bool:
        """Return whether to start another actor. True commits: the next call expects one more ready actor.

        `waiting` files wait for the `actors` that are ready; `audio_left` returns the seconds of audio not done yet.
        """
        if self.stopped:
            return False
        if not waiting or actors < self._actors or not self._since:
            self._restart(now)
            return False
        seconds = now - self._since
        if seconds < WINDOW_S or self._files < ROUNDS * self._slots * actors:
            return False
        speed = self._audio_s / seconds
        # One of n + 1 actors does that part of what is left.
        self.stopped = speed < MIN_SPEEDUP * self._speed_before or audio_left() < MIN_SAVING_S * speed * (actors + 1)
        if not self.stopped:
            self._speed_before, self._actors = speed, actors + 1
        self._restart(now)
        return not self.stopped
