"""flows/services/ray_cluster/session.py and head.py: a Ray that starts too slowly, and what a run's own consists of."""

import gc
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from flows.host.private_folder import private_subfolder
from flows.services.ray_cluster.session import STARTS, _shut_down, _started, _started_here

SLOW = "The current node timed out during startup. This could happen because some of the raylet failed to startup"


def test_a_ray_that_was_too_slow_to_start_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first try has left is ended; other errors, and the last, are told."""
    left: list[subprocess.Popen[bytes]] = []

    def init(**_: object) -> str:
        if len(left) < 1:
            left.append(subprocess.Popen(["sleep", "60"]))
            raise Exception(SLOW)  # noqa: TRY002 - as Ray raises it
        return "started"

    monkeypatch.setattr("ray.init", init)
    monkeypatch.setattr("ray.shutdown", lambda: None)
    assert _started_here(dashboard=False) == "started"
    assert left[0].wait(timeout=5) == -9


@pytest.mark.parametrize(("message", "tries"), [(SLOW, STARTS), ("no space left", 1)])
def test_what_does_not_pass_ends_the_run(monkeypatch: pytest.MonkeyPatch, message: str, tries: int) -> None:
    """After so many tries."""
    tried: list[str] = []

    def init(**_: object) -> None:
        tried.append(message)
        raise RuntimeError(message)

    monkeypatch.setattr("ray.init", init)
    monkeypatch.setattr("ray.shutdown", lambda: None)
    with pytest.raises(RuntimeError, match=message[:20]):
        _started_here(dashboard=False)
    assert len(tried) == tries


@pytest.mark.parametrize("named", ["by the option", "by the variable"])
def test_local_names_a_ray_that_is_started_as_without_an_address(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    """Ray takes the word too, and would start one with a dashboard and logs that everybody can read."""
    asked: list[dict[str, object]] = []
    monkeypatch.setattr("ray.init", lambda **options: asked.append(options) or SimpleNamespace(dashboard_url=""))
    monkeypatch.setattr("ray.shutdown", lambda: None)
    monkeypatch.setenv("RAY_ADDRESS", "local" if named == "by the variable" else "head:6379")
    with _started(None if named == "by the variable" else "local", dashboard=False):
        pass
    (options,) = asked
    assert (options["_temp_dir"], options["include_dashboard"]) == (str(private_subfolder("ray")), False)


def test_python_collects_garbage_again_after_a_ray_that_could_not_be_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process may go on, as a notebook does."""

    def shutdown() -> None:
        assert not gc.isenabled()
        raise KeyboardInterrupt

    monkeypatch.setattr("ray.shutdown", shutdown)
    monkeypatch.setattr("ray._private.worker._global_node", None)
    with pytest.raises(KeyboardInterrupt):
        _shut_down()
    assert gc.isenabled()


ALONE = """
import psutil, ray
from ray._private import ray_constants, worker
from flows.services.ray_cluster.session import ray_session

with ray_session(None, dashboard=False) as session:
    ray.get(ray.remote(type("Actor", (), {"work": lambda self: None})).remote().work.remote())
    assert session.dashboard_url is None
    port = worker._global_node.dashboard_agent_listen_port
    assert port > 0 and port != ray_constants.DEFAULT_DASHBOARD_AGENT_LISTEN_PORT, port
    for process in psutil.Process().children(recursive=True):
        print(" ".join(process.cmdline()))
"""


def test_a_ray_of_its_own_has_only_the_processes_that_actors_need_and_a_free_port() -> None:
    """After an upgrade Ray may start others, or those that are left out in another way."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run([sys.executable, "-c", ALONE], env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    programs = ("gcs_server", "raylet", "ray::Actor", "DashboardAgent", "RuntimeEnvAgent")
    found = {line: [name for name in programs if name in line.partition(" --")[0]] for line in done.stdout.splitlines()}
    assert [line for line, names in found.items() if not names and "ray_cluster/reaper" not in line] == []
    assert {name for names in found.values() for name in names} >= {"gcs_server", "raylet", "ray::Actor"}
