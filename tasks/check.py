"""Stage check: whether a transcript can be trusted, from the sound, the text and the speaker turns. Runs on a CPU."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tasks.audio.types import Audio, AudioFile
from tasks.diarize import Diarization, DiarizeOptions
from tasks.parts.own_speech import own_speech
from tasks.parts.separate import Part, parts_of
from tasks.quality.coverage import Coverage, coverage, holes, low_coverage
from tasks.quality.density import sparse
from tasks.quality.invention import impossible, known_phrases, loops, unlikely, unspoken
from tasks.quality.language import foreign
from tasks.quality.options import CheckOptions
from tasks.quality.sound import bad_recording, bad_sound, with_damage
from tasks.quality.spans import Span
from tasks.quality.speakers import one_for_all, unlabelled
from tasks.quality.timing import low_scores, untimed, wrong_times
from tasks.quality.transcript import Finding, Segment
from tasks.quality.verdict import Decision, Quality, judge
from tasks.second_pass.choice import choose
from tasks.storage.results import keep_no_result, stage_task
from tasks.transcribe import TranscribeOptions, Transcript, of_parts
from tasks.transcribe_again import DecodedAgain

logger = logging.getLogger(__name__)


def check_transcript(
    transcript: Transcript,
    audio: Audio,
    diarization: Diarization | None,
    options: CheckOptions,
    transcribe: TranscribeOptions,
    fewest_speakers: int = 1,
    labels: tuple[str, ...] = (),
) -> Quality:
    """Return the verdict on the transcript of a recording, of which each channel, or track, is checked alone.

    `transcribe` says which voice activity detection the transcription used: speech is looked for with another one.
    `labels` are those of the speakers of its parts, if it has any.
    """
    parts = parts_of(transcript, audio, labels)
    if transcribe.task == "translate":
        parts = [replace(part, transcript=replace(part.transcript, language="en")) for part in parts]
    return _judge(parts, own_speech(parts, transcribe.vad_method), audio, diarization, options, fewest_speakers)


def _judge(
    parts: list[Part],
    speech: list[list[Span]],
    audio: Audio,
    diarization: Diarization | None,
    options: CheckOptions,
    fewest_speakers: int,
) -> Quality:
    found = [coverage(part.segments, spans) for part, spans in zip(parts, speech, strict=True)]
    findings = list(bad_recording(audio))
    for each in zip(parts, speech, found, strict=True):
        findings += _in_part(*each, options)
    if diarization and not audio.parts:  # each channel or track has its speaker already
        findings += unlabelled(parts[0].segments, diarization.turns)
        findings += one_for_all(diarization.turns, fewest_speakers)
    in_all = Coverage(sum(each.speech_s for each in found), sum(each.covered_s for each in found))
    return judge(findings, in_all, check_share=options.check_share, bad_share=options.bad_share)


def _in_part(part: Part, speech: list[Span], found: Coverage, options: CheckOptions) -> Iterator[Finding]:
    """Yield what is found in a part, by the time of the recording."""
    for finding in (
        *low_coverage(found, least_share=options.check_coverage),
        *_in_text(part.segments, speech, part.transcript.language, options),
        *wrong_times(part.segments),
        *low_scores(part.segments),
        *untimed(part.segments, part.transcript.aligned_by),
        *bad_sound(part.samples, speech),
    ):
        yield replace(finding.moved(part.offset_s), speaker=part.label)


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
    quality = check_transcript(transcript, audio, diarization, options, transcribe, _fewest(diarize), file.labels)
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
    labels: tuple[str, ...] = (),
) -> SecondPass:
    """Return the transcript with the text of the second pass where the check doubts it less, by tasks/second_pass.

    `again` has the text of `decoded`, aligned if the transcript is. Of parts the texts are chosen, then merged.
    """
    parts = parts_of(transcript, audio, labels)
    speech = own_speech(parts, transcribe.vad_method)
    passes = zip(parts, speech, decoded.parts or [decoded], again.parts or [again], strict=True)
    chosen = [_choose_in_part(*each, options) for each in passes]
    decisions = sorted((each for _, of_part in chosen for each in of_part), key=lambda each: each.start)
    texts = [text for text, _ in chosen]
    if not transcript.parts:
        transcript = texts[0]
    elif any(each.taken for each in decisions):
        merged = of_parts(texts, labels, audio)
        transcript = replace(merged, note=transcript.note) if transcript.result["segments"] else merged
    elif again.provisional:
        transcript = replace(transcript, provisional=True, parts=texts)
    heard = [replace(part, transcript=text) for part, text in zip(parts, texts, strict=True)]
    quality = _judge(heard, speech, audio, diarization, options, fewest_speakers)
    return SecondPass(transcript, replace(quality, second_pass=decisions))


def _choose_in_part(
    part: Part, speech: list[Span], decoded: DecodedAgain, again: Transcript, options: CheckOptions
) -> tuple[Transcript, list[Decision]]:
    """Return the text of a part, and the decisions by the time of the recording."""
    first, language = part.transcript, decoded.language
    result, decisions = choose(
        first.result,
        decoded.stretches,
        again.result["segments"],
        language,
        speech,
        lambda segments: _in_text(segments, speech, language, options),
        options.check_logprob,
    )
    chosen = replace(
        first,
        language=language if result["segments"] else first.language,
        result=result,
        aligned_by=_aligned_by(first, again),
        provisional=first.provisional or again.provisional,
        broken=again.broken | first.broken,
        note=None if result["segments"] else first.note,
    )
    return chosen, [replace(each.moved(part.offset_s), speaker=part.label) for each in decisions]


def _aligned_by(first: Transcript, again: Transcript) -> str | None:
    """Return what has timed the words; also what timed those of the second pass alone, if something better may."""
    if first.aligned_by and again.aligned_by and again.provisional and not first.provisional:
        return f"{first.aligned_by}, {again.aligned_by}"
    return first.aligned_by or again.aligned_by


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
    asked = options, transcribe, _fewest(diarize)
    second = choose_texts(transcript, decoded, again, audio, diarization, *asked, file.labels)
    if second.transcript.provisional:
        keep_no_result()
    return second
