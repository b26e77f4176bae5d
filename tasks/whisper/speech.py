"""Where there is speech in a file, and in which language. WhisperX is imported here: import this where it is needed."""

from typing import Any

import numpy as np
import numpy.typing as npt
from whisperx.asr import FasterWhisperPipeline
from whisperx.audio import N_SAMPLES, SAMPLE_RATE

from tasks.whisper.loading import WhisperOptions

WINDOWS = 4
"""How many times 30 s of speech may be listened to for a language that the first do not settle."""

Chunk = dict[str, Any]
"""A chunk of merged speech as WhisperX has it: `start`, `end` and its `segments`, (start, end), in seconds."""


def find_speech(
    pipeline: FasterWhisperPipeline, audio: npt.NDArray[np.float32], options: WhisperOptions
) -> list[Chunk]:
    """Return the chunks that `pipeline.transcribe` would decode."""
    vad = pipeline.vad_model
    scores = vad({"waveform": vad.preprocess_audio(audio), "sample_rate": SAMPLE_RATE})
    chunks: list[Chunk] = vad.merge_chunks(
        scores, options.chunk_size, onset=options.vad_onset, offset=options.vad_offset
    )
    return chunks


def spoken_language(pipeline: FasterWhisperPipeline, audio: npt.NDArray[np.float32], chunks: list[Chunk]) -> str:
    """Return the language, a code, of what is said.

    If half of the first 30 s is speech it is the one that WhisperX detects in them. Otherwise it is detected in speech
    alone: the first 30 s of it that are clear decide, else most of the first two minutes.
    """
    turns = [turn for chunk in chunks for turn in chunk["segments"]]
    opening = min(len(audio), N_SAMPLES) / SAMPLE_RATE
    if sum(max(0.0, min(end, opening) - start) for start, end in turns) >= opening / 2:
        return str(pipeline.detect_language(audio))
    pieces: list[npt.NDArray[np.float32]] = []
    for start, end in turns:
        pieces.append(audio[int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)])
        if sum(map(len, pieces)) >= WINDOWS * N_SAMPLES:
            break
    language, *_ = pipeline.model.detect_language(np.concatenate(pieces), language_detection_segments=WINDOWS)
    return str(language)
