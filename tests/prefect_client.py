"""A Prefect server as a user has it: through its API and its program."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

ROOT = Path(__file__).parent.parent


class Prefect:
    """A Prefect server through its API and its program, as a user has them."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        auth = environment.get("PREFECT_API_AUTH_STRING")
        self._client = httpx.Client(
            base_url=environment["PREFECT_API_URL"], auth=httpx.BasicAuth(*auth.split(":", 1)) if auth else None
        )

    def post(self, path: str, **body: Any) -> Any:
        """Ask the API; the answer must be a success."""
        answer = self._client.post(path, json=body, timeout=60)
        assert answer.is_success, answer.text
        return answer.json()

    def get(self, path: str) -> Any:
        """Read from the API."""
        answer = self._client.get(path, timeout=60)
        assert answer.is_success, answer.text
        return answer.json()

    def wait_until_healthy(self) -> None:
        """Wait until the server serves."""
        for _ in range(360):
            try:
                if self._client.get("/health").is_success:
                    return self._show_where_we_come_from()
            except httpx.HTTPError:
                pass
            time.sleep(0.5)
        raise AssertionError("the server does not serve")

    def _show_where_we_come_from(self) -> None:
        """Send what the server's protection against forged requests asks of clients, as Prefect's own does."""
        given = self._client.get("/csrf-token", params={"client": "tests"})
        if given.is_success:
            self._client.headers.update({"Prefect-Csrf-Client": "tests", "Prefect-Csrf-Token": given.json()["token"]})

    def program(self, *arguments: str) -> str:
        """Run a program of this environment; it must succeed."""
        line = [str(Path(sys.executable).parent / arguments[0]), *arguments[1:]]
        ran = subprocess.run(line, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def start(self, deployment: str, **parameters: Any) -> UUID:
        """Start a run as the README says."""
        printed = self.program(*_run_command(deployment, parameters))
        found = re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", printed)
        assert found, printed
        return UUID(found[0])

    def watch(self, deployment: str, **parameters: Any) -> tuple[UUID, subprocess.CompletedProcess[str]]:
        """Start a run and watch it until it ends; return what was printed on a wide terminal."""
        program, *line = _run_command(deployment, parameters)
        ran = subprocess.run(
            [str(Path(sys.executable).parent / program), *line, "--watch"],
            cwd=ROOT,
            env={**self.environment, "COLUMNS": "500"},
            capture_output=True,
            text=True,
            check=False,
        )
        found = re.search(r"UUID: ([0-9a-f-]{36})", ran.stdout)
        assert found, ran.stdout + ran.stderr
        return UUID(found[1]), ran

    def wait(self, run: UUID, reached: Callable[[dict[str, Any]], bool], timeout: float = 240) -> dict[str, Any]:
        """Wait until a run has reached something, and return it."""
        deadline = time.monotonic() + timeout
        while not reached(found := self.get(f"/flow_runs/{run}")):
            assert time.monotonic() < deadline, (found["name"], found["state"])
            time.sleep(0.5)
        return dict(found)

    def ended(self, run: UUID) -> dict[str, Any]:
        """Wait until a run has ended, and return it."""
        return self.wait(run, lambda run: run["state_type"] in ("COMPLETED", "FAILED", "CANCELLED", "CRASHED"))

    def artifacts(self, run: UUID) -> dict[str, dict[str, Any]]:
        """Return the artifacts of a run by their keys, of which each must be there once."""
        found = self.post("/artifacts/filter", artifacts={"flow_run_id": {"any_": [str(run)]}})
        assert len({each["key"] for each in found}) == len(found)
        return {each["key"]: each for each in found}

    def stages(self, run: UUID) -> dict[str, dict[str, Any]]:
        """Return the stages' or shards' runs of a run by their names without the number of files, in their order."""
        parents = {"flow_runs": {"parent_flow_run_id": {"any_": [str(run)]}}}
        found = self.post("/flow_runs/filter", **parents, sort="START_TIME_ASC")
        return {each["name"].partition(" · ")[0]: each for each in found}

    def tasks(self, stage: dict[str, Any], number: int) -> dict[str, str]:
        """Return the states of a stage's task runs by their names, once so many are recorded as completed."""
        for _ in range(100):
            found = self.post("/task_runs/filter", flow_runs={"id": {"any_": [stage["id"]]}})
            if len(found) == number and all(each["state_type"] == "COMPLETED" for each in found):
                break
            time.sleep(0.2)
        return {each["name"]: each["state_name"] for each in found}


def _run_command(deployment: str, parameters: dict[str, Any]) -> list[str]:
    given = [f"{name}={json.dumps(value)}" for name, value in parameters.items()]
    options = [word for each in given for word in ("--param", each)]
    return ["prefect", "deployment", "run", f"whisperx-batch/{deployment}", *options]
