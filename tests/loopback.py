"""Loopback: ports, and a web server for the length of a `with`."""

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Above the ports of Ray's workers (10002 to 19999), below those that Linux hands out (32768 to 60999): a port of those
# can be taken by any connection of another test between the choice and the start of the server that is to have it.
PORTS = range(21_000, 32_000)


def free_port() -> int:
    """Return a port on which nobody listens, and that no outgoing connection takes meanwhile."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Answer requests with this handler; yield the server's URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
