"""The command `whisperx-batch-evaluate`: error rates of transcripts against references."""

import argparse
import json
import sys
import warnings
from functools import partial
from typing import NoReturn

from flows.cli.arguments import Parser
from flows.cli.exit_status import exit_with
from flows.cli.parsing import language, seconds

PROGRAM = "whisperx-batch-evaluate"


def main() -> NoReturn:
    """Run the command line. Exit status: 0 all references are scored, 1 some are not, 2 the command is wrong."""
    warnings.filterwarnings("ignore")
    exit_with(PROGRAM, partial(_evaluate, _parse(sys.argv[1:])))


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog=PROGRAM,
        description="Compute error rates of transcripts against references: of words (WER) and characters (CER); where "
        "both have speakers also cpWER, tcpWER and the diarization error rate (DER). Both are read from txt, srt, vtt, "
        "json (WhisperX's or SegLST), stm, ctm and rttm, and belong together by their paths below their folders, their "
        "names, or the ids in them.",
    )
    parser.add_argument("hypotheses", metavar="HYPOTHESES", help="the transcripts: an output folder, or a file")
    parser.add_argument("references", metavar="REFERENCES", help="what is right: a folder, or a file")
    parser.add_argument(
        "--language", type=language, help="code of the language of transcripts that do not name it, as json does"
    )
    parser.add_argument(
        "--collar",
        type=seconds,
        default=5.0,
        metavar="SECONDS",
        help="of tcpWER: how far times may be off (default: 5)",
    )
    parser.add_argument(
        "--der_collar",
        type=seconds,
        default=0.0,
        metavar="SECONDS",
        help="of DER: not scored before and after each boundary of a reference turn (default: 0)",
    )
    parser.add_argument("--json", metavar="FILE", help="write all figures to this file")
    parser.add_argument("--html", metavar="FILE", help="write a page with the tables, and the worst files word by word")
    return parser.parse(arguments)


def _evaluate(options: argparse.Namespace) -> int:
    from flows.evaluation.evaluation import Evaluation
    from flows.evaluation.page import page
    from flows.evaluation.plural import counted
    from flows.evaluation.scoring import Collars, score
    from flows.evaluation.terminal import show, standard_output
    from flows.evaluation.transcripts.pairing import Pairs
    from tasks.errors import InvalidInput, one_line
    from tasks.storage import io, urls

    pairs = Pairs(options.hypotheses, options.references)
    evaluation = Evaluation(Collars(options.collar, options.der_collar), pairs.problems)
    for pair in pairs:
        evaluation.add(*score(pair, options.language, evaluation.collars))
    if evaluation.scores:
        show(evaluation, standard_output())
    written = {}
    if options.json:
        written[urls.absolute(options.json)] = json.dumps(evaluation.as_dict(), indent=2).encode()
    if options.html:
        written[urls.absolute(options.html)] = page(evaluation)
    io.write_all(written)
    for problem in evaluation.problems:
        sys.stderr.write(f"{PROGRAM}: {one_line(problem)}\n")
    if pairs.without_reference:
        sys.stderr.write(f"{counted(pairs.without_reference, 'transcript')} without a reference\n")
    if not evaluation.scores:
        raise InvalidInput("nothing could be scored")
    return 1 if evaluation.problems else 0
