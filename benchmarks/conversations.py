"""Measure what a channel for each speaker is worth: cpWER of conversations by channel, and of their mix, diarized.

    python benchmarks/conversations.py [MODEL_DIR]

Two speakers of cases/stereo.py, in turns or at once, hear each other on their channels, softly. The reference is what
Whisper base writes of each of them alone, so the figures are errors that the others' speech makes. Words are timed by
Whisper's attention; the mix is diarized by `campplus`, told that there are two speakers. MODEL_DIR has its weights.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from cases.stereo import monologue
from quality import models_at_hand

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from calls import Sound, at, call, noise, room, samples_of

from flows.evaluation.normalization import normalizer_of
from flows.evaluation.speaker_rates import cpwer
from flows.evaluation.transcripts.recording import Segment, in_order
from tasks.align import AlignOptions, align_transcript
from tasks.audio.types import SAMPLE_RATE, Samples
from tasks.channels.crosstalk import without_crosstalk
from tasks.channels.merging import Result, merged
from tasks.diarize import DiarizeOptions, assign_speakers, diarize_samples
from tasks.models.compute_limits import compute_limits
from tasks.models.options import ModelOptions
from tasks.transcribe import TranscribeOptions, Transcript, transcribe_samples

BLEEDS_DB = (-90, -20, -15)


def conversations() -> Iterator[tuple[str, Sound, Sound]]:
    """Yield two speakers, each alone."""
    a, b = call()
    yield "a call, talking over each other", a, np.roll(b, -2 * SAMPLE_RATE)
    c, d = monologue("trn03"), at(6, monologue("trn06"))
    yield "two who never stop talking", c, d


def heard(speaker: Sound, other: Sound, bleed_db: float, seed: int) -> Samples:
    """Return the channel of a speaker, which has the other's speech too, through the room, and noise."""
    return samples_of(speaker + at(bleed_db, room(other, seed, delay=100)) + noise(len(speaker), -65, seed))


def transcribed(samples: Samples, model: str) -> Result:
    """Return the result of Whisper with timed words."""
    models = ModelOptions(device="cpu", threads=1, model_cache_only=True)
    options = TranscribeOptions(model=model, language="en", compute_type="int8", vad_method="silero")
    transcript = transcribe_samples(samples, options, models)
    return align_transcript(transcript, samples, AlignOptions(align_model="whisper"), options, models).result


def diarized(samples: Samples, model: str, model_dir: str | None) -> Result:
    """Return the result of a mix, with speakers."""
    transcript = Transcript("en", transcribed(samples, model))
    models = ModelOptions(device="cpu", threads=1, model_dir=model_dir)
    options = DiarizeOptions(diarize_model="campplus", num_speakers=2)
    assign_speakers(transcript, diarize_samples(samples, options, models))
    return transcript.result


def spoken(result: Result) -> Sequence[Segment]:
    """Return the words of a result, normalized, with their speakers."""
    normalized = normalizer_of("en").normalized
    words = [(each, segment) for segment in result["segments"] for each in segment["words"]]
    return in_order(
        [Segment(normalized(w["word"]), w["start"], w["end"], w.get("speaker", s.get("speaker"))) for w, s in words]
    )


def main(model_dir: str | None) -> None:
    """Print the table."""
    compute_limits.configure(parallel=1, threads=1)
    torch.set_num_threads(1)
    model = models_at_hand()["base"]
    for name, a, b in conversations():
        alone = [transcribed(samples_of(each + noise(len(each), -65)), model) for each in (a, b)]
        reference = spoken(merged(alone, "AB"))
        for bleed_db in BLEEDS_DB:
            channels = [heard(a, b, bleed_db, 1), heard(b, a, bleed_db, 2)]
            parts = [transcribed(each, model) for each in channels]
            mix = samples_of((channels[0].astype(float) + channels[1]) / 65536)
            rates = [
                cpwer(reference, spoken(result))
                for result in (
                    diarized(mix, model, model_dir),
                    merged(parts, "AB"),
                    merged(without_crosstalk(parts, channels), "AB"),
                )
            ]
            figures = "  ".join(f"{rate.errors:3.0f} {rate.value:4.0%}" for rate in rates)
            print(f"{name:36} {bleed_db:4} dB  {rates[0].length:3.0f} words  {figures}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
