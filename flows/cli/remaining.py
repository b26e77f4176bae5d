"""The plan of a command: what remains to be done, found before Prefect and Ray start."""

from math import inf

from rich.console import Console

from flows.config.inputs import Entry
from flows.config.parameters import Batch
from flows.host.terminal import waiting
from flows.planning.plan import Plan
from flows.preflight.models import check_models
from flows.reporting.console import show_estimate, show_plan, show_summary
from flows.reporting.index.page import publish_index
from flows.reporting.report import write_report
from flows.reporting.tracker import Tracker
from flows.state.folder import OutputFolder
from flows.state.throughput import expected

LOOKING = "looking at the files"
OPENING_S = 0.5
"""The rest is opened while models load."""


def show(batch: Batch, entries: list[Entry]) -> int:
    """Show what would be done with each file. Returns 1 if every file is refused, else 0.

    Raises InvalidInput, afterwards, if a model of the stages that are left cannot be loaded or fetched.
    """
    folder = OutputFolder.of(batch)
    with waiting(LOOKING):
        plan = Plan(batch, entries, folder.ledger())
        tracker = Tracker.of(plan)
        plan.recall(tracker)
        plan.probe(tracker)
    console = Console()
    show_plan(plan.files, console, every_file=True)
    show_estimate(expected(folder.state_dir, plan.resume.options, plan.audio_left()), console)
    check_models(batch, plan.stages(), plan.languages())
    return int(all(file.status == "failed" for file in plan.files))


def plan_remaining(batch: Batch, plan: Plan, tracker: Tracker) -> None:
    """Let the plan find out which stages are needed.

    New files are all opened only if that decides it, else for a moment: perhaps none of them can be read. Raises
    InvalidInput if a model of these stages cannot be loaded or fetched.
    """
    with waiting(LOOKING, quiet=not batch.run.verbose):
        plan.recall(tracker)
        plan.probe(tracker, seconds=OPENING_S if plan.needs_all_stages() else inf)
        check_models(batch, plan.stages(), plan.languages())


def report_nothing_remains(batch: Batch, plan: Plan, tracker: Tracker, console: Console) -> None:
    """Report, and keep what was learnt of the files."""
    plan.ledger.begin({})
    plan.ledger.share()
    show_summary(tracker, console)
    publish_index(batch, plan.ledger, tracker, console)
    if batch.run.report:
        write_report(tracker, batch.run.report)
