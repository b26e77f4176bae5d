"""The command `whisperx-batch`."""

import argparse
import os
import platform
import sys
import warnings
from contextlib import ExitStack
from importlib.metadata import version
from typing import TYPE_CHECKING, NoReturn

from flows.cli.parsing import read_options, usage_errors
from flows.host.private_folder import NoPrivateFolder, empty_folder
from flows.host.programs import typed
from flows.host.ray_loopback import keep_to_loopback
from flows.host.signals import exit_on_signals
from flows.host.surroundings import prepare_surroundings
from tasks.models.cache import go_offline

if TYPE_CHECKING:
    from rich.console import Console

    from flows.cli.options import Command
    from flows.config.parameters import Batch
    from flows.planning.manifest import Entry
    from flows.planning.plan import Plan

FAILED_BEFORE = 3
"""The exit status where no other files failed than those that failed in an earlier run and did not change."""
INTERRUPTED = 130
"""The exit status of a program that Ctrl-C ended."""


def main() -> NoReturn:
    """Run the command line. Exit status: 0 all files done, 1 some failed, 3 only before; 2 the command is wrong."""
    # Prefect, and Python, would end at once, and leave the server and Ray behind.
    exit_on_signals()
    warnings.filterwarnings("ignore")  # torchcodec's absence, deprecations: pages of text before the first line of ours
    try:
        notice = prepare_surroundings()
    except NoPrivateFolder as error:
        sys.stderr.write(f"whisperx-batch: {error}\n")
        sys.exit(2)
    command, inputs = _parse(sys.argv[1:])
    _set_up(command)
    if notice:
        sys.stderr.write(f"{notice}\n")
    sys.exit(_run(command, inputs))


def _parse(arguments: list[str]) -> "tuple[Command, list[str]]":
    parser = argparse.ArgumentParser(
        prog="whisperx-batch",
        usage="whisperx-batch [INPUT ...] [options]",
        description="Transcribe, align and diarize audio and video files with WhisperX. Each option can also be set as "
        "WHISPERX_BATCH_<OPTION> in the environment, or in a settings file: the one that WHISPERX_BATCH_SETTINGS_FILE "
        "names, else whisperx-batch.toml in the user's configuration folder; one in the current folder may set what "
        "cannot do harm.",
    )
    # Not a field of the settings: those would split a file name at its commas.
    parser.add_argument("inputs", metavar="INPUT", nargs="*", help="audio or video files, folders, globs")
    parser.add_argument("--version", "-V", action="version", version=f"%(prog)s {version('whisperx-batch')}")
    parser.add_argument("--python-version", "-P", action="version", version=f"Python {platform.python_version()}")

    from flows.cli.options import Command

    return read_options(parser, Command, arguments)


def _set_up(command: "Command") -> None:
    """Apply what holds for the process and not for the batch, and say which settings files were read."""
    from flows.cli.settings_file import settings_files

    for path in settings_files():
        sys.stderr.write(f"Settings: {path.absolute()}\n")
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

    from flows.config.inputs import lists_removed
    from flows.planning.discovery import check_any_there
    from flows.state.run_lock import claimed
    from tasks.bad_input import BadInput
    from tasks.storage.filesystems import BadPlace

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
            plan = _plan_of_what_remains(batch, entries)
            if not (plan.needs_all_stages() or plan.stages()):
                return _tell_that_nothing_remains(batch, plan, console)
            with lists_removed(batch.own_folder()):
                absolute = batch.as_parameters()
                # What runs from here on imports modules, and reads settings, from the current folder.
                os.chdir(empty_folder())
                return _run_flow(absolute, plan)
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

    from flows.planning.plan import Plan
    from flows.preflight.models import check_models
    from flows.reporting.console import show_estimate, show_plan
    from flows.state.throughput import expected

    plan = Plan(batch, entries, batch.ledger())
    plan.recall()
    plan.probe()
    check_models(batch, plan.stages(), plan.languages())
    console = Console()
    show_plan(plan.files, console, every_file=True)
    show_estimate(expected(batch.own_folder(), plan.resume.options, plan.audio_left()), console)
    return int(all(file.status == "failed" for file in plan.files))


def _plan_of_what_remains(batch: "Batch", entries: "list[Entry]") -> "Plan":
    """Look, before Prefect and Ray start, what there is to do. Raises BadInput if a model for it cannot be had."""
    from flows.planning.plan import Plan
    from flows.preflight.models import check_models

    plan = Plan(batch, entries, batch.ledger())
    plan.recall()
    if not plan.needs_all_stages():
        plan.probe()
    check_models(batch, plan.stages(), plan.languages())
    return plan


def _tell_that_nothing_remains(batch: "Batch", plan: "Plan", console: "Console") -> int:
    """Report, and keep what was learnt of the files. Returns the exit status."""
    from flows.reporting.console import show_summary

    plan.note_durations()
    plan.ledger.begin({})
    plan.ledger.share()
    show_summary(plan.report, console)
    if batch.run.report:
        plan.report.write(batch.run.report)
    return _status(plan.report.new_failures, plan.report.known_failures)


def _status(new_failures: int, known_failures: int) -> int:
    if new_failures:
        return 1
    return FAILED_BEFORE if known_failures else 0


def _run_flow(batch: "Batch", plan: "Plan") -> int:
    from flows.batch import whisperx_batch
    from flows.pools.ahead import pools_ahead
    from flows.preflight.services import check_prefect, check_ray
    from flows.reporting import run
    from flows.reporting.ending import Ending, in_words, why_ended
    from flows.services.prefect_server import LocalServer, has_server, settle, where_to_look
    from flows.services.ray_cluster import ray_session
    from tasks.storage.scratch import remove_abandoned

    check_ray(batch.run.ray_address)
    check_prefect()
    embedded, begun = not has_server(), False
    try:
        with ExitStack() as running:
            # The server starts while Ray does; each takes longer than ten seconds.
            server = running.enter_context(LocalServer()) if embedded else None
            with ray_session(batch.run.ray_address, dashboard=batch.run.ray_dashboard) as session:
                if session.dashboard_url:
                    token = typed("ray get-auth-token")
                    sys.stderr.write(f"Ray's dashboard: {session.dashboard_url} (its token: {token})\n")
                if session.notice:
                    sys.stderr.write(f"{session.notice}\n")
                with pools_ahead(batch, session, plan):
                    if server:
                        running.enter_context(server.used(nodes=len(session.nodes)))
                    begun = True
                    state = whisperx_batch(**dict(batch), return_state=True)
            if server:
                settle(state, timeout=2 if state.is_cancelled() else 10)
    except (KeyboardInterrupt, Exception) as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        ending = Ending("interrupted" if interrupted else in_words(error), interrupted=interrupted)
        if not begun:
            run.tell_unbegun(plan.report, ending, batch.run.report)
        sys.stderr.write(f"whisperx-batch: {ending.advice}\n")
        return INTERRUPTED if interrupted else 1
    finally:
        remove_abandoned()  # once more: by now the actors that the flow has killed are gone
    sys.stderr.write(where_to_look(state, embedded=embedded))
    if reason := why_ended(state):
        sys.stderr.write(f"whisperx-batch: {reason}\n")
    if state.is_cancelled():
        return INTERRUPTED
    return _status(not state.is_completed(), state.name == run.FAILED_BEFORE)
