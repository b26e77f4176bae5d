"""Progress while a run goes on, on the terminal and as a headline."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from flows.pools.group import Pools
from flows.reporting.console import duration
from flows.reporting.markdown import shards_text
from flows.reporting.tracker import Tracker
from tasks.stage_table import STAGES

PLAIN_STEP = 0.1
"""Without a terminal, a line each time this share of the files has been finished."""


class Progress:
    """The progress of a run: bars on a terminal, else a line from time to time."""

    def __init__(self, tracker: Tracker, pools: Pools, console: Console) -> None:
        self._tracker = tracker
        self._pools = pools
        self._console = console
        self._finished_before_s = tracker.finished_audio_s
        tracker.count_audio_left()
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
        return sum(self._tracker.statuses[status] for status in ("done", "failed", "skipped", "left"))

    @property
    def seconds(self) -> float:
        """Seconds since the stages began."""
        return time.monotonic() - self._began

    def percent(self) -> float:
        """Return how much of the audio has an outcome, in percent."""
        if not self._tracker.statuses["waiting"]:
            return 100.0
        total_s = self._finished_s() + self._tracker.audio_left_s
        return round(min(100 * self._finished_s() / max(total_s, 1.0), 99.9), 1)

    def _finished_s(self) -> float:
        return self._tracker.finished_audio_s - self._finished_before_s

    def headline(self) -> str:
        """Return the state of the batch in a line."""
        statuses, seconds = self._tracker.statuses, self.seconds
        parts = [f"{self._finished()}/{len(self._tracker.files)} files", f"{statuses['failed']} failed"]
        if self._tracker.audio_s:
            speed = self._tracker.audio_s / seconds
            parts.append(f"{speed:.1f} h of audio an hour")
            left = max(self._tracker.audio_left_s, 0.0)
            parts.append(f"about {duration(left / speed)} left" if left >= 1 else "finishing")
        running = [str(shard.number) for shard in self._tracker.shards if shard.is_running]
        if running and len(self._tracker.shards) > 1:
            parts.append(f"shard {' and '.join(running)} of {len(self._tracker.shards)}")
        return " · ".join(parts)

    def shards(self) -> str:
        """Return how far each shard is, as Markdown; nothing if there is but one."""
        return shards_text(self._tracker, self.headline()) if len(self._tracker.shards) > 1 else ""

    def _live(self) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        for stage in STAGES:
            finished, running = self._tracker.finished[stage], self._pools.running[stage]
            if finished or running:
                table.add_row(
                    Text(stage, style="bold"),
                    ProgressBar(total=max(len(self._tracker.files), 1), completed=finished, width=30),
                    Text(f"{finished} through"),
                    Text(f"{running} running" if running else "", style="cyan"),
                )
        return Group(table, Text(self.headline()))

    def _print_lines(self, ended: threading.Event) -> None:
        shown = 0
        while not ended.wait(1):
            step = int(self._finished() / max(len(self._tracker.files), 1) / PLAIN_STEP)
            if step > shown and self._tracker.statuses["waiting"]:
                shown = step
                self._console.print(self.headline(), highlight=False)
