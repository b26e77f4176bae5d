"""Decoding a stretch of a file once more, as faster-whisper does it and WhisperX does not.

Unbatched, with Whisper's ladder of temperatures and its thresholds, with timestamps, and with more sound around.
WhisperX is imported here: import this where it is needed.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from faster_whisper.tokenizer import Tokenizer

from tasks.audio.types import SAMPLE_RATE
from tasks.models.compute_limits import compute_limits
from tasks.quality.verdict import Decoded
from tasks.second_pass.stretches import Stretch
from tasks.transcribe import TranscribeOptions
from tasks.whisper.decoding import without_numerals
from tasks.whisper.prompts import fitted_prompt
from tasks.whisper.speech import WINDOWS

if TYPE_CHECKING:
    from faster_whisper.transcribe import Word
    from whisperx.asr import WhisperModel

CONTEXT_S = 5.0
"""So much sound before and after a stretch is heard with it."""
ONSET = 0.5
"""The share of `vad_onset` that is the threshold of silero here: lower, since the first pass may have missed speech."""
LEAST_S = 0.1
"""The encoder needs some sound; shorter files have no stretch of speech either."""
EDGE_S = 0.2
"""How far a piece reaches into the silence around its words: Whisper's attention times them too tight for aligners."""


def decode_stretches(
    stretches: list[Stretch],
    audio: npt.NDArray[np.float32],
    language: str,
    options: TranscribeOptions,
    model: "WhisperModel",
) -> None:
    """Set what is said in each stretch of 16 kHz mono `audio`, shape (samples,), or why it is left as it is."""
    settings = _settings(language, options, model)
    for stretch in stretches:
        if stretch.left is None and stretch.kinds == ["language"]:
            stretch.left = _other_language(stretch, audio, language, model)
        if stretch.left is None:
            with compute_limits.slots:
                stretch.decoded = list(_decode(stretch, audio, model, settings))


def language_of(stretches: list[Stretch], audio: npt.NDArray[np.float32], model: "WhisperModel") -> str:
    """Return the language, a code, of what is said in the stretches."""
    sounds = [_sound(stretch, audio) for stretch in stretches]
    with compute_limits.slots:
        language, *_ = model.detect_language(np.concatenate(sounds), language_detection_segments=WINDOWS)
    return str(language)


def _sound(stretch: Stretch, audio: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return audio[int(stretch.start * SAMPLE_RATE) : int(stretch.end * SAMPLE_RATE)]


def _settings(language: str, options: TranscribeOptions, model: "WhisperModel") -> dict[str, Any]:
    """Return the arguments of `WhisperModel.transcribe`; its defaults are Whisper's temperatures and thresholds."""
    suppressed = [int(token) for token in options.suppress_tokens.split(",")]
    if options.suppress_numerals:
        tokenizer = Tokenizer(model.hf_tokenizer, model.model.is_multilingual, task=options.task, language=language)
        suppressed = without_numerals(suppressed, tokenizer)
    return {
        "language": language,
        "beam_size": options.beam_size or 5,
        "patience": options.patience,
        "length_penalty": options.length_penalty,
        "suppress_tokens": suppressed,
        "initial_prompt": fitted_prompt(options.initial_prompt, options.hotwords, model),
        "hotwords": options.hotwords,
        "condition_on_previous_text": False,  # text of before a fault would carry it on
        "word_timestamps": True,
        "vad_filter": True,
        "vad_parameters": {"threshold": ONSET * options.vad_onset},
    }


def _other_language(
    stretch: Stretch, audio: npt.NDArray[np.float32], language: str, model: "WhisperModel"
) -> str | None:
    """Return that another language is spoken in the stretch: its text is right then, and would be translated."""
    sound = _sound(stretch, audio)
    if not model.model.is_multilingual or len(sound) < LEAST_S * SAMPLE_RATE:
        return None
    with compute_limits.slots:
        heard, *_ = model.detect_language(sound)
    return None if heard == language else f"Whisper hears {heard!r} there"


def _decode(
    stretch: Stretch, audio: npt.NDArray[np.float32], model: "WhisperModel", settings: dict[str, Any]
) -> Iterator[Decoded]:
    """Yield the pieces of text in a stretch. What is said before and after it is left out, by the words' times."""
    shift = max(stretch.start - CONTEXT_S, 0.0)
    sound = audio[int(shift * SAMPLE_RATE) : int((stretch.end + CONTEXT_S) * SAMPLE_RATE)]
    if len(sound) < LEAST_S * SAMPLE_RATE:
        return
    pieces, _ = model.transcribe(sound, **settings)
    inside = [
        (piece, words)
        for piece in pieces
        if (words := [word for word in piece.words if stretch.start <= shift + _middle(word) < stretch.end])
    ]
    for number, (piece, words) in enumerate(inside):
        earliest = inside[number - 1][1][-1].end if number else stretch.start - shift
        latest = inside[number + 1][1][0].start if number + 1 < len(inside) else stretch.end - shift
        yield Decoded(
            round(shift + float(max(words[0].start - EDGE_S, earliest)), 3),
            round(shift + float(min(words[-1].end + EDGE_S, latest)), 3),
            " " + "".join(word.word for word in words).strip(),
            round(float(piece.avg_logprob), 4),
            round(float(piece.no_speech_prob), 4),
            round(float(piece.compression_ratio), 2),
            round(float(piece.temperature), 1),
        )


def _middle(word: "Word") -> float:
    """Return the middle of a word, in seconds from the start of the sound."""
    return (float(word.start) + float(word.end)) / 2
