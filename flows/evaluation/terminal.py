"""An evaluation, or a comparison, at the terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.evaluation.comparison import Change, Comparison, Version
from flows.evaluation.evaluation import Evaluation, Row
from flows.evaluation.plural import counted
from tasks.errors import one_line

SHOWN = 30
"""So many files are listed, the worst; the others are in the JSON and on the page."""
EXAMPLES = 10
"""Of so many files of a comparison some differences are shown."""
PIPED_WIDTH = 160


def show(evaluation: Evaluation, console: Console) -> None:
    """Print a table of the files, one of the languages and of all, and by what the texts were normalized."""
    rows = evaluation.files()
    headers = list(evaluation.headers.values())
    console.print(_table("file", headers, rows[:SHOWN]))
    if len(rows) > SHOWN:
        console.print(f"and {counted(len(rows) - SHOWN, 'file')} with lower rates; --json and --html list all\n")
    console.print(_table("language", headers, evaluation.languages()))
    console.print(f"Texts normalized by {', '.join(evaluation.normalizers)}.", highlight=False)


def show_comparison(comparison: Comparison, console: Console) -> None:
    """Print the files that differ, the worst first, with examples, and how much all differ."""
    differing = comparison.differing
    if differing:
        console.print(_comparison_table(differing[:SHOWN]))
    for each in differing[:EXAMPLES]:
        console.print(Text(f"\n{one_line(each.name)}"))
        for place in each.places:
            before, old, new, after = map(one_line, place)
            removed, added = f"[-{old}-]" if old else "", f"{{+{new}+}}" if new else ""
            console.print(Text.assemble(f"  … {before} ", (removed, "red"), (added, "green"), f" {after} …"))
    words, turns = comparison.words, comparison.turns
    console.print(f"\n{counted(len(comparison.changes), 'file')} compared, {len(differing):,} differ")
    console.print(f"Words: {words.errors:,.0f} of {words.length:,.0f} differ, {words.value:.2%}")
    if turns:
        console.print(f"Speakers: {turns.errors:,.0f} of {turns.length:,.0f} seconds differ, {turns.value:.2%}")
    if None not in comparison.speeds:
        console.print(f"Speed: {_both(*(f'{speed:g} times real time' for speed in comparison.speeds))}")


def _comparison_table(changes: list[Change]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("file", overflow="fold")
    for header in ("words", "differ", "speakers", "differ", "verdict", "coverage"):
        table.add_column(header, justify="right")
    for each in changes:
        speakers, *facts = (_both(*pair) for pair in zip(_facts(each.old), _facts(each.new), strict=True))
        turns = f"{each.turns.value:.1%}" if each.turns else "–"
        words = [f"{each.words.length:,.0f}", f"{each.words.value:.1%}"]
        table.add_row(*map(Text, [one_line(each.name), *words, speakers, turns, *facts]))
    return table


def _facts(version: Version) -> list[str]:
    coverage = None if version.coverage is None else f"{version.coverage:.0%}"
    return ["–" if fact is None else one_line(str(fact)) for fact in (version.speakers, version.verdict, coverage)]


def _both(old: str, new: str) -> str:
    return old if old == new else f"{old} → {new}"


def standard_output() -> Console:
    """Return the console of the standard output; wide enough for the tables where it is no terminal."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPED_WIDTH)


def _table(first: str, headers: list[str], rows: list[Row]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(first, overflow="fold")
    for header in ["words", *headers]:
        table.add_column(header, justify="right")
    for row in rows:
        table.add_row(Text(row.label), row.words, *row.rates)
    return table
