"""tasks/alignment/cross_attention.py: word timings as faster-whisper takes them, in the form that WhisperX writes."""

import numpy as np
import pytest
from conftest import TWO_SPEAKERS

from tasks.align import AlignOptions, align_transcript
from tasks.alignment.cross_attention import _whole_words
from tasks.load_audio import as_float, decode
from tasks.models.cache import ModelOptions, share
from tasks.transcribe import TranscribeOptions, Transcript, transcribe_samples
from tasks.whisper.loading import whisper_model

CPU = ModelOptions(device="cpu", threads=1)


@pytest.fixture(scope="module", name="timed")
def _timed(tiny_en: str) -> tuple[Transcript, Transcript]:
    """A telephone call, before and after its words are timed."""
    share.take(parallel=1, threads=1)
    options = TranscribeOptions(model=tiny_en, language="en", compute_type="int8")
    samples = decode(str(TWO_SPEAKERS))
    spoken = transcribe_samples(samples, options, CPU)
    return spoken, align_transcript(spoken, samples, AlignOptions(align_model="whisper"), options, CPU)


def test_no_word_is_lost(timed: tuple[Transcript, Transcript]) -> None:
    """Neither in the segments' text nor among the words."""
    spoken, aligned = timed
    text = " ".join(segment["text"] for segment in spoken.result["segments"]).split()
    assert [word["word"] for word in aligned.result["word_segments"]] == text
    assert " ".join(segment["text"] for segment in aligned.result["segments"]).split() == text
    for segment in aligned.result["segments"]:
        assert [word["word"] for word in segment["words"]] == segment["text"].split()


def test_segments_are_sentences_with_the_times_of_their_words(timed: tuple[Transcript, Transcript]) -> None:
    """In order, inside the chunk that they come from."""
    spoken, aligned = timed
    assert len(aligned.result["segments"]) > len(spoken.result["segments"])
    for segment in aligned.result["segments"]:
        assert segment["start"] == segment["words"][0]["start"]
        assert segment["end"] == segment["words"][-1]["end"]
    starts = [word["start"] for word in aligned.result["word_segments"]]
    assert starts == sorted(starts)
    assert all(
        0 <= word["score"] <= 1 and word["start"] <= word["end"] <= 30 for word in aligned.result["word_segments"]
    )


def test_times_agree_with_those_of_faster_whisper(timed: tuple[Transcript, Transcript], tiny_en: str) -> None:
    """Of words that both hear, half begin within a tenth of a second, although the two cut the sound differently."""
    _, aligned = timed
    model = whisper_model(TranscribeOptions(model=tiny_en, language="en", compute_type="int8"), CPU)
    segments, _ = model.transcribe(as_float(decode(str(TWO_SPEAKERS))), language="en", word_timestamps=True)
    theirs = [(word.word.strip(), word.start) for segment in segments for word in segment.words]
    apart = []
    for word in aligned.result["word_segments"]:
        near = [abs(start - word["start"]) for text, start in theirs if text == word["word"]]
        if near and min(near) < 2:
            apart.append(min(near))
    assert len(apart) > 40
    assert np.median(apart) < 0.1


def test_pieces_without_a_space_between_are_one_word() -> None:
    """Punctuation is a piece of its own; scripts that write no spaces keep their pieces."""
    pieces = [
        {"word": " wait", "start": 0.0, "end": 0.5, "score": 1.0},
        {"word": "-a", "start": 0.5, "end": 0.6, "score": 1.0},
        {"word": ".", "start": 0.6, "end": 0.7, "score": 1.0},
    ]
    assert [(word["word"], word["end"]) for word in _whole_words(pieces)] == [(" wait-a.", 0.7)]
    japanese = [{"word": word, "start": 0.0, "end": 0.1, "score": 1.0} for word in ("今日", "は")]
    assert [word["word"] for word in _whole_words(japanese)] == ["今日", "は"]


def test_a_segment_beyond_the_end_of_the_audio_keeps_its_text(tiny_en: str) -> None:
    """Without words: there is nothing to time them by."""
    options = TranscribeOptions(model=tiny_en, language="en", compute_type="int8")
    late = Transcript("en", {"segments": [{"text": " Too late.", "start": 40.0, "end": 41.0}]})
    aligned = align_transcript(late, decode(str(TWO_SPEAKERS)), AlignOptions(align_model="whisper"), options, CPU)
    assert aligned.result["segments"] == [{"start": 40.0, "end": 41.0, "text": " Too late.", "words": []}]
