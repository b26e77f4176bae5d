"""Progress while a run goes on, on the terminal and as a headline."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from flows.host.terminal import log, showing, wait_for
from flows.pools.group import Pools
from flows.reporting.console import duration, speed
from flows.reporting.markdown.progress import progress_text
from flows.reporting.markdown.texts import shards_text
from flows.reporting.tracker import Tracker
from flows.reporting.work import Work

LOG_EVERY_S = 60.0
"""Without a terminal, a line as often as this."""
CTRL_C = "^C"
"""What a terminal shows when Ctrl-C is pressed. In a full last line it would move all down, and a line would remain."""
NAMED = 5
"""At most so many of the files in work are named."""


class Progress:
    """The progress of a run: bars on a terminal, else a line a minute; failures as they happen."""

    def __init__(self, tracker: Tracker, pools: Pools, console: Console) -> None:
        self._tracker = tracker
        self._pools = pools
        self._console = console
        self._work = Work(tracker.files)
        self._finished_before = self._finished()
        self._began = time.monotonic()
        self._ended = False
        self._bars = Bars(
            TextColumn("{task.description}", style="bold"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("{task.fields[counts]}"),
            TextColumn("{task.fields[running]}", style="cyan"),
            console=console,
            auto_refresh=False,
            expand=True,
        )
        self._overall = self._bars.add_task("all files", counts="", running="")
        self._rows: dict[str, TaskID] = {
            stage: self._bars.add_task(stage, counts="", running="")
            for stage, work in self._work.stages.items()
            if work.files
        }

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show progress for the length of a `with`."""
        ended = threading.Event()
        following = threading.Thread(target=self._follow, args=(ended,), name="progress", daemon=True)
        following.start()
        try:
            if self._console.is_terminal:
                with showing(self._live, self._console):
                    yield
            else:
                yield
        finally:
            wait_for("ending the run")
            ended.set()
            following.join()

    def _finished(self) -> int:
        return sum(self._tracker.statuses[status] for status in ("done", "failed", "skipped", "left"))

    @property
    def seconds(self) -> float:
        """Seconds since the stages began."""
        return time.monotonic() - self._began

    def percent(self) -> float:
        """Return how much of the audio has an outcome, in percent."""
        if not self._tracker.statuses["waiting"]:
            return 100.0
        self._work.look()
        return round(min(100 * self._work.finished_s / max(self._work.audio_s, 1.0), 99.9), 1)

    def headline(self) -> str:
        """Return the state of what this run has to do in a line."""
        if self._ended:
            return " · ".join(["ended", *self._counts()])
        self._work.look()
        parts = self._counts()
        if not any(stage.finished for stage in self._work.stages.values()) and not any(self._pools.running.values()):
            return " · ".join([*parts, "loading models"])
        left = self._work.seconds_left()
        if left is None:
            parts.append("time left known after the first file")
        else:
            parts.append(f"about {duration(left)} left" if left >= 1 else "finishing")
        running = [str(shard.number) for shard in self._tracker.shards if shard.is_running]
        if running and len(self._tracker.shards) > 1:
            parts.append(f"shard {' and '.join(running)} of {len(self._tracker.shards)}")
        return " · ".join(parts)

    def _counts(self) -> list[str]:
        finished, failed = self._finished() - self._finished_before, self._tracker.statuses["failed"]
        fast = [speed(self._tracker.audio_s / self.seconds)] if self._tracker.audio_s else []
        return [f"{finished}/{self._work.files} files", f"{failed} failed", *fast]

    def text(self) -> str:
        """Return the headline, the stages and the files in work, as Markdown."""
        return progress_text(self.headline(), self._work, {} if self._ended else self._pools.running)

    def end(self) -> None:
        """Show the final counts from now on, and no time left: the stages have ended."""
        self._work.end()
        self._ended = True

    def shards(self) -> str:
        """Return how far each shard is, as Markdown; nothing if there is but one."""
        return shards_text(self._tracker, self.headline()) if len(self._tracker.shards) > 1 else ""

    def _live(self) -> RenderableType:
        headline = self.headline()
        finished = f"{self._finished() - self._finished_before}/{self._work.files}"
        self._bars.update(self._overall, total=100, completed=self.percent(), counts=finished)
        for stage, row in self._rows.items():
            work, running = self._work.stages[stage], self._pools.running[stage]
            self._bars.update(
                row,
                total=work.audio_s or 1.0,
                completed=work.finished_s if work.audio_s else 1.0,
                counts=f"{work.finished}/{work.files}",
                running=f"{running} running" if running else "",
            )
        clock = Table.grid(expand=True)
        clock.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        clock.add_column(justify="right")
        clock.add_row(Text(headline), Text(duration(self.seconds)))
        return Constrain(Group(self._bars, clock, self._in_work()), self._console.width - len(CTRL_C))

    def _in_work(self) -> Table:
        """Return a row for each of the files that have been in work longest."""
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1, style="dim")
        table.add_column(no_wrap=True, style="cyan")
        table.add_column(justify="right", style="dim")
        files = self._work.in_work()
        for file, stages, seconds in files[:NAMED]:
            name = f"{file.source.name} ({duration(file.source.duration_s)})"
            table.add_row(Text(name), Text(", ".join(stages)), Text(duration(seconds)))
        if len(files) > NAMED:
            table.add_row(Text(f"and {len(files) - NAMED} more"))
        return table

    def _follow(self, ended: threading.Event) -> None:
        """Print failures as they happen, and without a terminal a line from time to time."""
        next_line = time.monotonic() + LOG_EVERY_S
        while not ended.wait(1):
            self._work.look()
            for file in self._work.newly_failed():
                log(f"failed  {file.source.name}: {file.error}", self._console)
            if not self._console.is_terminal and time.monotonic() > next_line:
                next_line += LOG_EVERY_S
                log(self.headline(), self._console)
