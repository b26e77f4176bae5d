"""Word timings from Whisper's cross-attention, for `--align_model whisper`: no aligner, any language, same model."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.alignment.punkt import sentence_splitter
from tasks.load_audio import SAMPLE_RATE
from tasks.models.cache import ModelOptions, share
from tasks.transcribe import TranscribeOptions, Transcript
from tasks.whisper.features import log_mel
from tasks.whisper.loading import whisper_model

Word = dict[str, Any]


def time_words(
    transcript: Transcript,
    audio: npt.NDArray[np.float32],
    options: TranscribeOptions,
    models: ModelOptions,
) -> Transcript:
    """Return the transcript in the form of `whisperx.align`: a segment for each sentence, with its `words`.

    The times are those of dynamic time warping over the attention heads that the model's config names
    (`alignment_heads`), as faster-whisper takes them for `word_timestamps`; the score of a word is its probability.
    """
    from faster_whisper.tokenizer import Tokenizer

    model = whisper_model(options, models)
    tokenizer = Tokenizer(
        model.hf_tokenizer, model.model.is_multilingual, task=options.task, language=transcript.language
    )
    segments: list[dict[str, Any]] = []
    for segment in transcript.result["segments"]:
        with share.computing:
            words = _timed_words(segment, audio, model, tokenizer)
        segments += _sentences(segment, words, transcript.language)
    return Transcript(
        transcript.language,
        {"segments": segments, "word_segments": [word for segment in segments for word in segment["words"]]},
    )


def _timed_words(segment: dict[str, Any], audio: npt.NDArray[np.float32], model: Any, tokenizer: Any) -> list[Word]:
    from whisperx.audio import HOP_LENGTH, N_SAMPLES

    chunk = audio[int(segment["start"] * SAMPLE_RATE) : int(segment["end"] * SAMPLE_RATE)][:N_SAMPLES]
    if len(chunk) < HOP_LENGTH:  # beyond the end of the audio: faster-whisper fails at no frames
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


def _sentences(segment: dict[str, Any], words: list[Word], language: str) -> list[dict[str, Any]]:
    """Split a segment into its sentences; each takes the words that begin in it, and its times from them."""
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
    """Join pieces that no space parts (punctuation is a piece of its own) into the words that readers see."""
    words: list[Word] = []
    for piece in pieces:
        if words and not piece["word"].startswith(" ") and not _spaceless(piece["word"]):
            last = words[-1]
            last.update(word=last["word"] + piece["word"], end=max(last["end"], piece["end"]))
        else:
            words.append(dict(piece))
    return [word for word in words if word["word"].strip()]


def _spaceless(text: str) -> bool:
    """Tell whether the text is of a script that writes no spaces, whose pieces are words already."""
    return any("\u3040" <= character <= "\u30ff" or "\u4e00" <= character <= "\u9fff" for character in text)
