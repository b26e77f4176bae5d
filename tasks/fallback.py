"""`--temperature_fallback`: chunks that are decoded badly are decoded again with sampling, as faster-whisper does it.

WhisperX decodes all chunks side by side at temperature 0 and never looks at the thresholds.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import TranscriptionOptions, get_compression_ratio
from whisperx.asr import FasterWhisperPipeline, find_numeral_symbol_tokens
from whisperx.audio import SAMPLE_RATE

from tasks.speech import Chunk

Segment = dict[str, Any]


def decode_again(
    pipeline: FasterWhisperPipeline,
    audio: npt.NDArray[np.float32],
    chunks: list[Chunk],
    segments: list[Segment],
    tokenizer: Tokenizer,
) -> Iterator[Segment]:
    """Yield the segments, one of each chunk, with those decoded again that fail a threshold of `pipeline.options`.

    Of all temperatures' texts the first that passes is taken, else the likeliest. What Whisper then takes for silence
    is left out.
    """
    options: TranscriptionOptions = pipeline.options
    if all(_passes(segment, options) for segment in segments):
        yield from segments
        return
    if pipeline.suppress_numerals:
        numerals = find_numeral_symbol_tokens(tokenizer)
        options = replace(options, suppress_tokens=[*options.suppress_tokens, *numerals])
    prompt = _prompt(pipeline.model, tokenizer, options)
    for chunk, segment in zip(chunks, segments, strict=True):
        if _passes(segment, options):
            yield segment
            continue
        sound = audio[int(chunk["start"] * SAMPLE_RATE) : int(chunk["end"] * SAMPLE_RATE)]
        encoded = pipeline.model.encode(pipeline.preprocess({"inputs": sound})["inputs"])
        result, avg_logprob, *_ = pipeline.model.generate_with_fallback(encoded, prompt, tokenizer, options)
        if not _is_silence(result.no_speech_prob, avg_logprob, options):
            text = tokenizer.tokenizer.decode([token for token in result.sequences_ids[0] if token < tokenizer.eot])
            yield {**segment, "text": text, "avg_logprob": avg_logprob}


def _passes(segment: Segment, options: TranscriptionOptions) -> bool:
    """Tell whether what was decoded at temperature 0 may stay."""
    most, least = options.compression_ratio_threshold, options.log_prob_threshold
    repetitive = most is not None and get_compression_ratio(segment["text"].strip()) > most
    unlikely = least is not None and segment["avg_logprob"] < least
    return options.temperatures[0] == 0 and not repetitive and not unlikely


def _is_silence(no_speech_prob: float, avg_logprob: float, options: TranscriptionOptions) -> bool:
    most, least = options.no_speech_threshold, options.log_prob_threshold
    return most is not None and least is not None and no_speech_prob > most and avg_logprob < least


def _prompt(model: Any, tokenizer: Tokenizer, options: TranscriptionOptions) -> list[int]:
    """Return the prompt that WhisperX gives to every chunk."""
    said = tokenizer.encode(" " + options.initial_prompt.strip()) if options.initial_prompt is not None else []
    prompt: list[int] = model.get_prompt(
        tokenizer, said, without_timestamps=options.without_timestamps, hotwords=options.hotwords
    )
    return prompt
