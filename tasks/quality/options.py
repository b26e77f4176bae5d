"""The limits of the check, and the number of its rules."""

from typing import Any

from pydantic import Field

from tasks.options import Options
from tasks.storage.results import releases

RULES = 3
"""Raise it when the rules find something else in the same file."""


class CheckOptions(Options):
    """Limits of the check of each transcript; benchmarks/RESULTS.md has what the defaults find and miss."""

    check_hole: float = Field(2.0, gt=0, description="list speech without text from so many seconds on")
    check_coverage: float = Field(0.7, ge=0, le=1, description="a file with text for a smaller share of speech is bad")
    check_characters: float = Field(5.0, ge=0, description="list speech with fewer characters of text a second")
    check_logprob: float = Field(-0.8, le=0, description="list text of a lower mean log probability")
    check_compression: float = Field(2.4, gt=1, description="list text that zlib shrinks to less than 1/X")
    check_unique_words: float = Field(0.4, ge=0, le=1, description="list text with no greater share of unique words")
    check_share: float = Field(
        0.05, ge=0, le=1, description="a file that is in doubt for more of its speech is 'check'"
    )
    bad_share: float = Field(0.3, ge=0, le=1, description="a file whose text is wrong for more of its speech is 'bad'")

    def key_inputs(self) -> dict[str, Any]:
        """Return what a verdict depends on besides the audio, the transcript and the speaker turns."""
        return {**self.key_fields(), **releases("faster-whisper"), "rules": RULES}
