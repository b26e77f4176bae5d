"""Whether the Ray cluster and the Prefect server that a run is to use are there, before anything is started."""

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

from tasks.bad_input import InvalidInput

PATIENCE_S = 6.0
"""How long a service may be away that has only just been started."""
LOCAL = ("auto", "local")
"""Addresses with which Ray looks for a cluster by itself, or starts one."""


def check_ray(address: str | None) -> None:
    """Raise InvalidInput if nothing answers at the address of the Ray cluster: Ray itself would try for 80 s."""
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
            socket.create_connection((host, port), timeout=PATIENCE_S).close()
        except OSError as error:
            return error.strerror or str(error)
        return None

    _wait(f"the Ray cluster at {option} {address}", problem)


def check_prefect() -> None:
    """Raise InvalidInput if the Prefect server that is named does not answer, or refuses us."""
    url = PREFECT_API_URL.value()
    if url:
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
            _wait(f"the Prefect server at PREFECT_API_URL {url}", _prefect_problem)


def _prefect_problem() -> str | None:
    try:
        with get_client(httpx_settings={"timeout": PATIENCE_S}, sync_client=True) as client:
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
    """Wait until there is no problem with a service. Raises InvalidInput after a while."""
    deadline, said = time.monotonic() + PATIENCE_S, False
    while found := problem():
        if time.monotonic() > deadline:
            raise InvalidInput(f"{service} does not answer: {found}")
        if not said:
            sys.stderr.write(f"waiting for {service}: {found}\n")
            said = True
        time.sleep(0.5)
