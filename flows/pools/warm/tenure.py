"""Who has an actor that stays after its run: a run, or nobody until a time, when the actor ends itself and its set."""

import threading
import time
from contextlib import suppress

from flows.pools.warm.kept_set import KeptSet, end_own_set
from flows.services.ray_cluster.records import job_has_ended

CHECK_EVERY_S = 1.0
CHECK_JOB_EVERY_S = 10.0
UNCLAIMED_S = 60.0
"""How long a process may be without a run after its start: its run tells it to load its models at once, or, if it was
restarted while it had nothing to do, within HOLD_EVERY_S of pools/startup.py."""


class Tenure:
    """Lives in the actor. A run is known by Ray's identifier of its job, and has the actor until it gives it back.

    A run that ended without doing so was killed: what it left, calls that still run among it, is not used again.
    """

    def __init__(self, name: str) -> None:
        """`name` is that of the actor's set."""
        self._name = name
        self._job = ""
        self._kept: KeptSet | None = None
        self._until = time.time() + UNCLAIMED_S
        self._ended = False
        self._lock = threading.Lock()
        threading.Thread(target=self._watch, name="tenure", daemon=True).start()

    def hold(self, job: str) -> None:
        """Note that this run has the actor."""
        with self._lock:
            self._job, self._kept = job, None

    def rest(self, kept: KeptSet) -> None:
        """Note that no run has it any more, and what there is to be taken over."""
        with self._lock:
            self._job, self._kept, self._until = "", kept, kept.until

    def claim(self, job: str, before: float) -> KeptSet | None:
        """Give the actor to this run, `before` a time, if no other has it.

        Return what its set holds, and of no `process` if a run was killed; None if the actor is not given.
        """
        with self._lock:
            abandoned = bool(self._job) and job_has_ended(self._job)
            if self._ended or time.time() > before or not (self._kept or abandoned):
                return None
            kept, self._job, self._kept = self._kept, job, None
            return kept or KeptSet(self._name, "", "", {})

    def _watch(self) -> None:
        checked = time.monotonic()
        while not self._ended:
            time.sleep(CHECK_EVERY_S)
            with self._lock, suppress(Exception):  # Ray's head may be restarted
                if not self._job:
                    self._ended = time.time() > self._until
                elif time.monotonic() > checked + CHECK_JOB_EVERY_S:
                    checked = time.monotonic()
                    self._ended = job_has_ended(self._job)
        while True:  # it ends this process too
            with suppress(Exception):
                end_own_set(self._name)
            time.sleep(CHECK_EVERY_S)
