"""One machine as a whole set-up: `python -m deployments.box up` and `down`, which `make up` and `make down` call.

supervisord (http://supervisord.org) keeps a Prefect server, a Ray head and a worker running on 127.0.0.1, and starts
again what ends. All that must survive is in Prefect's home: its database, logs, the work pool, the deployments.
"""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import psutil
from prefect.client.orchestration import get_client
from prefect.server.schemas.schedules import CronSchedule
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.deploy import NIGHTLY, POOL
from deployments.settings import DeploymentSettings, read_settings
from flows.host.allocator_env import KEEP_MEMORY
from flows.host.private_folder import private_subfolder
from flows.host.programs import typed
from flows.host.ray_loopback import LOOPBACK_RAY
from flows.host.ray_token import provide_token
from flows.host.surroundings import bypass_proxy
from flows.services.prefect_server import LASTING_SERVER
from flows.services.ray_cluster.head import NO_IDLE_WORKERS

CONFIGURATION = Path(__file__).parent / "supervisord.conf"
BIN = Path(sys.executable).parent
RAY_PORTS = {"PORT": 6379, "DASHBOARD_PORT": 8265, "AGENT_PORT": 52365, "CLIENT_PORT": 6380}
"""Ray's own; with another `ray_port` all move by as much."""


def environment(settings: DeploymentSettings) -> dict[str, str]:
    """Return what the services run with, and what a shell needs to talk to them."""
    bypass_proxy()
    home = Path(os.environ.get("PREFECT_HOME", Path.home() / ".prefect"))
    state = home / "whisperx-batch"
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    port = str(settings.prefect_port)
    ports = {name: str(usual + settings.ray_port - RAY_PORTS["PORT"]) for name, usual in RAY_PORTS.items()}
    return {
        **LASTING_SERVER,
        **os.environ,
        **KEEP_MEMORY,
        **NO_IDLE_WORKERS,
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_API_PORT": port,
        "RAY_ADDRESS": f"127.0.0.1:{settings.ray_port}",
        "RAY_AUTH_MODE": "token",
        # A run's hold on its deployment's limit: in memory it would be lost with the server, and never given back.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "TZ": settings.nightly_timezone,  # also the clock of `stop_after`
        LOOPBACK_RAY: "0",
        "WHISPERX_BATCH_BIN": str(BIN),
        "WHISPERX_BATCH_STATE": str(state),
        "WHISPERX_BATCH_RAY_FOLDER": str(private_subfolder("ray")),
        **{f"RAY_{name}": number for name, number in ports.items()},
    }


def up(settings: DeploymentSettings) -> None:
    """Start what is not running, create the deployments, and say how to use them."""
    _make_recordings(settings.recordings)
    services = environment(settings)
    os.environ.update(services)
    if starts := bool(_supervisor("pid").returncode):
        _check_free("PREFECT_SERVER_API_PORT", services["PREFECT_SERVER_API_PORT"])
        _check_free("WHISPERX_BATCH_RAY_PORT", *(services[f"RAY_{name}"] for name in RAY_PORTS))
        provide_token()
        _must("supervisord", "-c", str(CONFIGURATION))
    else:
        _supervisor("start", "all")
    api = services["PREFECT_API_URL"]
    _wait("the Prefect server", lambda: httpx.get(f"{api}/health").is_success, services)

    # A program of its own: this one has asked Prefect already which server it uses.
    if subprocess.run([sys.executable, "-m", "deployments.deploy"], check=False).returncode:
        sys.exit(1)
    with temporary_settings({PREFECT_API_URL: api}):
        _wait("the worker", _has_worker, services)
        nightly = _nightly(settings)
    _wait("Ray", lambda: httpx.get(f"http://127.0.0.1:{services['RAY_DASHBOARD_PORT']}").is_success, services)
    if starts:
        subprocess.run([sys.executable, "-m", "deployments.standby"], check=False)
    sys.stdout.write(
        f"Prefect's UI:    {api.removesuffix('/api')}\n"
        f"Ray's dashboard: http://127.0.0.1:{services['RAY_DASHBOARD_PORT']} "
        f"(its token: {typed('ray get-auth-token')})\n"
        f"Logs:            {services['WHISPERX_BATCH_STATE']}\n\n"
        f"Put recordings into {settings.recordings.absolute()}, then:\n\n"
        f"  export PREFECT_API_URL={api} RAY_ADDRESS={services['RAY_ADDRESS']} RAY_AUTH_MODE=token\n"
        f"  {typed('prefect deployment run whisperx-batch/default --watch')}\n\n"
        f"{nightly}\n"
    )


