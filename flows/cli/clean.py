"""The command `whisperx-batch-clean`: removes what an output folder keeps and no later run needs."""

import argparse
import os
import sys
import warnings
from functools import partial
from typing import NoReturn

from flows.cli.arguments import Parser
from flows.cli.exit_status import exit_with

PROGRAM = "whisperx-batch-clean"
DAYS = 30.0


def main() -> NoReturn:
    """Run the command line. Exit status: 0 all is removed, 2 the command is wrong, or the folder is in use."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    warnings.filterwarnings("ignore")
    options = _parse(sys.argv[1:])
    clean = partial(_clean, options.output_dir, options.results_dir, options.older_than, dry_run=options.dry_run)
    exit_with(PROGRAM, clean)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog=PROGRAM,
        description="Remove what whisperx-batch keeps of an output folder and no later run needs: stages' results of "
        "recordings that are gone, or that were made with other options than the newest; what it remembers of files of "
        "which neither the recording nor a transcript is there any more. Transcripts are never touched.",
    )
    parser.add_argument("output_dir", help="an output folder, or URL, of whisperx-batch")
    parser.add_argument(
        "--results_dir", metavar="FOLDER", help="where its stages' results are (default: in the output folder)"
    )
    parser.add_argument(
        "--older_than", type=float, default=DAYS, metavar="DAYS", help="keep results that are younger (default: 30)"
    )
    parser.add_argument("--dry_run", action="store_true", help="say what would be removed, and remove nothing")
    return parser.parse(arguments)


def _clean(output_dir: str, results_dir: str | None, days: float, *, dry_run: bool) -> None:
    from contextlib import nullcontext

    from flows.state.cleanup import remove_results, stored_results, unneeded_results, unneeded_rows
    from flows.state.folder import OutputFolder
    from flows.state.run_lock import exclusive_run
    from tasks.errors import InvalidInput
    from tasks.storage.urls import absolute

    folder = OutputFolder(absolute(output_dir), results_dir)
    if not folder.state_dir.is_dir():
        raise InvalidInput(f"{output_dir}: whisperx-batch has written nothing there")
    with nullcontext() if dry_run else exclusive_run(folder.state_dir):
        ledger = folder.ledger()
        results = list(stored_results(folder.results))
        unneeded = unneeded_results(results, ledger, days)
        rows = unneeded_rows(ledger, folder.location)
        megabytes = sum(result.size for result in unneeded) / 1e6
        done = "would be removed" if dry_run else "removed"
        sys.stdout.write(f"results {done}: {len(unneeded)} of {len(results)}, {megabytes:,.1f} MB\n")
        sys.stdout.write(f"files forgotten: {len(rows)} of {len(ledger.rows)}\n")
        if dry_run:
            return
        remove_results(unneeded)
        ledger.forget(rows)
        ledger.begin({})
        ledger.share()
    if len(unneeded) == len(results):
        _remove_block(folder.results)


def _remove_block(folder: str) -> None:
    """Remove the Prefect block of a results location that is now empty."""
    from flows.services.prefect_server import has_server
    from tasks.storage.urls import is_url

    if not is_url(folder) or not has_server():
        return
    from prefect.filesystems import RemoteFileSystem

    from tasks.storage.results import block_name

    try:
        RemoteFileSystem.delete(f"remote-file-system/{block_name(folder)}")
    except ValueError:  # there is none
        return
    sys.stdout.write(f"block removed: {block_name(folder)}\n")
