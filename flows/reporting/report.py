"""The report of a run, as `--report` writes it."""

import json
from typing import Any

from flows.reporting.listening import beside, listening_list, totals
from flows.reporting.tracker import Tracker
from tasks.storage import io, urls


def report_of(tracker: Tracker) -> dict[str, Any]:
    """Return the report: `files`, in the order of the inputs, `summary`, and where the `index` of the pages is."""
    records = [file.record() for file in sorted(tracker.files, key=lambda file: file.index)]
    return {"files": records, "summary": summary_of(tracker), "index": tracker.index}


def summary_of(tracker: Tracker) -> dict[str, Any]:
    """Return the counts, the totals, and why the run ended early, if it did."""
    checked = totals(tracker)
    return {
        **{status: tracker.statuses[status] for status in ("done", "skipped", "failed", "left", "waiting")},
        "failed_before": tracker.known_failures,
        "ended_early": tracker.ending.reason if tracker.ending else None,
        "wall_s": round(tracker.wall_s, 3),
        "audio_s": round(tracker.audio_s, 3),
        "verdicts": checked.verdicts,
        "speech_s": round(checked.speech_s, 3),
        "speech_with_text_s": round(checked.covered_s, 3),
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
