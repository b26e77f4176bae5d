"""The command `whisperx-batch-compare`: how the transcripts of two runs differ."""

import argparse
import json
import sys
import warnings
from functools import partial
from typing import NoReturn

from flows.cli.arguments import Parser
from flows.cli.exit_status import exit_with
from flows.cli.parsing import language

PROGRAM = "whisperx-batch-compare"


def main() -> NoReturn:
    """Run the command line. Exit status: 0 within the limit, 1 beyond it, or files are missing, 2 a wrong command."""
    warnings.filterwarnings("ignore")
    exit_with(PROGRAM, partial(_compare, _parse(sys.argv[1:])))


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog=PROGRAM,
        description="Show how the transcripts of two output folders of the same recordings differ: the share of words, "
        "with examples; speakers; verdicts and coverage where the format quality was written; speed where the runs' "
        "reports are in the folders as report.json. Case, punctuation and spelling variants make no difference.",
    )
    parser.add_argument("old", metavar="OLD", help="an output folder")
    parser.add_argument("new", metavar="NEW", help="the output folder that is compared with it")
    parser.add_argument(
        "--language", type=language, help="code of the language of transcripts that do not name it, as json does"
    )
    parser.add_argument(
        "--max_difference",
        type=float,
        metavar="SHARE",
        help="exit with 1 if a larger share of all words differs, such as 0.02 (default: no limit)",
    )
    parser.add_argument("--json", metavar="FILE", help="write all of it to this file")
    return parser.parse(arguments)


def _compare(options: argparse.Namespace) -> int:
    from flows.evaluation.comparison import compare
    from flows.evaluation.plural import counted
    from flows.evaluation.terminal import show_comparison, standard_output
    from tasks.errors import InvalidInput, one_line
    from tasks.storage import io, urls

    comparison = compare(options.old, options.new, options.language)
    if options.json:
        io.write_all({urls.absolute(options.json): json.dumps(comparison.as_dict(), indent=2).encode()})
    for problem in comparison.problems:
        sys.stderr.write(f"{PROGRAM}: {one_line(problem)}\n")
    if not comparison.changes:
        raise InvalidInput(f"{options.old} and {options.new} have no transcript in common")
    show_comparison(comparison, standard_output())
    if comparison.added:
        sys.stderr.write(f"{counted(len(comparison.added), 'file')} only in {options.new}\n")
    limit = options.max_difference
    if limit is not None and comparison.words.value > limit:
        sys.stderr.write(f"{PROGRAM}: {comparison.words.value:.2%} of the words differ, more than {limit:.2%}\n")
        return 1
    return 1 if comparison.problems else 0
