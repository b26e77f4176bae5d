"""CSV, a table for spreadsheets and statistics: a row for each word."""

import csv
from io import StringIO

from tasks.formats.writers import Result

COLUMNS = ("start", "end", "word", "speaker", "score", "segment")


def word_table(result: Result) -> bytes:
    """Return the table: times in seconds, the aligner's score from 0 to 1, the number of the segment from 1.

    What was not timed has empty times, and a segment without words is one row. It begins with a byte order mark,
    without which Excel takes the text for that of an old Windows code page.
    """
    file = StringIO()
    table = csv.writer(file)
    table.writerow(COLUMNS)
    for number, segment in enumerate(result["segments"], start=1):
        whole = {"word": segment["text"].strip(), "start": segment["start"], "end": segment["end"]}
        for word in segment.get("words") or [whole]:
            speaker = word.get("speaker", segment.get("speaker"))
            times = [None if word.get(name) is None else float(word[name]) for name in ("start", "end")]
            score = None if word.get("score") is None else float(word["score"])
            table.writerow([*times, word["word"], speaker, score, number])
    return file.getvalue().encode("utf-8-sig")
