"""The measurements of a case as Markdown: a line for each program, ratios, and where the time went."""

from collections.abc import Callable, Iterable
from statistics import mean, median

from harness.programs import COMPUTE, OURS
from harness.runs import Run

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
    beyond = _beyond(runs)
    if not beyond:
        return []
    each, in_all = (
        spread(used / files for used, files in beyond.values()),
        spread(used for used, _ in beyond.values()),
    )
    return [f"- beyond the compute alone, {OURS} takes {each} core-s a file, {in_all} in all"]


def growth(corpora: list[list[Run]]) -> list[str]:
    """Return the same for each file that the last corpus has beyond the first, so without the start-up."""
    few, many = _beyond(corpora[0]), _beyond(corpora[-1])
    each = [(many[at][0] - few[at][0]) / (many[at][1] - few[at][1]) for at in many if many[at][1] > few[at][1]]
    return [f"For each further file, {OURS} takes {spread(each)} core-s beyond the compute alone.", ""] if each else []


def _beyond(runs: list[Run]) -> dict[int, tuple[float, int]]:
    """Return, by round, the core-seconds of ours without those of the compute alone, and the files."""
    alone = {run.round: run.measured.cpu_s for run in runs if run.kind == COMPUTE}
    ours = [run for run in runs if run.kind == OURS and run.round in alone]
    return {run.round: (run.measured.cpu_s - alone[run.round], run.files) for run in ours}


def parts(runs: list[Run], of: Callable[[Run], dict[str, float]], unit: str) -> list[str]:
    """Return what each program's time, or core-seconds, consists of."""
    lines = []
    for program in dict.fromkeys(run.program for run in runs if of(run)):
        found = [of(run) for run in runs if run.program == program]
        names = dict.fromkeys(name for each in found for name in each)
        said = [f"{name} {spread(each.get(name) for each in found)} {unit}" for name in names]
        lines.append(f"- {program}: {', '.join(said)}")
    return lines


def report(runs: list[Run]) -> list[str]:
    """Return all that is told of a case."""
    corpora = [[run for run in runs if run.corpus == name] for name in dict.fromkeys(run.corpus for run in runs)]
    return [line for corpus in corpora for line in _report(corpus)] + growth(corpora)


def _report(runs: list[Run]) -> list[str]:
    same = ", ".join(f"{run.program} {run.same}" for run in runs if run.round == 0)
    return [
        f"{runs[0].files:,} files, {runs[0].audio_s:,.0f} s of audio; median (least–most).",
        "",
        *table(runs),
        "",
        *ratios(runs),
        *orchestration(runs),
        f"- transcripts equal to those of {runs[0].program}, byte for byte: {same}",
        "",
        "Where the time went:",
        "",
        *parts(runs, lambda run: run.phases, "s"),
        "",
        "Whose core-seconds:",
        "",
        *parts(runs, lambda run: run.measured.kinds if len(run.measured.kinds) > 1 else {}, "core-s"),
        "",
    ]
