"""The plan and the summary of a run, as lines on the terminal."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.text import Text

from flows.planning.file_run import FileRun
from flows.reporting.listening import assessed
from flows.reporting.report import summary_of
from flows.reporting.tracker import Tracker
from tasks.errors import one_line
from tasks.stage_table import STAGES

DOUBTFUL_SHOWN = 20
"""At most so many of the files in doubt are named."""
KNOWN_SHOWN = 20
"""At most so many of the files that failed before are named, since they are named in every run."""


def duration(seconds: float) -> str:
    """Return a duration as people write it: 0:00:09, 1:02:03, 2 days, 1:00:00."""
    return str(timedelta(seconds=round(seconds)))


def speed(times: float) -> str:
    """Return how many seconds of audio are done in a second, as text."""
    return f"{times:.{1 if times >= 1 else 2}f}× real time"


def audio_of(files: Iterable[FileRun]) -> str:
    """Return how much audio files hold: about, if some are yet to be opened."""
    files = list(files)
    about = "about " if any(file.unopened for file in files) else ""
    return about + duration(sum(file.expected_s for file in files))


def counted(files: int) -> str:
    """Return how many files, in words."""
    return f"{files} file{'' if files == 1 else 's'}"


def show_plan(files: list[FileRun], console: Console, *, every_file: bool = False) -> None:
    """Print the plan: the totals, and before them each file if asked for."""
    if every_file and files:  # in one piece: Rich takes longer for each line than the plan does for each file
        _line(console, "\n".join(map(_planned, sorted(files, key=lambda file: file.index))))
    _line(console, plan_line(files))


def _planned(file: FileRun) -> str:
    """Return what will be done with a file, in a line."""
    if file.status == "failed":
        return f"refuse  {file.source.name}: {file.error}"
    if file.status == "skipped":
        return f"skip    {file.source.name}: done before"
    stages = ", ".join(stage for stage in STAGES if stage in file.missing and stage != "load audio")
    sound = ", ".join(filter(None, [duration(file.source.duration_s), file.source.track]))
    outputs = one_line(file.output.render("{language}", "*"))
    return f"do      {file.source.name} ({sound}): {stages} -> {outputs}"


def show_estimate(estimate: tuple[float, float] | None, console: Console) -> None:
    """Print how long the plan will take, if a batch with the same options has been done before."""
    if estimate is None:
        _line(console, "How long that takes is not known before a first run with these options.")
    else:
        seconds, times = estimate
        _line(console, f"It takes about {duration(seconds)}, at {speed(times)} as in the last such run.")


def plan_line(files: list[FileRun]) -> str:
    """Return the plan in a line."""
    hours = audio_of([file for file in files if file.status == "waiting"])
    statuses = Counter(file.status for file in files)
    parts = [f"{counted(statuses['waiting'])} to do, {hours} of audio"]
    parts += [f"{statuses['skipped']} done before"] if statuses["skipped"] else []
    parts += [f"{statuses['failed']} refused"] if statuses["failed"] else []
    return "; ".join(parts)


def show_summary(tracker: Tracker, console: Console) -> None:
    """Print the outcome of the run: the failures with their reasons, then the totals."""
    failed = sorted((file for file in tracker.files if file.status == "failed"), key=lambda file: file.index)
    known = [file for file in failed if file.failed_before]
    for file in tracker.files:
        if file.status == "done" and file.written and file.written.note:
            _line(console, f"done    {file.source.name}: {file.written.note}")
    for file in (file for file in failed if not file.failed_before):
        _line(console, f"failed  {file.source.name}: {file.error}")
    for file in known[:KNOWN_SHOWN]:
        _line(console, f"failed before  {file.source.name}: {file.error}")
    if len(known) > KNOWN_SHOWN:
        _line(console, f"failed before  and {len(known) - KNOWN_SHOWN} more, which are in the file of --report")
    _show_doubtful(tracker, console)
    if provisional := provisional_line(tracker):
        _line(console, provisional)
    _line(console, summary_line(tracker))
    for kept in tracker.warm:
        _line(console, f"warm    {kept}; whisperx-batch --stop_warm ends it")
    if known:
        _line(console, f"{counted(len(known))} that failed before and did not change: --retry_failed tries them again")


def _show_doubtful(tracker: Tracker, console: Console) -> None:
    """Print which of the files that are done now are in doubt, the bad ones first, and the totals of all verdicts."""
    new = [(file, quality) for file, quality in assessed(tracker) if file.status == "done"]
    doubtful = [each for verdict in ("bad", "check") for each in new if each[1]["verdict"] == verdict]
    for file, quality in doubtful[:DOUBTFUL_SHOWN]:
        _line(console, f"{quality['verdict']:7} {file.source.name}: {'; '.join(quality['reasons'])}")
    if len(doubtful) > DOUBTFUL_SHOWN:
        _line(console, f"and {len(doubtful) - DOUBTFUL_SHOWN} more in doubt, which are in the file of --report")
    if verdicts := verdict_line(tracker):
        _line(console, verdicts)


def provisional_line(tracker: Tracker) -> str:
    """Return how many skipped files have provisional word times, and why, in a line; nothing if none has."""
    kept = sum(file.status == "skipped" and bool(file.written and file.written.provisional) for file in tracker.files)
    if not kept:
        return ""
    why = "; ".join(tracker.why_provisional())
    return f"{counted(kept)} with provisional word times, until their aligners can be loaded: {why}"


def verdict_line(tracker: Tracker) -> str:
    """Return the verdicts on all files in a line; nothing if none was checked."""
    summary = summary_of(tracker)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in summary["verdicts"].items() if count)
    if not counts:
        return ""
    speech, text = summary["speech_s"], summary["speech_with_text_s"]
    return f"transcripts: {counts}; {duration(speech)} of speech, {text / speech if speech else 1.0:.0%} with text"


def times_real_time(summary: dict[str, Any]) -> float:
    """Return the seconds of audio done per second."""
    return float(summary["audio_s"] / max(summary["wall_s"], 0.001))


def summary_line(tracker: Tracker) -> str:
    """Return the outcome of the run in a line."""
    summary = summary_of(tracker)
    left = f", {summary['left']} left for the next run" if summary["left"] else ""
    known = f" ({tracker.known_failures} of them before)" if tracker.known_failures else ""
    return (
        f"{counted(len(tracker.files))}: {summary['done']} done, {summary['failed']} failed{known}, "
        f"{summary['skipped']} skipped{left}; {speed_line(summary)}"
    )


def speed_line(summary: dict[str, Any]) -> str:
    """Return how long the batch took, and how fast it was if it has decoded any audio."""
    wall = duration(summary["wall_s"])
    if not summary["audio_s"]:
        return f"no new audio, in {wall}"
    return f"{duration(summary['audio_s'])} of audio in {wall}, {speed(times_real_time(summary))}"


def _line(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=True)
