"""An evaluation as a page: one HTML file that loads nothing."""

from html import escape

from flows.evaluation.evaluation import Evaluation, Row
from flows.evaluation.scoring import Chunk
from tasks.errors import one_line

HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Evaluation</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<style>
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 75rem; margin: auto; padding: 1rem }
table { border-collapse: collapse; margin-bottom: 2rem }
th, td { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #8884 }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere }
del { color: light-dark(#b00020, #ff8a80) }
ins { color: light-dark(#006e2e, #69f0ae) }
</style></head><body>
<h1>Evaluation</h1>
"""
SIDE_BY_SIDE = (
    "<p>Words of the reference that the transcript lacks are <del>struck</del>, its own <ins>underlined</ins>.</p>"
)


def page(evaluation: Evaluation) -> bytes:
    """Return the tables, the files with the most errors word by word, and what could not be scored."""
    headers = list(evaluation.headers.values())
    parts = [
        HEAD,
        _table("language", headers, evaluation.languages()),
        f"<p>Texts normalized by {escape(', '.join(evaluation.normalizers))}.</p>",
        "<h2>Files</h2>",
        _table("file", headers, evaluation.files()),
    ]
    if evaluation.worst:
        parts += ["<h2>Word by word</h2>", SIDE_BY_SIDE]
        for score, chunks in evaluation.worst:
            summary = f"{escape(one_line(score.name))}: WER {score.rates['wer'].value:.1%}"
            text = " ".join(map(_marked, chunks))
            parts.append(f'<details><summary>{summary}</summary><p dir="auto">{text}</p></details>')
    if evaluation.problems:
        problems = "".join(f"<li>{escape(one_line(problem))}</li>" for problem in evaluation.problems)
        parts.append(f"<h2>Not scored</h2><ul>{problems}</ul>")
    return ("\n".join([*parts, "</body></html>"]) + "\n").encode(errors="replace")


def _table(first: str, headers: list[str], rows: list[Row]) -> str:
    titles = "".join(f"<th>{escape(title)}</th>" for title in [first, "words", *headers])
    lines = ["".join(f"<td>{escape(cell)}</td>" for cell in [row.label, row.words, *row.rates]) for row in rows]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{titles}</tr></thead>\n<tbody>{body}</tbody></table>"


def _marked(chunk: Chunk) -> str:
    expected, written = (escape(" ".join(words)) for words in (chunk.reference, chunk.hypothesis))
    if chunk.kind == "equal":
        return written
    return " ".join(filter(None, [expected and f"<del>{expected}</del>", written and f"<ins>{written}</ins>"]))
