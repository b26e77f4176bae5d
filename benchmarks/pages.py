"""How long Prefect's pages take after a large run: `python benchmarks/pages.py PREFECT_HOME [FILES]`.

PREFECT_HOME has the database of a real run in shards, such as benchmarks/shards.py leaves. In a copy of it the task
runs of each stage are copied until they are a thousand, and then the shards, with their stages, task runs, states, logs
and artifacts, until the run has so many files. Then the requests that pages of Prefect's UI make are timed, side by
side as a browser makes them, each page three times, with the core-seconds of the server; last the deletion of a stage.
"""

import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil

FILES = 100_000
SHARD = 1000
AT_ONCE = 6
"""So many requests a browser makes at once."""
IDS = {"id", "flow_run_id", "task_run_id", "parent_task_run_id", "state_id"}
"""Columns that name rows of one run; others name what runs have in common."""
OF_STAGES = {
    "task_run": "flow_run_id IN stages",
    "task_run_state": "task_run_id IN (SELECT id FROM task_run WHERE flow_run_id IN stages)",
    "log": "flow_run_id IN stages AND task_run_id IS NOT NULL",
}
OF_RUN = {
    "flow_run": "id IN below",
    "flow_run_state": "flow_run_id IN below",
    "task_run": "flow_run_id IN below OR flow_run_id = :run",
    "task_run_state": "task_run_id IN (SELECT id FROM task_run WHERE flow_run_id IN below OR flow_run_id = :run)",
    "log": "flow_run_id IN below",
    "artifact": "flow_run_id IN below",
}
"""Which rows of each table are copied; `stages` has the stages of all shards, `below` the shards too."""
Page = list[tuple[str, str, dict[str, Any] | None]]


