"""Text that nobody said: over noise or music, in loops, or made up by a decoder that is not sure of anything."""

import re
import zlib
from collections import Counter
from collections.abc import Iterator

from tasks.quality.phrases import PHRASES
from tasks.quality.spans import Span, seconds, within
from tasks.quality.transcript import SPACELESS, Finding, Segment, shortened

WINDOW_S = 30.0
"""The text of so many seconds is looked at for loops: alignment splits Whisper's chunks into sentences."""
LEAST_WORDS = 10
"""Fewer words than these say nothing about repetition."""
LEAST_SILENT_S = 1.0
MOST_SPEECH = 0.1
"""Text of that length and more is invented if less than this share of its time is speech."""
NGRAM, NGRAM_TIMES = 10, 3
"""So many words that occur more often than this in one window are a loop."""
LONGEST_WORD, LONGEST_COMPOUND = 25, 35
"""Characters. The longest words in use have about 20, and 30 where nouns are joined."""
BETWEEN_LETTERS = re.compile(r"[\W_]+")
"""What parts an address or a name that is spelled, which are no long words."""
COMPOUNDING = frozenset("de nl sv no nn da is fi et hu af lb fo tr".split())
FASTEST_WORDS, FASTEST_CHARACTERS, FAST_S = 7.0, 40.0, 2.0
"""A second; nobody speaks faster for two seconds or more. A sentence of a lively telephone call had 6.7 words a second
for 1.3 s."""
NO_SPEECH, REPETITIVE = "text where there is no speech", "repetitive"
"""How the reasons begin by which the second pass tells what kind of doubt it is."""
UNSURE_S = 1.0
"""Shorter segments have so few tokens that their mean log probability is chance."""
UNSURE_THROUGHOUT = 0.75
"""The share of the limit of one segment that is the limit for the mean of a file."""


def unspoken(segments: list[Segment], speech: list[Span]) -> Iterator[Finding]:
    """Yield the segments where the second voice activity detection hears no speech.

    The first heard some: whatever it took for speech, such as tones, is all that there is.
    """
    for segment in segments:
        spoken = seconds(within(speech, segment.start, segment.end))
        if segment.seconds >= LEAST_SILENT_S and spoken < MOST_SPEECH * segment.seconds:
            yield _doubt(segment, NO_SPEECH)


def known_phrases(segments: list[Segment]) -> Iterator[Finding]:
    """Yield the segments that hold what Whisper has learnt from the credits of subtitles."""
    for segment in segments:
        if PHRASES.search(segment.text):
            yield _doubt(segment, "a phrase that Whisper is known to invent")


def loops(segments: list[Segment], language: str, *, unique_words: float, compression: float) -> Iterator[Finding]:
    """Yield the stretches of text that repeat themselves."""
    for window in _windows(segments):
        words = [word.text.casefold().strip(".,!?¿¡…") for segment in window for word in segment.words]
        text = " ".join(segment.text for segment in window)
        if len(words) < LEAST_WORDS:
            continue
        why = None
        if language not in SPACELESS and (share := len(set(words)) / len(words)) <= unique_words:
            why = f"{REPETITIVE}: {len(set(words))} different words in {len(words)}, {share:.0%}"
        elif (ratio := compression_ratio(text)) > compression:
            why = f"{REPETITIVE}: compresses to 1/{ratio:.1f}"
        elif (times := _most_repeated(words)) > NGRAM_TIMES:
            why = f"{REPETITIVE}: the same {NGRAM} words {times} times"
        if why:
            yield Finding("invented", why, window[0].start, window[-1].end, shortened(text))


def compression_ratio(text: str) -> float:
    """Return how much zlib shrinks a text, as openai-whisper measures repetition (`whisper.utils`)."""
    encoded = text.encode()
    return len(encoded) / len(zlib.compress(encoded))


def _windows(segments: list[Segment]) -> Iterator[list[Segment]]:
    window: list[Segment] = []
    for segment in segments:
        if window and segment.end - window[0].start > WINDOW_S:
            yield window
            window = []
        window.append(segment)
    if window:
        yield window


def _most_repeated(words: list[str]) -> int:
    grams = Counter(tuple(words[i : i + NGRAM]) for i in range(len(words) - NGRAM + 1))
    return max(grams.values(), default=0)


def unlikely(segments: list[Segment], *, logprob: float) -> Iterator[Finding]:
    """Yield the segments that the decoder was unsure of, whose mean log probability is below `logprob`; or the file.

    Text in a language that the model does not know is seldom far below, but throughout.
    """
    sure = [(each.avg_logprob, each.seconds) for each in segments if each.avg_logprob is not None]
    mean = sum(each * length for each, length in sure) / max(sum(length for _, length in sure), UNSURE_S)
    if mean < UNSURE_THROUGHOUT * logprob:
        yield Finding("invented", f"Whisper was unsure throughout: mean log probability {mean:.2f}")
    for segment in segments:
        if segment.avg_logprob is not None and segment.avg_logprob < logprob and segment.seconds >= UNSURE_S:
            yield _doubt(segment, f"Whisper was unsure: mean log probability {segment.avg_logprob:.2f}")


def impossible(segments: list[Segment], language: str) -> Iterator[Finding]:
    """Yield the segments with words too long to be words, or with more text than can be said in their time."""
    longest = LONGEST_COMPOUND if language in COMPOUNDING else LONGEST_WORD
    for segment in segments:
        words = [word.text for word in segment.words]
        runs = [len(run) for word in words for run in BETWEEN_LETTERS.split(word)]
        if language not in SPACELESS and max(runs, default=0) >= longest:
            yield _doubt(segment, f"a word of {max(runs)} characters")
        elif segment.seconds >= FAST_S and _too_fast(segment, words, spaced=language not in SPACELESS):
            yield _doubt(segment, f"{len(segment.text)} characters in {segment.seconds:.1f} s")


def _too_fast(segment: Segment, words: list[str], *, spaced: bool) -> bool:
    characters = len(segment.text) / segment.seconds > FASTEST_CHARACTERS
    return characters or (spaced and len(words) / segment.seconds > FASTEST_WORDS)


def _doubt(segment: Segment, why: str) -> Finding:
    return Finding("invented", why, segment.start, segment.end, shortened(segment.text))
