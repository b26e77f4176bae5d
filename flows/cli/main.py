"""The command `whisperx-batch`."""

import argparse
import os
import platform
import sys
import time
import warnings
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, NoReturn

from flows.cli.arguments import SHELLS, Parser, PrintCompletion
from flows.cli.exit_status import INTERRUPTED, exit_status
from flows.cli.parsing import read_options, usage_errors
from flows.host.collector import collector_paused
from flows.host.private_folder import NoPrivateFolder, empty_folder
from flows.host.ray_loopback import keep_to_loopback, ray_to_join
from flows.host.ray_token import ask_for_token
from flows.host.signals import exit_on_signals
from flows.host.surroundings import prepare_surroundings
from flows.host.terminal import console, say, waiting
from tasks.models.options import go_offline

if TYPE_CHECKING:
    from flows.cli.options import Command
    from flows.config.inputs import Entry
    from flows.config.parameters import Batch

DESCRIPTION = """\
Transcribe, align and diarize audio and video files with WhisperX.

Each option can also be set as WHISPERX_BATCH_<OPTION> in the environment, or in
a settings file: the one that WHISPERX_BATCH_SETTINGS_FILE names, else
whisperx-batch.toml in the user's configuration folder; one in the current
folder may only set how files are transcribed. Options may be written with
dashes."""
EXAMPLES = """\
examples:
  whisperx-batch recordings/ -o transcripts --model large-v3 --diarize
  whisperx-batch 'talks/**/*.mp4' -o out -f srt,docx --language de --dry_run
  whisperx-batch --manifest files.csv -o out --stop_after 06:30"""


def main() -> NoReturn:
    """Run the command line. Exit status: 0 all files done, 1 some failed, 3 only before; 2 the command is wrong."""
    # Prefect, and Python, would end at once, and leave the server and Ray behind.
    exit_on_signals()
    warnings.filterwarnings("ignore")  # torchcodec's absence, deprecations: pages of text before the first line of ours
    try:
        with waiting("starting"), collector_paused():
            notice = prepare_surroundings()
            import flows.cli.options  # noqa: F401, takes a second: what follows then refuses a wrong command at once
    except NoPrivateFolder as error:
        sys.stderr.write(f"whisperx-batch: {error}\n")
        sys.exit(2)
    command, inputs = _parse(sys.argv[1:])
    _set_up(command)
    if notice:
        sys.stderr.write(f"{notice}\n")
    sys.exit(_run(command, inputs))


def _parse(arguments: list[str]) -> "tuple[Command, list[str]]":
    parser = Parser(
        prog="whisperx-batch",
        usage="whisperx-batch [INPUT ...] [options]",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("inputs", metavar="INPUT", nargs="*", help="audio or video files, folders, globs")
    parser.add_argument("--version", "-V", action="version", version=f"%(prog)s {version('whisperx-batch')}")
    parser.add_argument(
        *("--python_version", "-P"),
        action="version",
        version=f"Python {platform.python_version()}",
        help="show Python's version number and exit",
    )
    parser.add_argument(
        "--print_completion",
        action=PrintCompletion,
        choices=SHELLS,
        default=argparse.SUPPRESS,
        help="print a script that completes options in this shell, and exit",
    )

    from flows.cli.options import Command

    command, inputs = read_options(parser, Command, arguments)
    for value in {"True", "False"}.intersection(inputs):
        if not os.path.lexists(value):
            parser.error(f"{value}: the option before it takes no value; without it the option is off")
    return command, inputs


def _set_up(command: "Command") -> None:
    """Apply what holds for the process and not for the batch, and say which settings files were read."""
    from flows.cli.settings_file import settings_files

    for path in settings_files():
        sys.stderr.write(f"Settings: {path.absolute()}\n")
    cluster = ray_to_join(command.ray_address)
    keep_to_loopback(cluster)
    if not cluster:
        ask_for_token()
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
    """Plan, and run what remains to be done. Returns the exit status."""
    from pydantic import ValidationError

    from tasks.errors import InvalidInput
    from tasks.storage.filesystems import UnsupportedLocation

    try:
        return _run_batch(command, inputs)
    except ValidationError as error:
        sys.stderr.write(usage_errors(error, "whisperx-batch"))
        return 2
    except (InvalidInput, UnsupportedLocation, OSError) as error:
        sys.stderr.write(f"whisperx-batch: {error}\n")
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED


def _stop_notice(stop_after: str | None) -> list[str]:
    """Return at which time the run will stop admitting files, for users to see that they were understood."""
    from flows.config.deadline import stop_time

    if stop_after is None:
        return []
    then = datetime.fromtimestamp(stop_time(stop_after, time.time())).astimezone()
    return [f"--stop_after {stop_after}: no file is started after {then:%A, %d %B, %H:%M %Z}"]


def _run_batch(command: "Command", inputs: list[str]) -> int:
    from flows.cli.remaining import LOOKING, show
    from flows.planning.discovery import NothingFailed, check_any_there
    from flows.planning.selection import checked_entries
    from flows.preflight.check import notices
    from flows.reporting.report import write_report
    from flows.reporting.tracker import Tracker

    if command.stop_warm:
        from flows.cli.flow_run import stop_warm

        return stop_warm(command.ray_address)
    batch = command.batch(inputs)
    with waiting(LOOKING, quiet=not batch.run.verbose):
        entries = checked_entries(batch, say)
        if not command.only:
            check_any_there(entries)
    until = _stop_notice(batch.run.stop_after) if batch.run.verbose else []
    for notice in [*command.notices(), *notices(batch), *until]:
        say(notice)
    try:
        return show(batch, entries) if command.dry_run else _run_entries(batch, entries)
    except NothingFailed as reason:
        say(str(reason))
        if batch.run.report and not command.dry_run:
            write_report(Tracker([], batch=batch), batch.run.report)
        return 0


def _run_entries(batch: "Batch", entries: "list[Entry]") -> int:
    from flows.cli.remaining import plan_remaining, report_nothing_remains, write_again
    from flows.people.samples import enrol
    from flows.planning.flow_parameters import as_parameters, lists_removed
    from flows.planning.plan import Plan
    from flows.preflight.models import check_models
    from flows.reporting.tracker import Tracker
    from flows.state.folder import OutputFolder
    from flows.state.run_lock import exclusive_run

    folder = OutputFolder.of(batch)
    with exclusive_run(folder.state_dir), lists_removed(folder.state_dir):
        # The flow goes on with this plan, in another folder: no path in it may be relative.
        parameters = as_parameters(batch)
        with waiting("looking at the samples of voices", quiet=not batch.run.verbose):
            enrol(parameters, check_models)
        plan = Plan(parameters, entries, folder.ledger())
        tracker = Tracker.of(plan)
        plan_remaining(batch, plan, tracker)
        if not (plan.needs_all_stages() or plan.stages()):
            report_nothing_remains(batch, plan, tracker, console())
            return exit_status(tracker.new_failures, tracker.known_failures)
        if plan.stages() == {"write"} and not plan.needs_all_stages():
            return write_again(parameters, plan, tracker)
        # What runs from here on imports modules, and reads settings, from the current folder.
        os.chdir(empty_folder())
        with waiting("loading Ray and Prefect", quiet=not batch.run.verbose), collector_paused():
            from flows.cli.flow_run import run_flow

        return run_flow(parameters, plan, tracker)
