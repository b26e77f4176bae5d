"""Notices when Ray's head is gone: Ray would end this process a minute later, without a summary or a report."""

import socket
import threading
import time
from collections.abc import Callable

import ray

from flows.services.failures import GO_ON, RunBroken

CHECK_EVERY_S = 2.0
GONE_AFTER_S = 15.0
"""How long the head may refuse connections: it may be restarted, and Ray ends this process after 60 s."""


class RayGone(RunBroken):
    """The head process of the Ray cluster does not answer any more, so no call of Ray would return."""

    def __init__(self, address: str) -> None:
        super().__init__(f"Ray's head process at {address} is gone: it was killed, or its machine is down; {GO_ON}")


def watch_ray(ended: threading.Event, lost: Callable[[RayGone], None]) -> None:
    """Call `lost` from another thread, if Ray's head refuses connections for GONE_AFTER_S before `ended` is set."""
    address = ray.get_runtime_context().gcs_address
    host, _, port = address.rpartition(":")

    def watch() -> None:
        answered = time.monotonic()
        while not ended.wait(CHECK_EVERY_S):
            try:
                socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
                answered = time.monotonic()
            except OSError:
                if time.monotonic() > answered + GONE_AFTER_S:
                    lost(RayGone(address))
                    return

    threading.Thread(target=watch, name="ray watch", daemon=True).start()
