"""How well subtitles can be read: rules that cues break, as WhisperX cuts them and as `--subtitles readable` does.

python benchmarks/subtitles.py transcripts/*.json
"""

import json
import sys
import time
from itertools import pairwise
from pathlib import Path

from tasks.formats.subtitles import cut
from tasks.formats.subtitles.cues import Cue
from tasks.formats.subtitles.rules import rules_for
from tasks.formats.subtitles.tokens import columns
from tasks.formats.writers import Layout, Result

WHISPERX = Layout(max_line_width=None, max_line_count=None, highlight_words=False)
LAYOUTS: dict[str, Layout] = {
    "WhisperX": WHISPERX,
    "WhisperX, two lines of 42": {**WHISPERX, "max_line_width": 42, "max_line_count": 2},
    "readable": {**WHISPERX, "readable": {}},
}


def broken_rules(cues: list[Cue], language: str) -> dict[str, int]:
    """Return how many cues there are, and how many of them break each rule of the language."""
    rules = rules_for(language, {})
    lengths = [(cue.end - cue.start) / 1000 for cue in cues]
    texts = [cue.label + "\n".join(cue.lines) for cue in cues]
    return {
        "cues": len(cues),
        "shorter than 0.83 s": sum(length < rules.min_duration - 0.001 for length in lengths),
        "longer than 7 s": sum(length > rules.max_duration for length in lengths),
        "too wide": sum(max(map(columns, text.split("\n"))) > rules.max_line_width for text in texts),
        "too fast": sum(len(text) > rules.max_cps * length for text, length in zip(texts, lengths, strict=True)),
        "overlapping": sum(after.start < before.end for before, after in pairwise(cues)),
    }


def main() -> None:
    """Print a line of JSON for each layout, over all transcripts."""
    results: list[Result] = [json.loads(Path(path).read_text()) for path in sys.argv[1:]]
    for name, layout in LAYOUTS.items():
        total: dict[str, float] = {}
        for result in results:
            began = time.process_time()
            cues = cut(result, layout, labelled=True)
            found = {**broken_rules(cues, result["language"]), "cpu_s": round(time.process_time() - began, 3)}
            total = {key: total.get(key, 0) + value for key, value in found.items()}
        print(json.dumps({"layout": name, **total}))


if __name__ == "__main__":
    main()