def _make_recordings(folder: Path) -> None:
    """Make the folder of recordings, but not those above it: a misspelt path would be an empty folder every night."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        sys.exit(f"WHISPERX_BATCH_RECORDINGS: {folder.absolute()} cannot be made: {error.strerror}")


def _nightly(settings: DeploymentSettings) -> str:
    """Return whether `nightly` starts by itself, when it does next and until when it runs, and how to change that."""
    with get_client(sync_client=True) as client:
        active = any(schedule.active for schedule in client.read_deployment_by_name(NIGHTLY).schedules)
    if not active:
        return "nightly is off; `make nightly` turns it on."
    schedule = CronSchedule(cron=settings.nightly_cron, timezone=settings.nightly_timezone)
    zone = ZoneInfo(settings.nightly_timezone)
    begins = asyncio.run(schedule.get_dates(1))[0].astimezone(zone)
    return (
        f"nightly is on: it starts next on {begins:%A, %d %B, at %H:%M} ({settings.nightly_timezone}), and starts no "
        f"more files after {settings.nightly_stop_after}.\nTo turn it off: WHISPERX_BATCH_NIGHTLY_ACTIVE=false make up"
    )


def down(settings: DeploymentSettings) -> None:
    """Stop everything; what was running goes on with the next run."""
    services = environment(settings)
    os.environ.update(services)
    pid = _supervisor("pid").stdout.strip()
    if pid.isdigit():
        supervisor = psutil.Process(int(pid))
        # What Ray's dashboard starts ends a moment after Ray and its supervisor have.
        all_of_them = [supervisor, *supervisor.children(recursive=True)]
        _supervisor("shutdown")
        _wait("the end of all services", lambda: all(map(_has_ended, all_of_them)), services)
        sys.stdout.write("All services are stopped; runs that they ended go on with the next run after `make up`.\n")
    else:
        sys.stdout.write("No service was running.\n")


def _check_free(setting: str, *ports: str) -> None:
    """Raise SystemExit if somebody else serves there: we would talk to them, and tell them our token."""
    for port in ports:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", int(port))) == 0:
                sys.exit(f"port {port} is taken by another program; set {setting} to another one")


def _has_worker() -> bool:
    with get_client(sync_client=True) as client:
        return any(worker.status == "ONLINE" for worker in client.read_workers_for_work_pool(POOL))


def _has_ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE  # where nobody collects it
    except psutil.NoSuchProcess:
        return True


def _must(name: str, *arguments: str) -> None:
    ran = _program(name, *arguments)
    if ran.returncode:
        sys.exit(f"{name}: {ran.stdout}{ran.stderr}")


def _program(name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(BIN / name), *arguments], capture_output=True, text=True, check=False)


def _supervisor(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return _program("supervisorctl", "-c", str(CONFIGURATION), *arguments)


def _wait(what: str, is_there: Callable[[], bool], services: dict[str, str], timeout: float = 180) -> None:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError):
            if is_there():
                return
        time.sleep(0.5)
    sys.exit(f"{what}: not there after {timeout:.0f} s; see the logs in {services['WHISPERX_BATCH_STATE']}")


if __name__ == "__main__":
    {"up": up, "down": down}[sys.argv[1]](read_settings())
