"""Decoding the speech of one file to segments. WhisperX is imported here: import this where it is needed."""

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import TranscriptionOptions
from whisperx.asr import find_numeral_symbol_tokens
from whisperx.audio import SAMPLE_RATE

from tasks.models.compute_limits import compute_limits
from tasks.whisper.batching import Batches
from tasks.whisper.speech import Chunk
from tasks.whisper.temperature_fallback import Segment, decode_again


def decode_speech(
    whisper: Batches,
    audio: npt.NDArray[np.float32],
    speech: list[Chunk],
    language: str,
    decoding: TranscriptionOptions,
    batch_size: int,
    *,
    task: Literal["transcribe", "translate"],
    suppress_numerals: bool,
    temperature_fallback: bool,
    print_progress: bool,
) -> list[Segment]:
    """Return the segments that `FasterWhisperPipeline.transcribe` makes of the chunks of speech.

    With `temperature_fallback`, chunks that come out badly are decoded again, which WhisperX does not do.
    """
    model = whisper.model
    tokenizer = Tokenizer(model.hf_tokenizer, model.model.is_multilingual, task=task, language=language)
    if suppress_numerals:
        decoding = replace(decoding, suppress_tokens=without_numerals(decoding.suppress_tokens, tokenizer))
    chunks = [audio[int(chunk["start"] * SAMPLE_RATE) : int(chunk["end"] * SAMPLE_RATE)] for chunk in speech]
    segments: list[Segment] = []
    decoded = whisper.decode(chunks, tokenizer, decoding, batch_size)
    for chunk, (text, avg_logprob) in zip(speech, decoded, strict=True):
        times = {"start": round(chunk["start"], 3), "end": round(chunk["end"], 3)}
        segments.append({"text": text, **times, "avg_logprob": avg_logprob})
        if print_progress:
            print(f"Progress: {len(segments) / len(speech) * 100:.2f}%...")  # noqa: T201, as WhisperX does
    if temperature_fallback:
        with compute_limits.slots:
            segments = list(decode_again(model, chunks, segments, tokenizer, decoding))
    return [{key: _plain(value) for key, value in segment.items()} for segment in segments]


def without_numerals(suppressed: list[int], tokenizer: Tokenizer) -> list[int]:
    """Return the tokens to suppress, with all that hold a digit or a symbol that is read with a number."""
    return list({*find_numeral_symbol_tokens(tokenizer), *suppressed})


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
