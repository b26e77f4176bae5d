"""Prefect's server as a process of a run: `python -P …/server_process.py SOCKET LOCK`.

It serves on a listening socket that it inherits, by its number, so that no other program can take the port first. It
imports nothing from this package and is started by its path, in case another package is called `flows`.
"""

import ctypes
import gc
import os
import signal
import socket
import sys
from contextlib import suppress


def main() -> None:
    """Serve until SIGINT, which the end of the parent process sends too, on Linux."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where it was ignored, as in a script's background
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGINT)  # PR_SET_PDEATHSIG

    gc.disable()  # it takes a quarter of the time of these imports, and finds nothing
    import uvicorn
    from filelock import FileLock
    from prefect.server.api.server import create_app

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            # One at a time: each brings the database, which they share, up to date.
            with FileLock(sys.argv[2]):
                await super().startup(sockets)
            gc.freeze()
            gc.enable()

    config = uvicorn.Config(create_app(final=True), log_level="warning")
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal again, once everything is shut down
        Server(config).run([socket.socket(fileno=int(sys.argv[1]))])
    os._exit(0)  # all is written: the interpreter's teardown takes more than a second, for which the run would wait


if __name__ == "__main__":
    main()
