"""What each channel, or track, of a recording says, and its own sound."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from tasks.audio.types import Audio, Samples
from tasks.channels.crosstalk import without_crosstalk
from tasks.quality.coverage import covered
from tasks.quality.spans import Span, without
from tasks.quality.transcript import Segment, segments_of
from tasks.transcribe import Transcript


@dataclass(frozen=True)
class Part:
    """A recording, or one of its channels or tracks: its text and its 16 kHz mono samples, by its own time."""

    transcript: Transcript
    samples: Samples
    label: str | None = None
    """The label of its speaker; None of a recording that was transcribed in one piece."""
    offset_s: float = 0.0
    """When it begins in the recording."""
    crosstalk: tuple[Span, ...] = ()
    """When words were said in it that its text leaves to another part."""

    @cached_property
    def segments(self) -> list[Segment]:
        """Its text as the rules of the check read it."""
        return segments_of(self.transcript.result, self.transcript.language)


def parts_of(transcript: Transcript, audio: Audio, labels: Sequence[str]) -> list[Part]:
    """Return the channels or tracks of a recording, their texts without crosstalk; else the recording itself."""
    if not transcript.parts:
        return [Part(transcript, audio.samples)]
    results = without_crosstalk([part.result for part in transcript.parts], audio.parts, audio.offsets_s)
    texts = [replace(part, result=result) for part, result in zip(transcript.parts, results, strict=True)]
    removed = [_removed(*both) for both in zip(transcript.parts, texts, strict=True)]
    return [Part(*each) for each in zip(texts, audio.parts, labels, audio.offsets_s, removed, strict=True)]


def _removed(before: Transcript, after: Transcript) -> tuple[Span, ...]:
    """Return when only the first of two texts has words, as the check counts them."""
    both = (covered(segments_of(each.result, each.language)) for each in (before, after))
    return tuple(without(*both))
