"""A Prefect server that can be stopped, killed and started again, with the same database and address."""

import subprocess
import sys
import time
from pathlib import Path

import httpx
from loopback import free_port


class Server:
    """It has the database of PREFECT_HOME in its environment, and logs to a file."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._log = log
        self._port = str(free_port())
        self.url = f"http://127.0.0.1:{self._port}/api"
        self._environment = environment

    def start(self) -> None:
        """Start it and wait until it serves."""
        prefect = str(Path(sys.executable).parent / "prefect")
        line = [prefect, "server", "start", "--host", "127.0.0.1", "--port", self._port]
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                line, env=self._environment, stdout=output, stderr=output, start_new_session=True
            )
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and self._process.poll() is None:
            time.sleep(0.1)
            try:
                if httpx.get(f"{self.url}/health", timeout=1).is_success:
                    return
            except httpx.HTTPError:
                pass
        raise RuntimeError(f"the server did not start\n{self._log.read_text()}")

    def stop(self) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait(30)

    def kill(self) -> None:
        """Kill it by SIGKILL: it gets no chance to write what it has been sent."""
        self._process.kill()
        self._process.wait()
