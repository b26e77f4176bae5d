"""The process that keeps a Ray and a Prefect server after a run: `python -m flows.pools.warm.keeper DIGEST`.

It ends, and they with it, once no run uses them and no set of actors is kept in that Ray.
"""

import os
import sys
import time
from contextlib import ExitStack, suppress

import psutil
import ray
from filelock import Timeout

from flows.host.signals import exit_on_signals
from flows.pools.warm.kept_services import KeptServices, lock, record
from flows.pools.warm.kept_set import kept_sets
from flows.services.prefect_server import LocalServer, has_server
from flows.services.ray_cluster.session import ray_session

CHECK_EVERY_S = 1.0


def main() -> None:
    """Keep them. The argument is the digest of the code and the environment that they are started with."""
    exit_on_signals()
    with ExitStack() as running:
        server = None if has_server() else running.enter_context(LocalServer())
        running.enter_context(ray_session(None, dashboard=False))
        if server:
            running.enter_context(server.used())
        me, address = psutil.Process(), ray.get_runtime_context().gcs_address
        prefect = server.environment() if server else {}
        KeptServices(os.getpid(), me.create_time(), sys.argv[1], address, prefect).write()
        try:
            _wait_unused()
        finally:
            record().unlink(missing_ok=True)


def _wait_unused() -> None:
    held = lock()
    while True:
        time.sleep(CHECK_EVERY_S)
        # First without the lock: Ray does not answer once its head was killed, and others need the lock to end it.
        if kept_sets():
            continue
        with suppress(Timeout), held.acquire(timeout=0):  # while a run has it, nothing is to be done
            if not kept_sets():
                record().unlink(missing_ok=True)  # before the next run can get the lock
                return


if __name__ == "__main__":
    main()
