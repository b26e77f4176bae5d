"""Quality, a JSON of our own: the verdict on the transcript, its reasons, and every stretch in doubt."""

import json
from dataclasses import asdict

from tasks.quality.verdict import Quality


def quality_json(quality: Quality | None) -> bytes:
    """Return the check's result; nothing without one."""
    if quality is None:
        return b""
    found = asdict(quality)
    if not quality.second_pass:
        del found["second_pass"]
    return json.dumps(found, ensure_ascii=False, indent=2).encode(errors="surrogatepass")
