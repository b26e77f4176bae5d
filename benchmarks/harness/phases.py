"""Where the time of a run went: ours by Prefect's record of it, WhisperX's by its log."""

import re
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

MAIN_RUN = "(SELECT id FROM flow_run WHERE parent_task_run_id IS NULL ORDER BY start_time DESC LIMIT 1)"
"""The latest run in the database, without its stages."""


def of_ours(database: Path, began: float, ended: float) -> dict[str, float]:
    """Return the seconds of each phase of the latest run, whose process was there from `began` to `ended`."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as rows:
        start, end = rows.execute(f"SELECT start_time, end_time FROM flow_run WHERE id = {MAIN_RUN}").fetchone()
        spans = rows.execute(
            "SELECT flow.name, t.start_time, t.end_time FROM task_run t JOIN flow_run f ON f.id = t.flow_run_id "
            "JOIN flow ON flow.id = f.flow_id "
            "JOIN task_run stage ON stage.id = f.parent_task_run_id "
            f"WHERE stage.flow_run_id = {MAIN_RUN} AND t.end_time IS NOT NULL ORDER BY t.start_time"
        ).fetchall()
    files = [(name, _seconds(start), _seconds(end)) for name, start, end in spans]
    first = min(end for name, _, end in files if name == "transcribe")
    last = max(end for _, _, end in files)
    return {
        "imports, start of Ray and the server": _seconds(start) - began,
        "actors import and load, first transcript": first - _seconds(start),
        "the other files": last - first,
        "end of the flow": _seconds(end) - last if end else 0.0,
        "stop of Ray and the server": ended - (_seconds(end) if end else last),
        **{f"{stage} at work": _worked(files, stage) for stage in dict.fromkeys(name for name, *_ in files)},
    }


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp()


def _worked(files: list[tuple[str, float, float]], stage: str) -> float:
    """Return for how many seconds some file was in the stage."""
    working, until = 0.0, 0.0
    for _, start, end in (file for file in files if file[0] == stage):
        working += max(0.0, end - max(start, until))
        until = max(until, end)
    return working


def of_whisperx(log: Path, began: float, ended: float) -> dict[str, float]:
    """Return the seconds of each phase, to a second, as far as its log tells."""
    marks = {"imports, Whisper loads": began}
    for line in log.read_text(errors="replace").splitlines():
        found = re.match(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) .*Performing (transcription|alignment|diarization)", line)
        if found:
            marks.setdefault(found[2], datetime.fromisoformat(found[1]).astimezone().timestamp())
    times = [*marks.values(), ended]
    return {name: after - at for name, at, after in zip(marks, times, times[1:], strict=False)}
