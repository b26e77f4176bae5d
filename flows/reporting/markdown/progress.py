"""How far a run is, as Markdown: the description of its progress artifact."""

from collections.abc import Mapping

from flows.reporting.console import counted, duration
from flows.reporting.markdown.tables import cell
from flows.reporting.work import Work

NAMED = 10
"""At most so many of the files in work are named."""


def progress_text(headline: str, work: Work, running: Mapping[str, int]) -> str:
    """Return the headline, each stage with its files, and the files that have been in work longest."""
    stages = [
        f"- {stage}: {each.finished} of {counted(each.files)}"
        + (f", {running[stage]} running" if running.get(stage) else "")
        for stage, each in work.stages.items()
        if each.files
    ]
    files = [
        f"- {cell(file.source.name)}: {', '.join(stages)}, for {duration(seconds)}"
        for file, stages, seconds in work.in_work()[:NAMED]
    ]
    return "\n".join([headline, "", *stages, *(["", "In work:", "", *files] if files else [])])
