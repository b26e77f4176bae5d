"""When a pool gets more actors, as its throughput for the first files shows."""

from collections.abc import Callable

WINDOW_S = 10.0
"""The shortest measurement, in seconds."""
ROUNDS = 4
"""The fewest files in a measurement, for each slot of each actor: the first files of a new actor are late."""
MIN_SPEEDUP = 1.1
"""How much faster the last actors must have made their pool for more to be tried."""
MIN_SAVING_S = 60.0
"""Seconds that more actors must be expected to save: a start keeps a core busy for up to half a minute."""
MIN_FREE_MEMORY = 0.5
"""The share of a GPU's memory that must be free: another actor takes no more than all the present ones together."""


class Autoscaler:
    """Measures how much audio a pool processes while files wait for it, and decides when it gets more actors.

    How many actors keep a GPU busy depends on the model, the GPU and the cores, and is not known beforehand. So the
    pool that files wait for gets one more on each GPU, and another if these helped, until files do not wait for it any
    more. One for all GPUs of a large machine would help by too little to be measured.
    """

    def __init__(self, slots: int, gpus: int) -> None:
        """`gpus` is how many actors the pool begins with, one on each GPU."""
        self._slots = slots
        self._gpus = gpus
        self._actors = gpus
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
        """Return whether to start an actor on each GPU. True commits: the next call expects these to be ready.

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
        more = actors + self._gpus
        # Of so many actors, the new ones do their part of what is left.
        worth_it = audio_left() * self._gpus / more >= MIN_SAVING_S * speed
        self.stopped = speed < MIN_SPEEDUP * self._speed_before or not worth_it
        if not self.stopped:
            self._speed_before, self._actors = speed, more
        self._restart(now)
        return not self.stopped
