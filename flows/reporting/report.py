"""The report of a run, as `--report` writes it."""

import json
import time
from datetime import datetime
from importlib.metadata import version
from typing import Any

from flows.config.parameters import Batch
from flows.reporting.listening import beside, listening_list, totals
from flows.reporting.tracker import Tracker
from tasks.stage_table import STAGES
from tasks.storage import io, urls

PROGRAMS = ("whisperx-batch", "whisperx", "pyannote.audio", "torch", "ray", "prefect")
"""Those whose releases are in the report."""
GROUPS = ("transcribe", "align", "diarize", "people", "check", "second_pass", "write", "models")
"""The groups of options that are in the report: those that may change the outputs."""


def report_of(tracker: Tracker) -> dict[str, Any]:
    """Return the report: `files`, in the order of the inputs, `summary`, `run` (what made them), `index`."""
    records = [file.record() for file in sorted(tracker.files, key=lambda file: file.index)]
    return {"files": records, "summary": summary_of(tracker), "run": run_of(tracker), "index": tracker.index}


def run_of(tracker: Tracker) -> dict[str, Any]:
    """Return when the run started and ended, its options and the releases of what made the outputs."""
    return {
        "started": _iso(tracker.started),
        "ended": None if tracker.statuses["waiting"] else _iso(time.time()),
        "options": _options(tracker.batch) if tracker.batch else {},
        "versions": {program: version(program) for program in PROGRAMS},
    }


def _options(batch: Batch) -> dict[str, Any]:
    groups: dict[str, Any] = batch.model_dump(mode="json", include=set(GROUPS))
    return {name: group and urls.options_shown(group) for name, group in groups.items()}


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")


def summary_of(tracker: Tracker) -> dict[str, Any]:
    """Return the counts, the totals, and why the run ended early, if it did."""
    checked = totals(tracker)
    return {
        **{status: tracker.statuses[status] for status in ("done", "skipped", "failed", "left", "waiting")},
        "failed_before": tracker.known_failures,
        "provisional": sum(bool(file.written and file.written.provisional) for file in tracker.files),
        "ended_early": tracker.ending.reason if tracker.ending else None,
        "wall_s": round(tracker.wall_s, 3),
        "audio_s": round(tracker.audio_s, 3),
        "verdicts": checked.verdicts,
        "speech_s": round(checked.speech_s, 3),
        "speech_with_text_s": round(checked.covered_s, 3),
        "stages_s": {stage: round(tracker.stage_s[stage], 3) for stage in STAGES if tracker.stage_s[stage]},
        "model_loads": dict(tracker.model_loads),
    }


def write_report(tracker: Tracker, location: str) -> None:
    """Write the report, and the listening list if files are checked. Raises OSError, UnsupportedLocation."""
    report = urls.absolute(location)
    # In ASCII: names are bytes, and those that are not UTF-8 are kept as escapes.
    contents = {report: json.dumps(report_of(tracker), indent=2).encode()}
    if any("check" in file.stages for file in tracker.files):
        contents[beside(report)] = listening_list(tracker)
    io.write_all(contents)
