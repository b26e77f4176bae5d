"""What a person at a terminal sees while a batch runs, and what is left to read when it has ended."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from flows.planning.file_run import FileRun
from flows.pools.group import Pools
from flows.pools.sizing import STAGES
from flows.reporting.tracker import Report
from tasks.write import output_path

KNOWN_SHOWN = 20
"""Files that failed before, which are named night after night."""
PLAIN_STEP = 0.1
"""Without a terminal, a line each time this share of the files has been finished."""


class Progress:
    """Follows a batch: live on a terminal, a line now and then where there is none."""

    def __init__(self, report: Report, pools: Pools, console: Console) -> None:
        self._report = report
        self._pools = pools
        self._console = console
        waiting = [file for file in report.files if file.status == "waiting"]
        self._through_before_s = report.through_s
        self._total_s = sum(file.source.duration_s for file in waiting)
        self._began = time.monotonic()

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show progress for the length of a `with`."""
        if self._console.is_terminal:
            with Live(get_renderable=self._live, console=self._console, refresh_per_second=4, transient=True):
                yield
            return
        ended = threading.Event()
        lines = threading.Thread(target=self._print_lines, args=(ended,), name="progress", daemon=True)
        lines.start()
        try:
            yield
        finally:
            ended.set()
            lines.join()

    def _finished(self) -> int:
        return sum(self._report.statuses[status] for status in ("done", "failed", "skipped", "left"))

    @property
    def seconds(self) -> float:
        """How long it has been following."""
        return time.monotonic() - self._began

    def percent(self) -> float:
        """Return how much of the audio is through, of 100."""
        if not self._report.statuses["waiting"]:
            return 100.0
        return round(min(100 * self._through_s() / max(self._total_s, 1.0), 99.9), 1)

    def _through_s(self) -> float:
        return self._report.through_s - self._through_before_s

    def headline(self) -> str:
        """Return the state of the batch in a line."""
        statuses, seconds = self._report.statuses, self.seconds
        parts = [f"{self._finished()}/{len(self._report.files)} files", f"{statuses['failed']} failed"]
        if self._report.audio_s:
            speed = self._report.audio_s / seconds
            parts.append(f"{speed:.1f} h of audio an hour")
            left = max(self._total_s - self._through_s(), 0.0)
            parts.append(f"about {duration(left / speed)} left" if left >= 1 else "finishing")
        return " · ".join(parts)

    def _live(self) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        for stage in STAGES:
            passed, running = self._report.passed[stage], self._pools.running[stage]
            if passed or running:
                table.add_row(
                    Text(stage, style="bold"),
                    ProgressBar(total=max(len(self._report.files), 1), completed=passed, width=30),
                    Text(f"{passed} through"),
                    Text(f"{running} running" if running else "", style="cyan"),
                )
        return Group(table, Text(self.headline()))

    def _print_lines(self, ended: threading.Event) -> None:
        shown = 0
        while not ended.wait(1):
            step = int(self._finished() / max(len(self._report.files), 1) / PLAIN_STEP)
            if step > shown and self._report.statuses["waiting"]:
                shown = step
                self._console.print(self.headline(), highlight=False)


def duration(seconds: float) -> str:
    """Return a duration as people write it: 0:00:09, 1:02:03, 2 days, 1:00:00."""
    return str(timedelta(seconds=round(seconds)))


def counted(files: int) -> str:
    """Return how many files, in words."""
    return f"{files} file{'' if files == 1 else 's'}"


def show_plan(files: list[FileRun], console: Console, *, every_file: bool = False) -> None:
    """Print what will be done: each file if asked for, and the totals."""
    if every_file:
        for file in sorted(files, key=lambda file: file.index):
            if file.status == "failed":
                _line(console, f"refuse  {file.source.name}: {file.error}")
            elif file.status == "skipped":
                _line(console, f"skip    {file.source.name}: done before")
            else:
                stages = ", ".join(stage for stage in STAGES if stage in file.missing and stage != "load audio")
                sound = ", ".join(filter(None, [duration(file.source.duration_s), file.source.track]))
                outputs = output_path(file.pattern, "{language}", "*")
                _line(console, f"do      {file.source.name} ({sound}): {stages} -> {outputs}")
    _line(console, plan_line(files))


def show_estimate(estimate: tuple[float, float] | None, console: Console) -> None:
    """Print how long what is planned will take, if a batch like it has been done before."""
    if estimate is None:
        _line(console, "How long that takes is not known before a first run with these options.")
    else:
        seconds, speed = estimate
        _line(console, f"It takes about {duration(seconds)}, at {speed:.1f} times real time as in the last such run.")


def plan_line(files: list[FileRun]) -> str:
    """Return in a line what will be done."""
    hours = duration(sum(file.source.duration_s for file in files if file.status == "waiting"))
    statuses = Counter(file.status for file in files)
    parts = [f"{counted(statuses['waiting'])} to do, {hours} of audio"]
    parts += [f"{statuses['skipped']} done before"] if statuses["skipped"] else []
    parts += [f"{statuses['failed']} refused"] if statuses["failed"] else []
    return "; ".join(parts)


def show_summary(report: Report, console: Console) -> None:
    """Print how the batch ended: the failures with their reasons, then the totals."""
    failed = sorted((file for file in report.files if file.status == "failed"), key=lambda file: file.index)
    known = [file for file in failed if file.failed_before]
    for file in report.files:
        if file.status == "done" and file.written and file.written.note:
            _line(console, f"done    {file.source.name}: {file.written.note}")
    for file in (file for file in failed if not file.failed_before):
        _line(console, f"failed  {file.source.name}: {file.error}")
    for file in known[:KNOWN_SHOWN]:
        _line(console, f"failed before  {file.source.name}: {file.error}")
    if len(known) > KNOWN_SHOWN:
        _line(console, f"failed before  and {len(known) - KNOWN_SHOWN} more, which are in the file of --report")
    _line(console, summary_line(report))
    if known:
        _line(console, f"{counted(len(known))} that failed before and did not change: --retry_failed tries them again")


def times_real_time(summary: dict[str, Any]) -> float:
    """Return how many seconds of audio the batch has done in each second."""
    return float(summary["audio_s"] / max(summary["wall_s"], 0.001))


def summary_line(report: Report) -> str:
    """Return in a line how the batch ended."""
    summary = report.summary()
    left = f", {summary['left']} left for the next run" if summary["left"] else ""
    known = f" ({report.known_failures} of them before)" if report.known_failures else ""
    return (
        f"{counted(len(report.files))}: {summary['done']} done, {summary['failed']} failed{known}, "
        f"{summary['skipped']} skipped{left}; {speed_line(summary)}"
    )


def speed_line(summary: dict[str, Any]) -> str:
    """Return how long the batch took, and how fast it was if it has decoded any audio."""
    wall = duration(summary["wall_s"])
    if not summary["audio_s"]:
        return f"no new audio, in {wall}"
    return f"{duration(summary['audio_s'])} of audio in {wall}, {times_real_time(summary):.1f} times real time"


def _line(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=True)
