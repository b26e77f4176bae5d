"""The text that is compared: without case, punctuation and spellings that say the same, as Whisper's authors do it."""

from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from typing import NamedTuple

WITHOUT_SPACES = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
"""Each character counts as a word, as in the paper on Whisper, https://arxiv.org/abs/2212.04356, appendix C."""


class Normalizer(NamedTuple):
    """A normalizer by its name, and whether words are separated by spaces."""

    name: str
    normalized: Callable[[str], str]
    spaced: bool = True

    def words(self, text: str) -> list[str]:
        """Return the words that are compared."""
        return self.normalized(text).split()

    def characters(self, words: list[str]) -> str:
        """Return the characters that are compared, with single spaces between words where the language has any."""
        return (" " if self.spaced else "").join(words)


@cache
def normalizer_of(language: str | None) -> Normalizer:
    """Return Whisper's normalizer for a language code, or for any language if it is not known."""
    release = f"whisper-normalizer {version('whisper-normalizer')}"
    if language == "en":
        from whisper_normalizer.english import EnglishTextNormalizer

        return Normalizer(f"{release} (English)", EnglishTextNormalizer())
    from whisper_normalizer.basic import BasicTextNormalizer

    spaced = language not in WITHOUT_SPACES
    # Marks are vowels in Indic scripts, which Whisper's own would drop.
    basic = BasicTextNormalizer(split_letters=not spaced, preserve_marks=True)
    return Normalizer(f"{release} (basic{'' if spaced else ', by characters'})", basic, spaced)
