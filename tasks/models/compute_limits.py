"""How much of the machine this process may use."""

import threading


class ComputeLimits:
    """`slots` bounds how many threads compute at a time; `threads` is how many CPU threads each model gets."""

    def __init__(self) -> None:
        self.configure(parallel=1, threads=0)

    def configure(self, parallel: int, threads: int) -> None:
        """Set the limits, before any model is loaded. 0 `threads` leaves the libraries' own defaults."""
        self.parallel = parallel
        self.threads = threads
        self.slots = threading.BoundedSemaphore(parallel)


compute_limits = ComputeLimits()
