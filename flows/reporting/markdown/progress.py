"""How far a run is, as Markdown: the description of its progress artifact."""

from collections.abc import Mapping

from flows.reporting.console import duration
from flows.reporting.markdown.tables import shortened, table
from flows.reporting.work import Work

NAMED = 10
"""At most so many of the files in work are named."""


def progress_text(headline: str, work: Work, running: Mapping[str, int]) -> str:
    """Return the headline, each stage with its files, and the files that have been in work longest."""
    stages = [
        (stage, f"{each.finished} of {each.files}", running.get(stage) or "")
        for stage, each in work.stages.items()
        if each.files
    ]
    files = [
        (shortened(file.source.name), ", ".join(stages_of), duration(seconds))
        for file, stages_of, seconds in work.in_work()[:NAMED]
    ]
    in_work = table(("in work", "stage", "for"), files) if files else []
    return "\n".join([headline, *table(("stage", "files", "running"), stages), *in_work])
