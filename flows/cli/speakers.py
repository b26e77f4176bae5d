"""The command `whisperx-batch-speakers`: finds the people who speak in the files of an output folder, for names."""

import argparse
import os
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from flows.cli.arguments import Parser
from flows.cli.exit_status import exit_with

if TYPE_CHECKING:
    from tasks.people.limits import Limits

PROGRAM = "whisperx-batch-speakers"
FOLDER = "speakers"
"""In the output folder, unless another one is named."""


def main() -> NoReturn:
    """Run the command line. Exit status: 0 all is written, 2 the command is wrong, or the folder is in use."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    warnings.filterwarnings("ignore")
    exit_with(PROGRAM, partial(_run, _parse(sys.argv[1:])))


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog=PROGRAM,
        description="Group the speakers of all files of an output folder by their voices, which were stored when the "
        "files were diarized, and write speakers.csv and speakers.html, in which to give them names. Then run "
        "whisperx-batch as before with --speakers FOLDER: it writes the transcripts with names, and loads no model. "
        "Voices are biometric data: FOLDER has them all, and may be deleted.",
    )
    parser.add_argument("output_dir", help="an output folder, or URL, of whisperx-batch")
    parser.add_argument("--speakers", metavar="FOLDER", help="local folder for the people (default: OUTPUT/speakers)")
    parser.add_argument(
        "--results_dir", metavar="FOLDER", help="where the stages' results are (default: in the output folder)"
    )
    parser.add_argument(
        "--speaker_limits",
        type=_limits,
        metavar="NAMED,SUGGESTED",
        help="cosines of two voices from which they are of one person, and from which that is suggested "
        "(default: those measured for the embedding model)",
    )
    parser.add_argument("--forget", metavar="PERSON", help="remove a person, by id or name, from here and all results")
    return parser.parse(arguments)


def _limits(text: str) -> "Limits":
    from tasks.people.limits import parse_limits

    try:
        return parse_limits(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _run(options: argparse.Namespace) -> None:
    from flows.people.collecting import collect
    from flows.people.registry import one_at_a_time
    from flows.state.folder import OutputFolder
    from flows.state.private import make_private
    from flows.state.run_lock import exclusive_run
    from tasks.errors import InvalidInput
    from tasks.storage.urls import absolute, is_url, join, shown

    folder = OutputFolder(absolute(options.output_dir), options.results_dir)
    if not folder.state_dir.is_dir():
        raise InvalidInput(f"{options.output_dir}: whisperx-batch has written nothing there")
    people = absolute(options.speakers or join(folder.location, FOLDER))
    if is_url(people):
        raise InvalidInput(f"{shown(people)}: name a local folder for the people with --speakers")
    make_private(Path(people), "--speakers")  # the lock is in it
    with exclusive_run(folder.state_dir), one_at_a_time(people):
        sys.stdout.write(collect(folder, people, options.speaker_limits, options.forget))
