"""The people of an output folder as a page: one HTML file that loads nothing, plays clips and takes names."""

import json
import os
from base64 import b64encode
from html import escape

from flows.people.clips import mp3_of
from flows.people.table import COLUMNS, Row
from tasks.errors import FileFault, one_line
from tasks.quality.verdict import clock
from tasks.storage.filesystems import UnsupportedLocation
from tasks.storage.urls import shown

HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Speakers</title>
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; media-src data:">
<meta name="viewport" content="width=device-width">
<style>
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 75rem; margin: auto; padding: 1rem }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 }
th, td { padding: .3rem .6rem; text-align: left; border-bottom: 1px solid #8884 }
td:nth-child(5) { overflow-wrap: anywhere }
input, button { font: inherit; padding: .2rem .5rem }
audio { height: 2rem; max-width: 16rem }
</style></head><body>
<h1>Speakers</h1>
<p>Listen and type names; give one person who has several ids the same name. Then save the table in place of
speakers.csv, and run the same command again with <code>--speakers</code> and its folder.</p>
<p><button id="save">Save speakers.csv</button></p>
<table><thead><tr><th>id</th><th>name</th><th>clip</th><th>files, minutes</th><th>from</th></tr></thead><tbody>
"""
TAIL = """</tbody></table>
<script>
const quoted = text => /[",\\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text
document.getElementById("save").onclick = () => {
  const rows = [...document.querySelectorAll("tbody tr")].map(row => {
    const cells = JSON.parse(row.dataset.cells)
    cells[1] = row.querySelector("input").value.trim()
    return cells.map(quoted).join(",")
  })
  const link = document.createElement("a")
  const samples = SAMPLES.map(cells => cells.map(quoted).join(","))
  const text = "\\ufeff" + [COLUMNS, ...rows, ...samples].join("\\n") + "\\n"
  link.href = URL.createObjectURL(new Blob([text], {type: "text/csv"}))
  link.download = "speakers.csv"
  link.click()
}
</script></body></html>
"""


def page(rows: list[Row], samples: list[list[str]]) -> bytes:
    """Return the page; a clip whose recording cannot be read is left out. `samples` are more rows for the table."""
    cells = json.dumps(samples).replace("<", "\\u003c")  # no end of the script
    tail = TAIL.replace("COLUMNS", json.dumps(",".join(COLUMNS))).replace("SAMPLES", cells)
    return "\n".join([HEAD, *map(_row, rows), tail]).encode(errors="replace")


def _row(row: Row) -> str:
    person, clip = row.person, row.clip
    start, end = clip.voice.clip
    try:
        data = b64encode(mp3_of(clip.file, start, end, clip.track, clip.channel)).decode()
        player = f'<audio controls preload="none" src="data:audio/mpeg;base64,{data}"></audio>'
    except (FileFault, UnsupportedLocation, OSError, ValueError) as error:
        player = escape(f"not here: {error}")
    hint = f"{row.maybe}?" if row.maybe else ""
    name = f'<input value="{escape(person.name)}" placeholder="{escape(hint)}" aria-label="Name of {person.id}">'
    file = escape(one_line(shown(clip.file)))
    at = f'<span title="{file}">{os.path.basename(file)}, {clock(start)}</span>'
    cells = [person.id, name, player, f"{row.files}, {row.minutes}", at]
    data_cells = escape(json.dumps(row.cells()))
    return f'<tr data-cells="{data_cells}">' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