def multiply(database: Path, files: int) -> dict[str, str]:
    """Fill the stages of the newest run, and copy its shards, until it has so many files in shards of a thousand.

    Returns the ids of the run, a shard and a stage.
    """
    with closing(sqlite3.connect(database)) as rows, rows:
        (run,) = rows.execute("SELECT id FROM flow_run WHERE name LIKE '%→%' ORDER BY created DESC").fetchone()
        children = (
            "SELECT id FROM flow_run WHERE parent_task_run_id IN (SELECT id FROM task_run WHERE flow_run_id IN {})"
        )
        rows.execute(f"CREATE TEMP TABLE shards AS {children.format('(?)')}", (run,))
        rows.execute(f"CREATE TEMP TABLE stages AS {children.format('shards')}")
        rows.execute("CREATE TEMP TABLE below AS SELECT id FROM shards UNION SELECT id FROM stages")
        (shard,) = rows.execute("SELECT id FROM shards").fetchone()
        (stage,) = rows.execute("SELECT id FROM flow_run WHERE name LIKE 'transcribe · %' AND id IN stages").fetchone()
        (shards,) = rows.execute("SELECT count(*) FROM shards").fetchone()
        (in_stage,) = rows.execute("SELECT count(*) FROM task_run WHERE flow_run_id = ?", (stage,)).fetchone()
        _copy(rows, OF_STAGES, SHARD // in_stage, run, at=25, kept={"flow_run_id"})
        _copy(rows, OF_RUN, files // (shards * SHARD), run, at=31, kept=set())
    return {"run": run, "shard": shard, "stage": stage}


def _copy(rows: sqlite3.Connection, tables: dict[str, str], times: int, run: str, at: int, kept: set[str]) -> None:
    """Copy rows until there are `times` as many: the copy's number replaces six digits of the ids, from `at` on."""

    def copied(column: str) -> str:
        if column in IDS - kept:
            changed = f"substr({column}, 1, {at - 1}) || :number || substr({column}, {at + 6})"
            return f"CASE {column} WHEN :run THEN :run ELSE {changed} END"
        return f'"{column}" || :number' if column == "dynamic_key" else f'"{column}"'

    for table, which in tables.items():
        rows.execute(f"CREATE TEMP TABLE was_{table} AS SELECT * FROM {table} WHERE {which}", {"run": run})
    for table in tables:
        columns = [name for _, name, *_ in rows.execute(f"PRAGMA main.table_info({table})")]
        names, values = ", ".join(f'"{name}"' for name in columns), ", ".join(map(copied, columns))
        for number in range(1, times):
            copy = f"INSERT INTO main.{table} ({names}) SELECT {values} FROM was_{table}"
            rows.execute(copy, {"run": run, "number": f"{number:06x}"})
        rows.execute(f"DROP TABLE was_{table}")


def pages(ids: dict[str, str]) -> Iterator[tuple[str, Page]]:
    """Yield each page's name and requests."""
    since = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    until = datetime.now(UTC).isoformat()
    history = {"history_start": since, "history_end": until, "history_interval_seconds": 3600}
    recent = {"start_time": {"after_": since}}
    yield (
        "dashboard",
        [
            ("POST", "/flow_runs/filter", {"flow_runs": recent, "limit": 200, "sort": "START_TIME_DESC"}),
            ("POST", "/ui/task_runs/dashboard/counts", {"task_runs": {**recent, "subflow_runs": {"exists_": False}}}),
            ("POST", "/task_runs/history", history),
            ("POST", "/task_runs/count", {"task_runs": {**recent, "state": {"type": {"any_": ["FAILED", "CRASHED"]}}}}),
        ],
    )
    yield (
        "runs",
        [
            ("POST", "/ui/flow_runs/history", {"limit": 1000}),
            ("POST", "/flow_runs/paginate", {"limit": 20, "sort": "START_TIME_DESC"}),
            ("POST", "/task_runs/paginate", {"limit": 20, "sort": "EXPECTED_START_TIME_DESC"}),
            ("POST", "/flow_runs/count", {}),
        ],
    )
    for name, run in ids.items():
        of_run = {"flow_runs": {"id": {"any_": [run]}}}
        below = {"flow_runs": {"parent_flow_run_id": {"any_": [run]}}}
        yield (
            name,
            [
                ("GET", f"/flow_runs/{run}", None),
                ("GET", f"/flow_runs/{run}/graph-v2", None),
                ("POST", "/logs/filter", {"logs": {"flow_run_id": {"any_": [run]}}, "limit": 200}),
                (
                    "POST",
                    "/task_runs/paginate",
                    {**of_run, "limit": 20, "task_runs": {"subflow_runs": {"exists_": False}}},
                ),
                ("POST", "/flow_runs/paginate", {**below, "limit": 20}),
                ("POST", "/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run]}}}),
                ("POST", "/ui/flow_runs/count-task-runs", {"flow_run_ids": [run]}),
            ],
        )


def main(home: Path, files: int) -> None:
    """Run it all."""
    copy = home.parent / "pages"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(parents=True)
    for part in home.glob("prefect.db*"):
        shutil.copy(part, copy)
    ids = multiply(copy / "prefect.db", files)
    print(f"{files} files: database {sum(part.stat().st_size for part in copy.glob('prefect.db*')) / 1e6:.0f} MB")
    os.environ |= {"PREFECT_HOME": str(copy), "PREFECT_SERVER_EPHEMERAL_ENABLED": "false"}
    from flows.services.prefect_server import LocalServer

    with LocalServer() as server, server.used():
        environment = server.environment()
        user, _, password = environment["PREFECT_API_AUTH_STRING"].partition(":")
        with httpx.Client(base_url=environment["PREFECT_API_URL"], auth=(user, password), timeout=300) as client:
            process = psutil.Process(server._process.pid)  # noqa: SLF001
            for name, page in pages(ids):
                print(f"{name}: {', '.join(time_of(client, page, process) for _ in range(3))}", flush=True)
            deletion: Page = [("DELETE", f"/flow_runs/{ids['stage']}", None)]
            print(f"deleting a stage: {time_of(client, deletion, process)}")


def time_of(client: httpx.Client, page: Page, server: psutil.Process) -> str:
    """Make a page's requests side by side; return the seconds, and print the requests that take long."""

    def ask(request: tuple[str, str, dict[str, Any] | None]) -> None:
        method, path, body = request
        asked = time.monotonic()
        client.request(method, path, json=body).raise_for_status()
        if time.monotonic() - asked > 1:
            print(f"  {path} {time.monotonic() - asked:.2f} s")

    began, before = time.monotonic(), sum(server.cpu_times()[:2])
    with ThreadPoolExecutor(AT_ONCE) as requests:
        list(requests.map(ask, page))
    return f"{time.monotonic() - began:.2f} s ({sum(server.cpu_times()[:2]) - before:.2f} core-s)"


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), int(sys.argv[2]) if len(sys.argv) > 2 else FILES)  # noqa: PLR2004
