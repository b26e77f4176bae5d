"""flows/services/prefect_server.py: the Prefect server of a run."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_HOME, Settings, temporary_settings

from flows.services.prefect_server import FOR_ONE_RUN, LASTING_SERVER, LocalServer, ServerFailed


@pytest.fixture(name="home")
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A PREFECT_HOME without a database."""
    home = tmp_path / "home"
    monkeypatch.setenv("PREFECT_HOME", str(home))
    with temporary_settings({PREFECT_HOME: home}):
        yield home


def test_prefect_understands_the_settings_of_its_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ignores what it does not know, also what an upgrade has renamed."""
    for name, value in LASTING_SERVER.items():
        monkeypatch.setenv(name, value)
    server = Settings().server
    services, vacuum = server.services, server.services.db_vacuum
    recorder = services.task_run_recorder
    assert (recorder.batch_size, recorder.read_batch_size, recorder.flush_interval) == (100, 100, 1)
    assert (services.event_persister.enabled, server.analytics_enabled) == (False, False)
    assert vacuum.enabled_vacuum_types == {"events", "flow_runs", "orphans"}
    assert (vacuum.retention_period, vacuum.batch_size) == (timedelta(days=30), 20)
    assert server.events.retention_period == timedelta(days=1)
    for name, value in FOR_ONE_RUN.items():
        monkeypatch.setenv(name, value)
    server = Settings().server
    assert (server.register_blocks_on_start, server.memoize_block_auto_registration) == (False, False)
    assert (server.ui.enabled, server.services.triggers.enabled) == (False, False)


@flow
def nothing() -> None:
    """Run, and leave a flow run."""


def test_two_servers_that_start_at_once_share_a_database_and_open_to_their_own_run_alone(home: Path) -> None:
    """Other users of the machine reach the port and know no password; a run knows its own server's alone."""
    with LocalServer() as first, LocalServer() as second:
        with first.used():
            nothing()
        with second.used():
            nothing()
            with get_client(sync_client=True) as client:
                assert len(client.read_flow_runs()) == 2
        url, auth = first.environment()["PREFECT_API_URL"], first.environment()["PREFECT_API_AUTH_STRING"]
        other = second.environment()["PREFECT_API_AUTH_STRING"]
        user, _, password = auth.partition(":")
        assert httpx.get(f"{url}/admin/version").status_code == 401
        assert httpx.get(f"{url}/admin/version", auth=(user, other.partition(":")[2])).status_code == 401
        assert httpx.get(f"{url}/admin/version", auth=(user, password)).status_code == 200
    assert not list(home.glob("*.log"))
    assert [each._process.returncode for each in (first, second)] == [0, 0], "one had to be killed, or broke"


def test_a_server_that_ends_is_noticed_at_once_and_leaves_its_log(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only after the time that a slow one may take."""
    monkeypatch.setenv("PREFECT_API_DATABASE_CONNECTION_URL", "nonsense://")
    began = time.monotonic()
    with LocalServer() as server, pytest.raises(ServerFailed) as failed, server.used():
        pytest.fail("it does not serve")
    assert time.monotonic() - began < 60
    (log,) = home.glob("*.log")
    assert str(log) in str(failed.value)
    assert "nonsense" in log.read_text()


def test_a_home_that_cannot_be_written_to_is_named_with_what_to_set() -> None:
    """And not with the name of some file in it alone."""
    unwritable = temporary_settings({PREFECT_HOME: Path("/dev/null/home")})
    with unwritable, pytest.raises(ServerFailed, match="/dev/null/home: Not a directory: set PREFECT_HOME"):
        LocalServer()
