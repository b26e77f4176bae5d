"""Measure the second pass: how much of what the check doubts it mends, and whether anything good gets worse.

    python benchmarks/second_pass.py FOLDER [RECORDING ...] [--second_model MODEL]

Takes the clips and transcripts of quality.py, in FOLDER, decodes again what the check doubts, with the same model or
with MODEL, and prints each decision, the errors in characters of the files that have a reference, and a table.
References: what packages and RECORDING.txt say; for texts with a hole or a loop put in, Whisper's whole text; nothing
where nobody speaks. Passages in other languages, which have none, are left out.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from cases.faults import LOOP_S, package
from quality import Transcribed, kept, models_at_hand
from rapidfuzz.distance import Levenshtein

from flows.evaluation.normalization import normalizer_of
from tasks.align import AlignOptions, align_transcript
from tasks.audio.types import SAMPLE_RATE, Audio
from tasks.check import SecondPass, check_transcript, choose_texts
from tasks.models.compute_limits import compute_limits
from tasks.models.options import ModelOptions
from tasks.quality.options import CheckOptions
from tasks.transcribe import TranscribeOptions, Transcript
from tasks.transcribe_again import SecondPassOptions, decode_again


@dataclass
class Row:
    """Clips of one kind by one model: how many, their verdicts, stretches in doubt and mended, errors, seconds."""

    clips: int = 0
    good: list[int] = field(default_factory=lambda: [0, 0])
    stretches: int = 0
    taken: int = 0
    errors: list[int] = field(default_factory=lambda: [0, 0])
    characters: int = 0
    worse: int = 0
    cpu_s: float = 0.0


def passed_again(each: Transcribed, path: str, second_model: str | None) -> SecondPass:
    """Return the transcript of a clip after the second pass, as the stages make it."""
    models = ModelOptions(device="cpu", threads=1, model_cache_only=True)
    options = TranscribeOptions(model=path, language=each.clip.language, compute_type="int8")
    audio, check = Audio(each.clip.samples), CheckOptions()
    quality = check_transcript(each.transcript, audio, None, check, options)
    second = SecondPassOptions(second_model=second_model)
    decoded = decode_again(each.transcript, quality, audio, options, second, models)
    aligned = align_transcript(
        decoded.transcript, each.clip.samples, AlignOptions(align_model="whisper"), options, models
    )
    return choose_texts(each.transcript, decoded, aligned, audio, None, check, options)


def references(made: list[Transcribed], more: list[str]) -> dict[tuple[str, str], str]:
    """Return what is said in the clips, by model and name, as far as that is known."""
    audio = package("pytest_audioeval") / "samples" / "audio"
    said = {f"{path.parent.name}/{path.stem}": path.read_text() for path in audio.glob("*/*.txt")}
    said |= {path.stem: path.read_text() for path in (Path(each).with_suffix(".txt") for each in more) if path.exists()}
    whole = {(each.model, each.clip.name): text_of(each.transcript) for each in made}
    found = {}
    for each in made:
        name, kind = each.clip.name, each.clip.kind
        if kind == "real speech" and name in said:
            found[each.model, name] = said[name]
        elif each.clip.dropped or each.clip.looped:
            found[each.model, name] = whole[each.model, name.rpartition(" with a ")[0]]
        elif kind == "no speech":
            found[each.model, name] = ""
        elif kind == "noise after speech":
            found[each.model, name] = whole[each.model, "sample"]
        elif kind == "loop":
            clip = name.removesuffix(", repeated")
            seconds = next(len(one.clip.samples) for one in made if one.clip.name == clip) / SAMPLE_RATE
            found[each.model, name] = " ".join([said[clip]] * int(LOOP_S / seconds))
    return found


def text_of(transcript: Transcript) -> str:
    """Return all of its text."""
    return " ".join(segment["text"].strip() for segment in transcript.result["segments"])


def compared(reference: str, texts: list[str], language: str) -> Iterator[tuple[int, int]]:
    """Yield for each text the characters that differ from the reference, and how many that has."""
    normalizer = normalizer_of(language)
    characters = [normalizer.characters(normalizer.words(text)) for text in (reference, *texts)]
    for text in characters[1:]:
        yield Levenshtein.distance(characters[0], text), len(characters[0])


def main(folder: str, more: list[str], second_model: str | None) -> None:
    """Print what was decided of each stretch, and the table."""
    compute_limits.configure(parallel=1, threads=1)
    torch.set_num_threads(1)
    made, models = kept(Path(folder), more), models_at_hand()
    said = references(made, more)
    rows: dict[tuple[str, str], Row] = {}
    for each in made:
        reference = said.get((each.model, each.clip.name))
        if reference is None and each.clip.kind != "real speech":
            continue
        row = rows.setdefault((each.clip.kind, each.model), Row())
        began = time.process_time()
        second = passed_again(each, models[each.model], second_model)
        row.cpu_s += time.process_time() - began
        before = check_transcript(each.transcript, Audio(each.clip.samples), None, CheckOptions(), TranscribeOptions())
        row.clips += 1
        for i, quality in enumerate((before, second.quality)):
            row.good[i] += quality.verdict == "good"
        for decision in second.quality.second_pass:
            row.stretches += 1
            row.taken += decision.taken
            print(each.model, each.clip.kind, each.clip.name, decision, sep=" | ")
        if reference is not None:
            texts = [text_of(each.transcript), text_of(second.transcript)]
            (first, length), (after, _) = compared(reference, texts, each.clip.language)
            row.errors[0] += first
            row.errors[1] += after
            row.characters += length
            row.worse += after > first
            if first != after:
                print(each.model, each.clip.kind, each.clip.name, f"errors {first} -> {after} of {length}", sep=" | ")
    head = "clips", "model", "number", "good", "stretches in doubt", "mended", "errors", "of", "clips worse", "CPU s"
    print(f"\n| {' | '.join(head)} |\n{'|---' * len(head)}|")
    for (kind, model), row in rows.items():
        good, errors = (f"{first} → {after}" for first, after in (row.good, row.errors))
        cells = kind, model, row.clips, good, row.stretches, row.taken, errors, row.characters, row.worse
        print(f"| {' | '.join(map(str, cells))} | {row.cpu_s:.1f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("recordings", nargs="*")
    parser.add_argument("--second_model")
    arguments = parser.parse_args()
    main(arguments.folder, arguments.recordings, arguments.second_model)
