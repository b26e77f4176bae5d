"""Files of five languages through the stages that models run in, with nothing said about their languages."""

import json
import subprocess
from collections import Counter
from pathlib import Path

import jiwer
import numpy as np
import pytest
from conftest import SAMPLES

from tasks.align import AlignOptions, align_transcript
from tasks.load_audio import Samples, as_float, decode
from tasks.models.cache import ModelOptions, loads, share
from tasks.transcribe import TranscribeOptions, Transcript, transcribe_samples
from tasks.whisper.loading import pipelines

HERE = ModelOptions(device="cpu", threads=2)  # as no other test has it, so that its aligners are loaded anew
CLIPS = {
    "fr/pangrama": 0.4,
    "ja/pangrama": 0.9,
    "en/quick_brown_fox": 0.1,
    "zh/pangrama": 0.9,
    "es/pangrama": 0.4,
    "ja/konnichiwa_sekai": 0.2,
    "en/hello_world": 0.1,
    "fr/bonjour_monde": 0.2,
}
"""The most characters in a hundredth part that Whisper base may get wrong; no language follows itself."""


@pytest.fixture(scope="module", name="options")
def _options(base: str) -> TranscribeOptions:
    share.take(parallel=1, threads=1)
    return TranscribeOptions(model=base, compute_type="int8")


@pytest.fixture(scope="module", name="batch")
def _batch(
    options: TranscribeOptions, small_models: Path
) -> tuple[dict[str, Transcript], dict[str, Transcript], Counter[str]]:
    """The clips' transcripts before and after alignment, and the models that were loaded for it."""
    languages = ("es", "fr", "ja", "zh")
    named = ",".join(f"{language}={small_models}/align-{language}" for language in languages)
    align = AlignOptions(align_model=f"English={small_models}/align-tiny,{named}")
    before, spoken, aligned = loads.copy(), {}, {}
    for clip in CLIPS:
        samples = decode(str(SAMPLES / f"{clip}.wav"))
        spoken[clip] = transcribe_samples(samples, options, HERE)
        aligned[clip] = align_transcript(spoken[clip], samples, align, options, HERE)
    return spoken, aligned, loads - before


def text_of(transcript: Transcript) -> str:
    """Return all that is said, without the spaces that alignment takes or adds."""
    return "".join("".join(segment["text"] for segment in transcript.result["segments"]).split())


def test_each_file_is_transcribed_in_its_own_language(batch: tuple[dict[str, Transcript], ...]) -> None:
    """With an error rate that says so."""
    spoken, *_ = batch
    assert {clip: transcript.language for clip, transcript in spoken.items()} == {clip: clip[:2] for clip in CLIPS}
    clean = jiwer.Compose([jiwer.ToLowerCase(), jiwer.RemovePunctuation(), jiwer.RemoveWhiteSpace()])
    rates = {
        clip: jiwer.cer(clean((SAMPLES / f"{clip}.txt").read_text(encoding="utf-8")), clean(text_of(transcript)))
        for clip, transcript in spoken.items()
    }
    print({clip: round(rate, 2) for clip, rate in rates.items()})  # noqa: T201 - shown with -s, and on failure
    assert {clip for clip, rate in rates.items() if rate > CLIPS[clip]} == set()


def test_each_language_has_its_own_aligner_which_is_loaded_once(batch: tuple[dict[str, Transcript], ...]) -> None:
    """Although the languages take turns; all that was said is among the words, each with its time."""
    spoken, aligned, loaded = batch
    assert loaded["align"] == len({clip[:2] for clip in CLIPS})
    for clip, transcript in aligned.items():
        assert Path(str(transcript.aligned_by)).name == ("align-tiny" if clip[:2] == "en" else f"align-{clip[:2]}")
        assert not transcript.provisional
        words = transcript.result["word_segments"]
        assert "".join(word["word"] for word in words) == text_of(spoken[clip]) == text_of(transcript)
        assert all(word["start"] <= word["end"] for word in words)


def noise(seconds: int) -> Samples:
    """Return faint noise, in which nobody speaks."""
    return np.random.default_rng(0).normal(0, 30, seconds * 16_000).astype(np.int16)


@pytest.mark.parametrize(("language", "clip"), [("es", "conteo"), ("ja", "pangrama")])
def test_the_language_is_that_of_the_speech_not_of_what_comes_before_it(
    options: TranscribeOptions, language: str, clip: str
) -> None:
    """WhisperX listens to the first 30 s, whatever is in them."""
    audio = np.concatenate([noise(40), decode(str(SAMPLES / language / f"{clip}.wav"))])
    with pipelines(options, HERE).lend() as pipeline:
        theirs = pipeline.detect_language(as_float(audio))
    assert theirs != language
    assert transcribe_samples(audio, options, HERE).language == language


def test_a_file_that_begins_with_speech_is_taken_for_the_language_that_whisperx_takes_it_for(
    options: TranscribeOptions,
) -> None:
    """Right or wrong: its outputs are to be the same. Base hears Czech where Polish numbers are counted."""
    audio = decode(str(SAMPLES / "pl" / "liczenie.wav"))
    with pipelines(options, HERE).lend() as pipeline:
        theirs = pipeline.transcribe(as_float(audio), options.batch_size)
        assert pipeline.tokenizer is None
    ours = transcribe_samples(audio, options, HERE)
    assert (ours.language, ours.result["segments"]) == (theirs["language"], theirs["segments"])


def test_one_files_language_and_prompt_do_not_reach_the_next(options: TranscribeOptions) -> None:
    """Though all share the weights and the pipelines."""
    samples = decode(str(SAMPLES / "es" / "pangrama.wav"))
    before, alone = loads.copy(), transcribe_samples(samples, options, HERE)
    own = {
        "language": "fr",
        "initial_prompt": "Un conte.",
        "hotwords": "whisky",
        "beam_size": 1,
        "suppress_numerals": True,
    }
    other = transcribe_samples(samples, options.model_copy(update=own), HERE)
    assert other.language == "fr"
    assert other.result["segments"] != alone.result["segments"]
    translated = transcribe_samples(samples, options.model_copy(update={"task": "translate"}), HERE)
    assert translated.language == "es"
    assert translated.result["segments"] != alone.result["segments"]
    assert transcribe_samples(samples, options, HERE) == alone
    assert loads == before


def test_the_language_that_whisperx_writes_is_en_whatever_it_has_detected(
    base: str, environment: dict[str, str], tmp_path: Path, batch: tuple[dict[str, Transcript], ...]
) -> None:
    """The program, with nothing said of the language: the text is Spanish."""
    command = ["whisperx", str(SAMPLES / "es" / "pangrama.wav"), "--model", base, "--compute_type", "int8"]
    command += ["--no_align", "--device", "cpu", "-f", "json", "-o", str(tmp_path)]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    theirs, ours = json.loads((tmp_path / "pangrama.json").read_text()), batch[0]["es/pangrama"]
    assert (
        "".join(segment["text"] for segment in theirs["segments"]).split()
        == " ".join(segment["text"] for segment in ours.result["segments"]).split()
    )
    assert (theirs["language"], ours.language) == ("en", "es")
