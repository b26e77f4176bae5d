"""The command `whisperx-batch`."""

import argparse
import os
import platform
import signal
import sys
import warnings
from contextlib import ExitStack
from importlib.metadata import version
from typing import TYPE_CHECKING, NoReturn

from flows.arguments import read_options, usage_errors
from flows.ray_loopback import keep_to_loopback
from tasks.models import go_offline

if TYPE_CHECKING:
    from rich.console import Console

    from flows.command import Command
    from flows.manifest import Entry
    from flows.plan import Plan
    from flows.settings import Batch

BROKEN = "Flow run encountered an exception: "
"""How Prefect begins the message of a run that failed as a whole, not in some of its files."""
INTERRUPTED = 130
"""The exit status of a program that Ctrl-C ended."""


def main() -> NoReturn:
    """Run the command line. Exit status: 0 all files done, 1 some failed, 2 the command is wrong."""
    # Before Prefect is imported, which sets up logging. Its server gets the run's log all the same.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    # The server may be away for eight minutes (2 + 4 + … + 256 s); at Prefect's 5 it may for one.
    os.environ.setdefault("PREFECT_CLIENT_MAX_RETRIES", "8")
    # Where Prefect does not find the run's server it would quietly start another one, which outlives a killed run.
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")  # Prefect reports its first import before --offline is read
    # Prefect, and Python, would end at once, and leave the server and Ray behind.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _exit_in_order)
    warnings.filterwarnings("ignore")  # torchcodec's absence, deprecations: pages of text before the first line of ours
    command, inputs = _parse(sys.argv[1:])
    _set_up(command)
    sys.exit(_run(command, inputs))


def _exit_in_order(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)


def _parse(arguments: list[str]) -> "tuple[Command, list[str]]":
    parser = argparse.ArgumentParser(
        prog="whisperx-batch",
        usage="whisperx-batch [INPUT ...] [options]",
        description="Transcribe, align and diarize audio and video files with WhisperX. Each option can also be set as "
        "WHISPERX_BATCH_<OPTION> in the environment, or in whisperx-batch.toml.",
    )
    # Not a field of the settings: those would split a file name at its commas.
    parser.add_argument("inputs", metavar="INPUT", nargs="*", help="audio or video files, folders, globs")
    parser.add_argument("--version", "-V", action="version", version=f"%(prog)s {version('whisperx-batch')}")
    parser.add_argument("--python-version", "-P", action="version", version=f"Python {platform.python_version()}")

    from flows.command import Command

    return read_options(parser, Command, arguments)


def _set_up(command: "Command") -> None:
    """Apply what holds for the process and not for the batch."""
    keep_to_loopback(command.ray_address or os.environ.get("RAY_ADDRESS"))
    if command.log_level:
        level = command.log_level.upper()
        os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = level
        os.environ["PREFECT_LOGGING_LEVEL"] = level
        from prefect.logging.configuration import setup_logging

        setup_logging(incremental=False)
    if command.offline:
        go_offline()
    if command.hf_token:
        os.environ["HF_TOKEN"] = command.hf_token.get_secret_value()


def _run(command: "Command", inputs: list[str]) -> int:
    from pydantic import ValidationError
    from rich.console import Console

    from flows.bad_input import BadInput
    from flows.claim import claimed
    from flows.input_options import lists_removed
    from flows.inputs import check_any_there
    from tasks.stores import BadPlace

    console = Console(file=sys.stderr)
    try:
        batch = command.batch(inputs)
        entries = batch.check()
        if not command.only:
            check_any_there(entries)
        for notice in batch.notices():
            console.print(notice, highlight=False)
        if command.dry_run:
            return _show_plan(batch, entries)
        with claimed(batch.own_folder()):
            plan = _plan_of_what_remains(batch, entries, console)
            with lists_removed(batch.own_folder()):
                return _run_flow(batch.as_parameters(), plan) if plan else 0
    except ValidationError as error:
        sys.stderr.write(usage_errors(error, "whisperx-batch"))
        return 2
    except (BadInput, BadPlace, OSError) as error:
        sys.stderr.write(f"whisperx-batch: {error}\n")
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED


def _show_plan(batch: "Batch", entries: "list[Entry]") -> int:
    """Show what would be done with each file. Returns 1 if every file is refused, else 0."""
    from rich.console import Console

    from flows.check_models import check_models
    from flows.plan import Plan
    from flows.progress import show_estimate, show_plan
    from flows.speed import expected

    plan = Plan(batch, entries, batch.ledger())
    plan.recall()
    plan.probe()
    check_models(batch, plan.stages(), plan.languages())
    console = Console()
    show_plan(plan.files, console, every_file=True)
    show_estimate(expected(batch.own_folder(), plan.resume.options, plan.audio_left()), console)
    return int(all(file.status == "failed" for file in plan.files))


def _plan_of_what_remains(batch: "Batch", entries: "list[Entry]", console: "Console") -> "Plan | None":
    """Look, before Prefect and Ray start, whether there is anything to do; if not, say so, report and return None.

    Raises BadInput if it cannot be done for want of a model.
    """
    from flows.check_models import check_models
    from flows.plan import Plan
    from flows.progress import show_summary

    plan = Plan(batch, entries, batch.ledger())
    plan.recall()
    if not plan.needs_all_stages():
        plan.probe()
        if not plan.stages() and not plan.report.statuses["failed"]:
            show_summary(plan.report, console)
            if batch.run.report:
                plan.report.write(batch.run.report)
            return None
    check_models(batch, plan.stages(), plan.languages())
    return plan


def _run_flow(batch: "Batch", plan: "Plan") -> int:
    from flows.batch import whisperx_batch
    from flows.ray_session import ray_session
    from flows.server import LocalServer, has_server, settle, where_to_look
    from flows.start_pools import pools_ahead
    from tasks.scratch import remove_abandoned

    embedded = not has_server()
    try:
        with ExitStack() as running:
            # The server starts while Ray does; each takes longer than ten seconds.
            server = running.enter_context(LocalServer()) if embedded else None
            with ray_session(batch.run.ray_address, dashboard=batch.run.ray_dashboard) as session:
                if session.dashboard_url:
                    sys.stderr.write(f"Ray's dashboard: {session.dashboard_url} (its token: ray get-auth-token)\n")
                with pools_ahead(batch, session, plan):
                    if server:
                        running.enter_context(server.used(nodes=len(session.nodes)))
                    state = whisperx_batch(**dict(batch), return_state=True)
            if server:
                settle(state, timeout=2 if state.is_cancelled() else 10)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        sys.stderr.write(f"whisperx-batch: {error}\n")
        return 1
    finally:
        remove_abandoned()  # once more: by now the actors that the flow has killed are gone
    if (message := state.message or "").startswith(BROKEN):
        sys.stderr.write(f"whisperx-batch: {message.removeprefix(BROKEN)}\n")
    sys.stderr.write(where_to_look(state, embedded=embedded))
    if state.is_cancelled():
        return INTERRUPTED
    return 0 if state.is_completed() else 1
