"""How much of each stage's work is done, which files are in work, and how long the rest will take."""

import threading
import time
from dataclasses import dataclass

from flows.planning.file_run import FileRun
from tasks.stage_table import SECOND_PASS, STAGES, inputs_of

LOOK_EVERY_S = 1.0
"""Files are looked at so often at most: there may be 100,000."""
SHORTEST_S = 1.0
"""Files count for at least so many seconds of audio; of those whose outputs alone are to be written none is decoded."""


@dataclass
class StageWork:
    """A stage: its files and their seconds of audio, and those of them that it has finished."""

    files: int = 0
    audio_s: float = 0.0
    finished: int = 0
    finished_s: float = 0.0
    began: float = 0.0
    """When it took up the first file that it has finished, on the clock of `time.monotonic`."""
    last: float = 0.0
    """When it was last seen to have finished one."""

    def add(self, audio_s: float) -> None:
        """Count a file of so many seconds that the stage has to do."""
        self.files += 1
        self.audio_s += audio_s

    def drop(self, audio_s: float) -> None:
        """Count a file no longer, since it has failed or has turned out not to need the stage."""
        self.files -= 1
        self.audio_s -= audio_s

    def finish(self, audio_s: float, took_s: float, now: float) -> None:
        """Count a file as finished."""
        self.began = self.began if self.finished else now - took_s
        self.last = now
        self.finished += 1
        self.finished_s += audio_s

    def seconds_left(self, now: float) -> float | None:
        """Return how long the rest takes at the speed so far; None before the first file is finished."""
        if self.finished == self.files:
            return 0.0
        if not self.finished:
            return None
        speed = self.finished_s / max(self.last - self.began, 0.001)
        return max((self.audio_s - self.finished_s) / speed - (now - self.last), 0.0)


class Work:
    """The files that wait when it is made, and what has become of them since; may be used by several threads."""

    def __init__(self, files: list[FileRun]) -> None:
        # Each counts for what was known of it at the start: its audio, and the stages that it was missing. When it is
        # read, results of some may be found.
        self._open = {
            file: (max(file.expected_s, SHORTEST_S), file.missing) for file in files if file.status == "waiting"
        }
        self.files = len(self._open)
        self.audio_s = sum(audio_s for audio_s, _ in self._open.values())
        self.finished_s = 0.0
        """Seconds of audio in the files that have an outcome."""
        self.stages = {stage: StageWork() for stage in STAGES}
        for audio_s, stages in self._open.values():
            for stage in stages:
                self.stages[stage].add(audio_s)
        self._counted: dict[FileRun, set[str]] = {}
        self._in_work: dict[FileRun, float] = {}
        self._failed: list[FileRun] = []
        self._looked = 0.0
        self._lock = threading.Lock()

    def look(self) -> None:
        """Bring the counts up to date, unless that was done a moment ago."""
        with self._lock:
            if time.monotonic() >= self._looked + LOOK_EVERY_S:
                self._look()

    def end(self) -> None:
        """Bring the counts up to date for the last time; no file is in work any more."""
        with self._lock:
            self._look()
            self._in_work.clear()

    def _look(self) -> None:
        self._looked = now = time.monotonic()
        for file in [file for file in self._open if file.begun or file.status != "waiting"]:
            self._count(file, now)

    def _count(self, file: FileRun, now: float) -> None:
        if file not in self._counted:
            self._correct(file)
        counted, (audio_s, stages) = self._counted.setdefault(file, set()), self._open[file]
        # A file that is done has been through all stages, also one that has not reported its time yet.
        finished = stages & (file.missing if file.status == "done" else file.timings_s.keys())
        for stage in finished - counted:
            self.stages[stage].finish(audio_s, file.timings_s.get(stage, 0.0), now)
        counted |= finished
        if file.status == "waiting":
            self._in_work.setdefault(file, now)
            return
        for stage in stages - counted:
            self.stages[stage].drop(audio_s)
        if file.status == "failed":
            self._failed.append(file)
        self.finished_s += audio_s
        self._in_work.pop(file, None)
        del self._counted[file], self._open[file]

    def _correct(self, file: FileRun) -> None:
        """Count a file's duration as it is now known, since it was opened, in place of the estimate."""
        estimate_s, stages = self._open[file]
        audio_s = max(file.expected_s, SHORTEST_S)
        self._open[file] = audio_s, stages
        self.audio_s += audio_s - estimate_s
        for stage in stages:
            self.stages[stage].audio_s += audio_s - estimate_s

    def newly_failed(self) -> list[FileRun]:
        """Return the files that have failed since this was last called."""
        with self._lock:
            failed, self._failed = self._failed, []
            return failed

    def in_work(self) -> list[tuple[FileRun, list[str], float]]:
        """Return the files in the stages, with those stages and the seconds since they entered, the first first."""
        with self._lock:
            now = time.monotonic()
            found = [(file, stages_of(file), now - since) for file, since in self._in_work.items()]
            return [each for each in found if each[1]]  # the others have just come through

    def seconds_left(self) -> float | None:
        """Return how long the slowest stage will take for the rest; None before each has finished a file.

        Those of the second pass count once they have: most files do not need them.
        """
        now = time.monotonic()
        counted = [stage for name, stage in self.stages.items() if stage.finished or name not in SECOND_PASS]
        left = [stage.seconds_left(now) for stage in counted]
        return None if None in left else max(filter(None, left), default=0.0)


def stages_of(file: FileRun) -> list[str]:
    """Return the stages that a file is in: those not finished whose inputs are there."""
    ahead = file.missing - file.timings_s.keys()
    return [stage for stage in STAGES if stage in ahead and not ahead & {*inputs_of(stage, file.stages).values()}]
