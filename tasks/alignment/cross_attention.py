"""Word timings from Whisper's cross-attention, for `--align_model whisper`: no aligner, any language, same model."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tasks.alignment.punkt import sentence_splitter
from tasks.audio.types import SAMPLE_RATE
from tasks.models.compute_limits import compute_limits
from tasks.whisper.features import log_mel

if TYPE_CHECKING:
    from whisperx.asr import WhisperModel

Segment = dict[str, Any]
Word = dict[str, Any]


def time_words(
    segments: list[Segment],
    language: str,
    audio: npt.NDArray[np.float32],
    model: "WhisperModel",
    task: str,
) -> dict[str, Any]:
    """Return what `whisperx.align` returns: `segments`, one for each sentence, and `word_segments`.

    The times are those of dynamic time warping over the attention heads that the model's config names
    (`alignment_heads`), as faster-whisper takes them for `word_timestamps`; the score of a word is its probability.
    """
    from faster_whisper.tokenizer import Tokenizer

    tokenizer = Tokenizer(model.hf_tokenizer, model.model.is_multilingual, task=task, language=language)
    timed: list[Segment] = []
    for segment in segments:
        with compute_limits.slots:
            words = _timed_words(segment, audio, model, tokenizer)
        timed += _sentences(segment, words, language)
    return {"segments": timed, "word_segments": [word for segment in timed for word in segment["words"]]}


def _timed_words(segment: Segment, audio: npt.NDArray[np.float32], model: "WhisperModel", tokenizer: Any) -> list[Word]:
    from whisperx.audio import HOP_LENGTH, N_SAMPLES

    chunk = audio[int(segment["start"] * SAMPLE_RATE) : int(segment["end"] * SAMPLE_RATE)][:N_SAMPLES]
    if len(chunk) < HOP_LENGTH:  # beyond the end of the audio; faster-whisper fails without frames
        return []
    encoded = model.encode(log_mel(model, chunk))
    tokens = tokenizer.encode(segment["text"])
    found = model.find_alignment(tokenizer, [tokens], encoded, len(chunk) // HOP_LENGTH)[0]
    latest = segment["end"]
    return [
        {
            "word": word["word"],
            "start": round(min(segment["start"] + float(word["start"]), latest), 3),
            "end": round(min(segment["start"] + float(word["end"]), latest), 3),
            "score": round(float(word["probability"]), 3),
        }
        for word in found
    ]


def _sentences(segment: Segment, words: list[Word], language: str) -> list[Segment]:
    """Split a segment into sentences; each gets the words that begin in it, and its times from them."""
    text, sentences, position = segment["text"], [], 0
    words = _whole_words(words)
    for start, end in sentence_splitter(language).span_tokenize(text):
        inside: list[Word] = []
        while words and text.find(words[0]["word"].strip(), position) < end:
            word = words.pop(0)
            position = max(text.find(word["word"].strip(), position), position) + len(word["word"].strip())
            inside.append({**word, "word": word["word"].strip()})
        sentence = {
            "start": inside[0]["start"] if inside else segment["start"],
            "end": inside[-1]["end"] if inside else segment["end"],
            "text": text[start:end],
            "words": inside,
        }
        if "avg_logprob" in segment:
            sentence["avg_logprob"] = segment["avg_logprob"]
        sentences.append(sentence)
    return sentences


def _whole_words(pieces: list[Word]) -> list[Word]:
    """Join pieces without a space between them (punctuation is a piece of its own) into words."""
    words: list[Word] = []
    for piece in pieces:
        if words and not piece["word"].startswith(" ") and not _spaceless(piece["word"]):
            last = words[-1]
            last.update(word=last["word"] + piece["word"], end=max(last["end"], piece["end"]))
        else:
            words.append(dict(piece))
    return [word for word in words if word["word"].strip()]


def _spaceless(text: str) -> bool:
    """Return whether the text is in a script without spaces, where each piece is a word already."""
    return any("\u3040" <= character <= "\u30ff" or "\u4e00" <= character <= "\u9fff" for character in text)
