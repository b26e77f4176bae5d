"""The runs of a case: in each round all its programs in turn, on the same files."""

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cases.comparisons import Case, Corpus
from cases.corpora import made
from harness.measured import Measured
from harness.phases import of_ours, of_whisperx
from harness.programs import COMPUTE, OURS, WHISPERX, Program

MANY = 10
"""Of so many files or more a smaller corpus has fewer; of less, shorter ones."""


@dataclass(frozen=True)
class Run:
    """One program on one corpus, once. Of the compute alone, the times are without imports and loading models."""

    round: int
    corpus: str
    kind: str
    program: str
    files: int
    audio_s: float
    same: int
    """Outputs that equal those of the first program of the round, byte for byte."""
    phases: dict[str, float]
    measured: Measured


def runs_of(case: Case, folder: Path, audio: Path, rounds: int, scale: float) -> Iterator[Run]:
    """Run a case, its outputs in `folder`; yield each run when it is done. Raises SystemExit if a program fails."""
    models, runs = case.models(), list[Run]()
    shutil.rmtree(folder, ignore_errors=True)
    for number in range(rounds):
        for corpus, lengths in case.corpora.items():
            files, first = dict(_files(case, lengths, audio, scale)), None
            for program in case.programs:
                if _is_slow(program, [run for run in runs if run.corpus == corpus]):
                    continue
                out = folder / "-".join(f"{number} {corpus} {program.name}".replace(",", "").split())
                measured = program.run(list(files), models, out, folder.parent)
                where = _where_it_went(program, measured, out)
                first = first or out
                said = number, corpus, program.kind, program.name, len(files), sum(files.values())
                runs.append(Run(*said, _same(first, out), where, measured))
                yield runs[-1]


def _files(case: Case, lengths: Corpus, audio: Path, scale: float) -> Iterator[tuple[Path, int]]:
    """Yield the files of a corpus and how many seconds each is long."""
    for seconds, count in lengths.items():
        length = seconds if count >= MANY else max(5, round(seconds * scale))
        number = max(1, round(count * scale)) if count >= MANY else count
        yield from ((path, length) for path in made(audio, case.sound, length, number))


def _where_it_went(program: Program, measured: Measured, out: Path) -> dict[str, float]:
    """Return the seconds of each phase; put the times of the compute alone in the place of its process's."""
    began, ended, log = measured.began, measured.began + measured.seconds, out.with_suffix(".log")
    if measured.status:
        sys.exit(f"{program.name} ended with {measured.status}; see {log}")
    if program.kind == OURS:
        return of_ours(out.with_suffix(".prefect") / "prefect.db", began, ended)
    if program.kind == COMPUTE:
        figures = json.loads(next(line for line in log.read_text().splitlines() if line.startswith("{")))
        measured.seconds, measured.cpu_s, measured.first_output_s = figures["seconds"], figures["cpu_s"], None
        return {f"{stage}, of all threads": seconds for stage, seconds in figures["stages"].items()}
    return of_whisperx(log, began, ended) if program.kind == WHISPERX else {}


def _is_slow(program: Program, runs: list[Run]) -> bool:
    """Return whether another setting of the same peer was faster by more than a tenth in the first round."""
    if program.kind == OURS:
        return False
    earlier = {run.program: run.measured.seconds for run in runs if run.kind == program.kind and run.round == 0}
    return program.name in earlier and earlier[program.name] > 1.1 * min(earlier.values())


def _same(first: Path, out: Path) -> int:
    written = list(first.glob("*.json"))
    return sum((out / path.name).exists() and (out / path.name).read_bytes() == path.read_bytes() for path in written)
