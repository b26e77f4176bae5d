"""The plan and the report of a run as Markdown, for Prefect's UI."""

from typing import Any

from flows.planning.file_run import FileRun
from flows.reporting.console import audio_of, counted, duration
from flows.reporting.markdown.listening import listening
from flows.reporting.markdown.overview import SHOWN, overview
from flows.reporting.markdown.tables import cell, link, shortened, table
from flows.reporting.shards import Shard
from flows.reporting.tracker import Tracker

ROWS = 1000
"""Files in a table at most: a browser has to show it."""
FILE_COLUMNS = ("file", "state", "verdict", "language", "speakers", "length")


def plan_text(tracker: Tracker, finish: str) -> str:
    """Return the plan as Markdown; `finish` says when the run is expected to end."""
    waiting = [file for file in tracker.files if file.status == "waiting"]
    refused = [file for file in tracker.files if file.status == "failed"]
    hours = audio_of(waiting)
    totals = [
        ("to do", len(waiting), hours),
        ("done before", tracker.statuses["skipped"], ""),
        ("refused", len(refused), ""),
    ]
    return "\n".join(
        [
            f"# Plan: {counted(len(tracker.files))}",
            *table(("", "files", "audio"), totals),
            f"Finish: {finish}",
            *_failures("Refused", refused),
        ]
    )


def report_text(tracker: Tracker) -> str:
    """Return the report as Markdown: the failures with their reasons, the totals, then every file, or every shard."""
    files = sorted(tracker.files, key=lambda file: file.index)
    return "\n".join(
        [
            f"# {counted(len(files))}",
            *([f"**{cell(tracker.ending.advice)}**"] if tracker.ending else []),
            *_failures("Failed", [file for file in files if file.status == "failed"]),
            *overview(tracker),
            *listening(tracker),
            *(_shards(tracker) if len(tracker.shards) > 1 else _files(files)),
        ]
    )


def shard_text(shard: Shard, shards: int) -> str:
    """Return the report of a shard: the totals, the failures with their reasons, then every file."""
    statuses, files = shard.statuses, sorted(shard.files, key=lambda file: file.index)
    return "\n".join(
        [
            f"# Shard {shard.number} of {shards}: {counted(len(files))}",
            *table(("state", "files"), [(status, statuses[status]) for status in SHOWN if statuses[status]]),
            f"In {duration(shard.wall_s or 0)}",
            *_failures("Failed", [file for file in files if file.status == "failed"]),
            *_files(files),
        ]
    )


def shards_text(tracker: Tracker, headline: str) -> str:
    """Return how far each shard is, and with `headline` the run."""
    return "\n".join([f"# {counted(len(tracker.files))} in {len(tracker.shards)} shards", headline, *_shards(tracker)])


def _shards(tracker: Tracker) -> list[str]:
    rows = []
    for shard in tracker.shards:
        statuses, took = shard.statuses, shard.wall_s
        audio = audio_of(shard.files)
        counts = [statuses[status] or "" for status in SHOWN]
        rows.append(
            (
                shard.number,
                "running" if shard.is_running else "ended" if shard.ended else "",
                len(shard.files),
                audio,
                *counts,
                "" if took is None else duration(took),
            )
        )
    return ["## Shards", *table(("shard", "state", "files", "audio", *SHOWN, "took"), rows)]


def _files(files: list[FileRun]) -> list[str]:
    return ["## Files", *table(FILE_COLUMNS, map(_row, files[:ROWS])), *_more(files)]


def _row(file: FileRun) -> tuple[Any, ...]:
    record = file.record()
    return (
        shortened(file.source.name),
        record["status"],
        record["verdict"] or "",
        record["language"] or "",
        "" if record["speakers"] is None else record["speakers"],
        duration(record["duration_s"]) if record["duration_s"] else "",
    )


def _failures(title: str, files: list[FileRun]) -> list[str]:
    """Return a list of files with their reasons: lists wrap in Prefect's UI, tables do not."""
    if not files:
        return []
    lines = [
        f"- {link(file.source.name, 'task-run', file.failed_run)}: {cell(file.error or '')}" for file in files[:ROWS]
    ]
    return [f"## {title}", *lines, *_more(files)]


def _more(files: list[FileRun]) -> list[str]:
    return ["", f"and {len(files) - ROWS} more, which are in the file that `report` names"] if len(files) > ROWS else []
