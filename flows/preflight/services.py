"""Checks before the run that its Ray cluster and its Prefect server answer."""

import socket
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException, PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from flows.preflight.device import cluster_address
from tasks.errors import InvalidInput

MAX_WAIT_S = 3.0
"""How long to try again: a service may have only just been started."""
TRY_S = 2.0
"""How long a service may take to answer: five seconds in all."""


def check_ray(address: str | None) -> None:
    """Raise InvalidInput if nothing answers at the Ray cluster's address: Ray itself would try for 80 s."""
    option = "--ray_address" if address else "RAY_ADDRESS"
    address = cluster_address(address)
    if not address:
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
            socket.create_connection((host, port), timeout=TRY_S).close()
        except OSError as error:
            return error.strerror or str(error)
        return None

    _wait(
        f"{option} {address}: the Ray cluster",
        problem,
        f"start it, or leave {option} out: then Ray runs on this machine",
    )


def check_prefect() -> None:
    """Raise InvalidInput if PREFECT_API_URL does not answer, or refuses access."""
    url = PREFECT_API_URL.value()
    if url:
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
            remedy = "start it, or unset PREFECT_API_URL: then the run brings a server of its own"
            _wait(f"PREFECT_API_URL {url}: the Prefect server", _prefect_problem, remedy)


def _prefect_problem() -> str | None:
    try:
        with get_client(httpx_settings={"timeout": TRY_S}, sync_client=True) as client:
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


def _wait(service: str, problem: Callable[[], str | None], remedy: str) -> None:
    """Wait until a service has no problem. Raises InvalidInput, with the remedy, after MAX_WAIT_S."""
    deadline = time.monotonic() + MAX_WAIT_S
    while found := problem():
        if time.monotonic() > deadline:
            raise InvalidInput(f"{service} does not answer ({found}): {remedy}")
        time.sleep(0.5)
