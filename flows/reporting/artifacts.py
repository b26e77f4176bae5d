"""What a run shows of itself in Prefect's UI: its plan, its progress and its report, one artifact each."""

import contextvars
import logging
import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Literal
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.exceptions import PrefectException

from flows.planning.file_run import FileRun
from flows.reporting.console import Progress, counted, duration, speed_line
from flows.reporting.tracker import Report

logger = logging.getLogger(__name__)

Kind = Literal["plan", "progress", "report"]
ROWS = 1000
"""Files in a table at most: a browser has to show it."""
FOLLOW_EVERY_S = 10.0


class Artifacts:
    """The artifacts of a flow run. They are sent from a thread of their own: the files do not wait for the server."""

    def __init__(self, flow_run_id: UUID | str) -> None:
        self._flow_run_id = UUID(str(flow_run_id))
        self._ids: dict[Kind, UUID] = {}
        self._latest: dict[Kind, tuple[Any, str]] = {}
        self._sender = ThreadPoolExecutor(1, thread_name_prefix="artifacts")
        # In the context of the run, where Prefect finds its server.
        self._context = contextvars.copy_context()

    def show(self, kind: Kind, data: Any, description: str = "") -> None:
        """Show this from now on. What has not been sent when something newer comes is left out."""
        self._latest[kind] = data, description
        self._sender.submit(self._context.run, self._send, kind)

    def _send(self, kind: Kind) -> None:
        latest = self._latest.pop(kind, None)
        if latest is None:
            return
        try:
            with get_client(sync_client=True) as client:
                self._put(client, kind, *latest)
        except (PrefectException, httpx.HTTPError) as error:
            logger.warning("the run's %s could not be shown: %s", kind, error)

    def _put(self, client: SyncPrefectClient, kind: Kind, data: Any, description: str) -> None:
        if kind in self._ids:
            client.update_artifact(self._ids[kind], ArtifactUpdate(data=data, description=description))
            return
        created = client.create_artifact(
            ArtifactCreate(
                key=f"whisperx-batch-{kind}",
                type="progress" if kind == "progress" else "markdown",
                data=data,
                description=description,
                flow_run_id=self._flow_run_id,
            )
        )
        self._ids[kind] = created.id

    @contextmanager
    def following(self, progress: Progress) -> Iterator[None]:
        """Show the progress for the length of a `with`."""
        ended = threading.Event()

        def follow() -> None:
            self.show("progress", progress.percent(), progress.headline())
            while not ended.wait(FOLLOW_EVERY_S):
                self.show("progress", progress.percent(), progress.headline())

        following = threading.Thread(target=follow, name="progress artifact", daemon=True)
        following.start()
        try:
            yield
        finally:
            ended.set()
            following.join()
            self.show("progress", progress.percent(), progress.headline())

    def close(self) -> None:
        """Wait until all is sent."""
        self._sender.shutdown(wait=True)


def plan_text(report: Report, finish: str) -> str:
    """Return the plan as Markdown; `finish` says when the run is expected to end."""
    waiting = [file for file in report.files if file.status == "waiting"]
    refused = [file for file in report.files if file.status == "failed"]
    hours = duration(sum(file.source.duration_s for file in waiting))
    totals = [
        ("to do", len(waiting), hours),
        ("done before", report.statuses["skipped"], ""),
        ("refused", len(refused), ""),
    ]
    return "\n".join(
        [
            f"# Plan: {counted(len(report.files))}",
            *_table(("", "files", "audio"), totals),
            f"Finish: {finish}",
            *_failures("Refused", refused),
        ]
    )


def report_text(report: Report) -> str:
    """Return the report as Markdown: the totals, the failures with their reasons, then every file."""
    summary = report.summary()
    totals = [(status, summary[status]) for status in SHOWN if summary[status]]
    files = sorted(report.files, key=lambda file: file.index)
    return "\n".join(
        [
            f"# {counted(len(files))}",
            *([f"**{_cell(report.ending.advice)}**"] if report.ending else []),
            *_table(("state", "files"), totals),
            speed_line(summary),
            *_failures("Failed", [file for file in files if file.status == "failed"]),
            "## Files",
            *_table(FILE_COLUMNS, map(_row, files[:ROWS])),
            *_more(files),
        ]
    )


SHOWN = ("done", "skipped", "failed", "left", "waiting")
FILE_COLUMNS = ("file", "state", "language", "speakers", "words timed by", "audio", "speed", "outputs")


def _row(file: FileRun) -> tuple[Any, ...]:
    record = file.record()
    worked = sum(record["timings_s"].values())
    return (
        file.source.name,
        record["status"],
        record["language"] or "",
        "" if record["speakers"] is None else record["speakers"],
        os.path.basename(record["aligned_by"] or ""),
        duration(record["duration_s"]) if record["duration_s"] else "",
        f"{record['duration_s'] / worked:.1f} ×" if worked and record["status"] == "done" else "",
        " ".join(output.rpartition(".")[2] for output in record["outputs"]),
    )


def _failures(title: str, files: list[FileRun]) -> list[str]:
    if not files:
        return []
    rows = [(file.source.name, file.error or "") for file in files[:ROWS]]
    return [f"## {title}", *_table(("file", "reason"), rows), *_more(files)]


def _more(files: list[FileRun]) -> list[str]:
    return [f"and {len(files) - ROWS} more, which are in the file that `report` names"] if len(files) > ROWS else []


def _table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> list[str]:
    lines = [head, tuple("---" for _ in head), *rows]
    return ["", *("| " + " | ".join(_cell(str(cell)) for cell in line) + " |" for line in lines), ""]


def _cell(text: str) -> str:
    """Return the text so that it stays in its cell, and shows as it is: names of files are anybody's."""
    for special in "\\|`<>[]*_":
        text = text.replace(special, f"\\{special}")
    return text
