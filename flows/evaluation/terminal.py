"""An evaluation at the terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.evaluation.evaluation import Evaluation, Row

SHOWN = 30
"""So many files are listed, the worst; the others are in the JSON and on the page."""
PIPED_WIDTH = 160


def show(evaluation: Evaluation, console: Console) -> None:
    """Print a table of the files, one of the languages and of all, and by what the texts were normalized."""
    rows = evaluation.files()
    headers = list(evaluation.headers.values())
    console.print(_table("file", headers, rows[:SHOWN]))
    if len(rows) > SHOWN:
        console.print(f"and {len(rows) - SHOWN:,} files with lower rates; --json and --html list all\n")
    console.print(_table("language", headers, evaluation.languages()))
    console.print(f"Texts normalized by {', '.join(evaluation.normalizers)}.", highlight=False)


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
