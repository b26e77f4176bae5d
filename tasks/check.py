"""Stage check: whether a transcript can be trusted, from the sound, the text and the speaker turns. Runs on a CPU."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from pydantic import Field

from tasks.audio.types import Audio, AudioFile
from tasks.channels.mixing import mixed
from tasks.diarize import Diarization, DiarizeOptions
from tasks.options import Options
from tasks.quality.coverage import coverage, holes, low_coverage
from tasks.quality.density import sparse
from tasks.quality.invention import impossible, known_phrases, loops, unlikely, unspoken
from tasks.quality.language import foreign
from tasks.quality.second_vad import second_speech
from tasks.quality.sound import bad_sound, with_damage
from tasks.quality.spans import Span
from tasks.quality.speakers import one_for_all, unlabelled
from tasks.quality.timing import low_scores, untimed, wrong_times
from tasks.quality.transcript import Finding, Segment, segments_of
from tasks.quality.verdict import Quality, judge
from tasks.second_pass.choice import choose
from tasks.storage.results import keep_no_result, releases, stage_task
from tasks.transcribe import TranscribeOptions, Transcript
from tasks.transcribe_again import DecodedAgain

logger = logging.getLogger(__name__)

RULES = 1
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


def check_transcript(
    transcript: Transcript,
    audio: Audio,
    diarization: Diarization | None,
    options: CheckOptions,
    transcribe: TranscribeOptions,
    fewest_speakers: int = 1,
) -> Quality:
    """Return the verdict on the transcript of a recording.

    `transcribe` says which voice activity detection the transcription used: speech is looked for with another one.
    """
    if transcribe.task == "translate":
        transcript = replace(transcript, language="en")
    audio = mixed(audio)
    segments = segments_of(transcript.result, transcript.language)
    speech = second_speech(audio.samples, segments, first=transcribe.vad_method)
    if transcript.parts:
        diarization = None  # nothing had to be diarized
    return _judge(transcript, audio, speech, diarization, options, fewest_speakers)


def _judge(
    transcript: Transcript,
    audio: Audio,
    speech: list[Span],
    diarization: Diarization | None,
    options: CheckOptions,
    fewest_speakers: int,
) -> Quality:
    segments = segments_of(transcript.result, transcript.language)
    found = coverage(segments, speech)
    findings = [
        *low_coverage(found, least_share=options.check_coverage),
        *_in_text(segments, speech, transcript.language, options),
        *wrong_times(segments),
        *low_scores(segments),
        *untimed(segments, transcript.aligned_by),
        *bad_sound(audio, speech),
        *(unlabelled(segments, diarization.turns) if diarization else ()),
        *(one_for_all(diarization.turns, fewest_speakers) if diarization else ()),
    ]
    return judge(findings, found, check_share=options.check_share, bad_share=options.bad_share)


def _in_text(segments: list[Segment], speech: list[Span], language: str, options: CheckOptions) -> Iterator[Finding]:
    without_text = holes(segments, speech, hole_s=options.check_hole)
    yield from without_text
    yield from sparse(segments, speech, language, characters=options.check_characters, known=without_text)
    yield from unspoken(segments, speech)
    yield from known_phrases(segments)
    yield from loops(segments, language, unique_words=options.check_unique_words, compression=options.check_compression)
    yield from unlikely(segments, logprob=options.check_logprob)
    yield from impossible(segments, language)
    yield from foreign(segments, language)


@stage_task("check", kept=True)
def check(
    file: AudioFile,
    audio: Audio,
    transcript: Transcript,
    diarization: Diarization | None,
    options: CheckOptions,
    transcribe: TranscribeOptions,
    diarize: DiarizeOptions | None,
) -> Quality:
    """Check the transcript of one file; `transcribe` and `diarize` are the file's own options."""
    if transcript.provisional:
        keep_no_result()
    audio = with_damage(audio, file)
    quality = check_transcript(transcript, audio, diarization, options, transcribe, _fewest(diarize))
    if quality.verdict != "good":
        logger.warning("%s: %s", quality.verdict, "; ".join(quality.reasons))
    return quality


def _fewest(diarize: DiarizeOptions | None) -> int:
    """Return how many speakers there are at least."""
    return (diarize.num_speakers or diarize.min_speakers or 1) if diarize else 1


@dataclass
class SecondPass:
    """A transcript with the better of two texts for each stretch in doubt, and the check of it with the decisions."""

    transcript: Transcript
    quality: Quality


def choose_texts(
    transcript: Transcript,
    decoded: DecodedAgain,
    again: Transcript,
    audio: Audio,
    diarization: Diarization | None,
    options: CheckOptions,
    transcribe: TranscribeOptions,
    fewest_speakers: int = 1,
) -> SecondPass:
    """Return the transcript with the text of the second pass where the check doubts it less, by tasks/second_pass.

    `again` has the text of `decoded`, aligned if the transcript is.
    """
    language = decoded.language
    speech = second_speech(audio.samples, segments_of(transcript.result, language), first=transcribe.vad_method)
    result, decisions = choose(
        transcript.result,
        decoded.stretches,
        again.result["segments"],
        language,
        speech,
        lambda segments: _in_text(segments, speech, language, options),
        options.check_logprob,
    )
    chosen = replace(
        transcript,
        language=language if result["segments"] else transcript.language,
        result=result,
        aligned_by=transcript.aligned_by or again.aligned_by,
        provisional=transcript.provisional or again.provisional,
        note=None if result["segments"] else transcript.note,
    )
    quality = _judge(chosen, audio, speech, diarization, options, fewest_speakers)
    return SecondPass(chosen, replace(quality, second_pass=decisions))


@stage_task("check again", kept=True)
def check_again(
    file: AudioFile,
    audio: Audio,
    transcript: Transcript,
    decoded: DecodedAgain,
    again: Transcript | DecodedAgain,
    diarization: Diarization | None,
    options: CheckOptions,
    transcribe: TranscribeOptions,
    diarize: DiarizeOptions | None,
) -> SecondPass:
    """Choose between the texts of one file; `again` is the aligned text, or `decoded` itself without alignment."""
    again = again.transcript if isinstance(again, DecodedAgain) else again
    audio = with_damage(audio, file)
    second = choose_texts(transcript, decoded, again, audio, diarization, options, transcribe, _fewest(diarize))
    if second.transcript.provisional:
        keep_no_result()
    return second
