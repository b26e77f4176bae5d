"""The measurements of a case as Markdown: a line for each program, ratios, and where the time went."""

from collections.abc import Callable, Iterable
from statistics import mean, median

from programs import COMPUTE, OURS
from runs import Run

COLUMNS: dict[str, Callable[[Run], float | None]] = {
    "wall s": lambda run: run.measured.seconds,
    "× real time": lambda run: run.audio_s / run.measured.seconds,
    "first output s": lambda run: run.measured.first_output_s,
    "core-s": lambda run: run.measured.cpu_s,
    "cores busy": lambda run: run.measured.cpu_s / run.measured.seconds,
    "peak MB": lambda run: max((sample.memory_mb for sample in run.measured.samples), default=None),
    "driver MB": lambda run: max((sample.driver_mb for sample in run.measured.samples), default=None),
    "GPU %": lambda run: mean(use for use, _ in run.measured.gpu) if run.measured.gpu else None,
    "GPU MiB": lambda run: max((mib for _, mib in run.measured.gpu), default=None),
}


def spread(values: Iterable[float | None]) -> str:
    """Return the median and, of several values, the least and the most: `12 (10 to 15)`."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return "–"
    low, middle, high = (_short(value) for value in (known[0], median(known), known[-1]))
    return f"{middle} ({low}–{high})" if len(known) > 1 else middle


def _short(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 100 else f"{value:,.0f}"  # noqa: PLR2004


def table(runs: list[Run]) -> list[str]:
    """Return the lines of the table of one corpus."""
    columns = {name: of for name, of in COLUMNS.items() if any(of(run) is not None for run in runs)}
    lines = [f"| program | {' | '.join(columns)} |", f"|{'---|' * (len(columns) + 1)}"]
    for program in dict.fromkeys(run.program for run in runs):
        of_program = [run for run in runs if run.program == program]
        cells = [spread(of(run) for run in of_program) for of in columns.values()]
        lines.append(f"| {program} | {' | '.join(cells)} |")
    return lines


def ratios(runs: list[Run]) -> list[str]:
    """Return how many times as fast ours was as each peer at the better of its settings, round by round."""
    lines = []
    for ours in dict.fromkeys(run.program for run in runs if run.kind == OURS):
        for kind in dict.fromkeys(run.kind for run in runs if run.kind != OURS):
            found = [
                min(run.measured.seconds for run in runs if run.kind == kind and run.round == own.round)
                / own.measured.seconds
                for own in runs
                if own.program == ours
            ]
            if kind == COMPUTE:
                lines.append(f"- {ours} takes {spread(1 / each for each in found)} times as long as the compute alone")
            else:
                lines.append(f"- {ours} is {spread(found)} times as fast as {kind}")
    return lines


def orchestration(runs: list[Run]) -> list[str]:
    """Return what ours takes of the cores beyond the compute: in all and a file, start-up included."""
    alone = {run.round: run for run in runs if run.kind == COMPUTE}
    beyond = [
        (run.measured.cpu_s - alone[run.round].measured.cpu_s, run.files)
        for run in runs
        if run.kind == OURS and run.round in alone
    ]
    if not beyond:
        return []
    each, in_all = spread(used / files for used, files in beyond), spread(used for used, _ in beyond)
    return [f"- beyond the compute alone, {OURS} takes {each} core-s a file, {in_all} in all"]


def phases(runs: list[Run]) -> list[str]:
    """Return where the time of each program went."""
    lines = []
    for program in dict.fromkeys(run.program for run in runs if run.phases):
        of_program = [run for run in runs if run.program == program]
        names = dict.fromkeys(name for run in of_program for name in run.phases)
        parts = [f"{name} {spread(run.phases.get(name) for run in of_program)} s" for name in names]
        lines.append(f"- {program}: {', '.join(parts)}")
    return lines


def report(runs: list[Run]) -> list[str]:
    """Return all that is told of a case."""
    lines = []
    for corpus in dict.fromkeys(run.corpus for run in runs):
        chosen = [run for run in runs if run.corpus == corpus]
        head = f"{chosen[0].files:,} files, {chosen[0].audio_s:,.0f} s of audio"
        same = {run.program: f"{run.same} of {run.files}" for run in chosen}
        equal = ", ".join(f"{program} {number}" for program, number in same.items())
        lines += [f"{head}; median (least–most).", "", *table(chosen), "", *ratios(chosen), *orchestration(chosen)]
        lines += [f"- outputs equal to those of {chosen[0].program}: {equal}", "", "Where the time went:", ""]
        lines += [*phases(chosen), ""]
    return lines
