"""Compare whisperx-batch with its peers: `python benchmarks/bench.py [CASE…] [--rounds N]`, and see `--help`.

Each round runs all programs of a case in turn, on the same files and models. A thread setting with which a peer was a
tenth slower than with another is left out of the later rounds. Prints Markdown; figures, outputs and logs are in bench.
"""

import argparse
import json
import os
import sys
from dataclasses import asdict, replace
from pathlib import Path

from cases.comparisons import CASES
from harness.processes import adopt_orphans
from harness.programs import prepare
from harness.runs import Run, runs_of
from harness.tables import report

BENCH = Path("bench").absolute()


def main() -> None:
    """Run the cases that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; default: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="fewer or shorter files, to try the benchmark itself")
    parser.add_argument(
        "--without",
        metavar="PROGRAM",
        choices=sorted({program.name for case in CASES.values() for program in case.programs}),
        action="append",
        default=[],
        help="such as 'whisperx --threads 1', known as slow",
    )
    given = parser.parse_args()
    adopt_orphans()
    prepare(BENCH)
    for name in given.cases or CASES:
        runs: list[Run] = []
        kept = [program for program in CASES[name].programs if program.name not in given.without]
        case = replace(CASES[name], programs=kept)
        for run in runs_of(case, BENCH / name, BENCH / "audio", given.rounds, given.scale):
            runs.append(run)
            took = f"{run.measured.seconds:.1f} s, {run.measured.cpu_s:.0f} core-s"
            print(f"{name} {run.corpus} {run.program}: {took}", file=sys.stderr, flush=True)
            (BENCH / f"{name}.json").write_text(json.dumps([asdict(each) for each in runs], indent=1))
        head = f"### {name}: {case.about}; {os.cpu_count()} cores, rounds: {given.rounds}"
        print("\n".join([head, "", *report(runs)]), flush=True)


if __name__ == "__main__":
    main()
