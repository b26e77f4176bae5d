"""Checks before the run that its Ray cluster and its Prefect server answer."""

import os
import socket
import sys
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException, PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from tasks.errors import InvalidInput

MAX_WAIT_S = 6.0
"""How long to wait for a service that has only just been started."""
LOCAL = ("auto", "local")
"""Addresses that let Ray find a cluster by itself, or start one."""


def check_ray(address: str | None) -> None:
    """Raise InvalidInput if nothing answers at the Ray cluster's address: Ray itself would try for 80 s."""
    option = "--ray_address" if address else "RAY_ADDRESS"
    address = address or os.environ.get("RAY_ADDRESS")
    if not address or address in LOCAL:
        return
    if address.startswith("ray://"):
        raise InvalidInput(
            f"{option} {address}: a Ray client does not survive a break in the network; run whisperx-batch on a "
            "machine of the cluster with the address of its head, such as head:6379"
        )
    parts = urlsplit(f"//{address}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or not port:
        raise InvalidInput(f"{option} {address}: name a host and a port, such as head:6379")

    def problem() -> str | None:
        try:
            socket.create_connection((host, port), timeout=MAX_WAIT_S).close()
        except OSError as error:
            return error.strerror or str(error)
        return None

    _wait(f"the Ray cluster at {option} {address}", problem)


def check_prefect() -> None:
    """Raise InvalidInput if PREFECT_API_URL does not answer, or refuses access."""
    url = PREFECT_API_URL.value()
    if url:
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
            _wait(f"the Prefect server at PREFECT_API_URL {url}", _prefect_problem)


def _prefect_problem() -> str | None:
    try:
        with get_client(httpx_settings={"timeout": MAX_WAIT_S}, sync_client=True) as client:
            client.read_flows(limit=1)
    except PrefectHTTPStatusError as error:
        status = error.response.status_code
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise InvalidInput(
                f"PREFECT_API_URL {PREFECT_API_URL.value()}: the server refuses us (HTTP {status}): set "
                "PREFECT_API_AUTH_STRING, or PREFECT_API_KEY, to what it asks for"
            ) from None
        return f"HTTP status {status}"
    except (httpx.HTTPError, PrefectException, OSError, ValueError, RuntimeError) as error:
        return str(error) or type(error).__name__
    return None


def _wait(service: str, problem: Callable[[], str | None]) -> None:
    """Wait until a service has no problem. Raises InvalidInput after MAX_WAIT_S."""
    deadline, said = time.monotonic() + MAX_WAIT_S, False
    while found := problem():
        if time.monotonic() > deadline:
            raise InvalidInput(f"{service} does not answer: {found}")
        if not said:
            sys.stderr.write(f"waiting for {service}: {found}\n")
            said = True
        time.sleep(0.5)
