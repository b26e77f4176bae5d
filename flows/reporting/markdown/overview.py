"""What a run has done in all, as Markdown: counts, stages, how busy the machines were, outputs, and what made them."""

from collections.abc import Iterator

from flows.config.parameters import Batch
from flows.reporting.console import duration, provisional_line, speed_line
from flows.reporting.markdown.tables import cell, link, table
from flows.reporting.report import run_of, summary_of
from flows.reporting.tracker import Tracker
from tasks.errors import one_line
from tasks.stage_table import STAGES
from tasks.storage.urls import absolute, options_shown, shown

SHOWN = ("done", "skipped", "failed", "left", "waiting")
BAR = 20
"""Characters of the bar for a stage that has taken all of the time."""


def overview(tracker: Tracker) -> list[str]:
    """Return the lines."""
    summary, provisional = summary_of(tracker), provisional_line(tracker)
    counts = ", ".join(f"{summary[status]} {status}" for status in SHOWN if summary[status])
    return [
        "## Totals",
        f"**{counts or 'no file'}** · {speed_line(summary)}",
        *([f"\n{cell(provisional)}"] if provisional else []),
        *_stages(tracker, summary["stages_s"]),
        *(f"`{line}`\n" for line in tracker.usage.lines()),
        *(f"Warm for the next run: {cell(kept)}; `whisperx-batch --stop_warm` ends it\n" for kept in tracker.warm),
        *(_made_of(tracker, tracker.batch) if tracker.batch else ()),
    ]


def _stages(tracker: Tracker, seconds: dict[str, float]) -> list[str]:
    """Return a row for each stage, with its share of all work; files are worked on side by side."""
    total = sum(seconds.values())
    if not total:
        return []
    rows = [
        (
            link(stage, "flow-run", tracker.stage_runs.get(stage) if len(tracker.shards) <= 1 else None),
            tracker.finished[stage],
            duration(seconds[stage]),
            f"{'█' * round(BAR * seconds[stage] / total)} {seconds[stage] / total:.0%}",
        )
        for stage in STAGES
        if stage in seconds
    ]
    return table(("stage", "files", "work", "share"), rows)


def _made_of(tracker: Tracker, batch: Batch) -> Iterator[str]:
    yield f"- Outputs: {cell(shown(absolute(batch.write.output_dir)))}"
    if tracker.index:
        yield f"- Index of the pages: {cell(shown(tracker.index))}"
    if batch.run.report:
        yield f"- Report: {cell(shown(batch.run.report))}"
    yield f"- Model: {cell(shown(batch.transcribe.model))}"
    yield f"- Options: {cell(one_line(_changed(batch)))}"
    run = run_of(tracker)
    yield f"- Versions: {', '.join(f'{program} {release}' for program, release in run['versions'].items())}"
    yield f"- Started {run['started']}"


def _changed(batch: Batch) -> str:
    """Return the options that are not at their defaults, and the stages that are left out or added."""
    stages = {"align": "no_align", "check": "no_check"}
    parts = [option for group, option in stages.items() if getattr(batch, group) is None]
    parts += [stage for stage in ("diarize", "second_pass") if getattr(batch, stage)]
    groups = (batch.transcribe, batch.align, batch.diarize, batch.people, batch.check, batch.second_pass, batch.models)
    for group in groups:
        changed = options_shown(group.changed()) if group else {}
        parts += [f"{name} {value}" for name, value in changed.items() if name != "model"]
    return ", ".join([*parts, f"output_format {batch.write.output_format}"])
