"""`--temperature_fallback`: chunks that are decoded badly are decoded again with sampling, as faster-whisper does it.

WhisperX decodes all chunks side by side at temperature 0 and never looks at the thresholds.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import TranscriptionOptions, get_compression_ratio
from whisperx.asr import WhisperModel

from tasks.whisper.features import log_mel

Segment = dict[str, Any]


def decode_again(
    model: WhisperModel,
    chunks: list[npt.NDArray[np.float32]],
    segments: list[Segment],
    tokenizer: Tokenizer,
    options: TranscriptionOptions,
) -> Iterator[Segment]:
    """Yield the segments, one of each chunk's sound, with those decoded again that fail a threshold of the options.

    Of all temperatures' texts the first that passes is taken, else the likeliest. What Whisper then takes for silence
    is left out.
    """
    prompt = _prompt(model, tokenizer, options)
    for chunk, segment in zip(chunks, segments, strict=True):
        if _passes(segment, options):
            yield segment
            continue
        encoded = model.encode(log_mel(model, chunk))
        result, avg_logprob, *_ = model.generate_with_fallback(encoded, prompt, tokenizer, options)
        if not _is_silence(result.no_speech_prob, avg_logprob, options):
            text = tokenizer.tokenizer.decode([token for token in result.sequences_ids[0] if token < tokenizer.eot])
            yield {**segment, "text": text, "avg_logprob": avg_logprob}


def _passes(segment: Segment, options: TranscriptionOptions) -> bool:
    """Return whether the text decoded at temperature 0 passes the thresholds."""
    most, least = options.compression_ratio_threshold, options.log_prob_threshold
    repetitive = most is not None and get_compression_ratio(segment["text"].strip()) > most
    unlikely = least is not None and segment["avg_logprob"] < least
    return options.temperatures[0] == 0 and not repetitive and not unlikely


def _is_silence(no_speech_prob: float, avg_logprob: float, options: TranscriptionOptions) -> bool:
    most, least = options.no_speech_threshold, options.log_prob_threshold
    return most is not None and least is not None and no_speech_prob > most and avg_logprob < least


def _prompt(model: WhisperModel, tokenizer: Tokenizer, options: TranscriptionOptions) -> list[int]:
    """Return the prompt that WhisperX gives to every chunk."""
    said = tokenizer.encode(" " + options.initial_prompt.strip()) if options.initial_prompt is not None else []
    prompt: list[int] = model.get_prompt(
        tokenizer, said, without_timestamps=options.without_timestamps, hotwords=options.hotwords
    )
    return prompt
