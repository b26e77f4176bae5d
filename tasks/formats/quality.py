"""Quality, a JSON of our own: the verdict on the transcript, its reasons, and every stretch in doubt."""

import json
from dataclasses import asdict

from tasks.people.matching import Match
from tasks.quality.verdict import Quality


def quality_json(quality: Quality | None, people: list[Match] | None = None) -> bytes:
    """Return the check's result, and who the speakers are if anybody was to be named; nothing without a check."""
    if quality is None:
        return b""
    found = asdict(quality) | ({} if people is None else {"people": people})
    if not quality.second_pass:
        del found["second_pass"]
    for each in (*found["findings"], *found.get("second_pass", ())):
        if each["speaker"] is None:
            del each["speaker"]
    return json.dumps(found, ensure_ascii=False, indent=2).encode(errors="surrogatepass")
