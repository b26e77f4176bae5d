"""tasks/align.py: aligners by language, and text that nothing can align."""

import logging
from pathlib import Path
from typing import Any

import pytest
from conftest import SAMPLES
from pydantic import ValidationError

from tasks.align import AlignOptions, align_transcript
from tasks.alignment import selection
from tasks.audio.decoding import decode
from tasks.models.compute_limits import compute_limits
from tasks.models.options import ModelOptions
from tasks.transcribe import TranscribeOptions, Transcript

CPU = ModelOptions(device="cpu", threads=4, model_cache_only=True)  # as no other test has it
TEXTS = (" 1 2 3.", " 你好世界。", " ♪", " |", "   ", " One. 4 5! Six?")


@pytest.fixture(name="whisper")
def _whisper(tiny_en: str, monkeypatch: pytest.MonkeyPatch) -> TranscribeOptions:
    compute_limits.configure(parallel=1, threads=1)
    monkeypatch.setattr(selection, "_failed", {})
    monkeypatch.setattr("tasks.retries.RETRY_DELAYS_S", [])
    return TranscribeOptions(model=tiny_en, compute_type="int8")


def said(*segments: tuple[str, float, float], language: str = "en") -> Transcript:
    """Return a transcript of these segments."""
    return Transcript(
        language, {"segments": [{"text": text, "start": start, "end": end} for text, start, end in segments]}
    )


def aligned(transcript: Transcript, align_model: str | None, whisper: TranscribeOptions) -> Transcript:
    """Align it with three seconds of speech."""
    samples = decode(str(SAMPLES / "en" / "counting.wav"))
    return align_transcript(transcript, samples, AlignOptions(align_model=align_model), whisper, CPU)


def text_of(transcript: Transcript) -> str:
    """Return the text without its spaces."""
    return "".join("".join(segment["text"] for segment in transcript.result["segments"]).split())


def test_an_aligner_is_that_of_the_language_asked_for() -> None:
    """As in WhisperX, where English is asked for if none is."""
    options = AlignOptions(align_model="a/b")
    assert [options.named(language, None) for language in ("en", "de")] == ["a/b", None]
    assert [options.named(language, "de") for language in ("en", "de")] == [None, "a/b"]


def test_aligners_are_named_by_language() -> None:
    """By code or by name; what is named for none, and a folder with = in it, stay what they are."""
    options = AlignOptions(align_model="de=a/b, Japanese=./c=d,pl=whisper")
    assert options.aligners() == {"de": "a/b", "ja": "./c=d", "pl": "whisper"}
    assert [options.named(language, "en") for language in ("de", "ja", "pl", "en")] == ["a/b", "./c=d", "whisper", None]
    assert AlignOptions(align_model="whisper").named("ja", "en") == "whisper"
    assert AlignOptions(align_model="./a=b").aligners() == {"": "./a=b"}
    moved = options.with_models(lambda name: name.replace("a/b", "/x/a/b"))
    assert moved.aligners() == {"de": "/x/a/b", "ja": "./c=d", "pl": "whisper"}
    assert AlignOptions().with_models(str.upper) == AlignOptions()


@pytest.mark.parametrize(
    ("align_model", "wrong"),
    [
        ("de=a,b", "'b' is not LANGUAGE=MODEL"),
        ("de=", "'de=' is not LANGUAGE=MODEL"),
        ("xx=a", "Whisper knows no language 'xx'"),
        ("de=a,German=b", "two models for the language 'de': a and b"),
    ],
)
def test_a_map_that_makes_no_sense_is_refused(align_model: str, wrong: str) -> None:
    """Before anything is started."""
    with pytest.raises(ValidationError, match=wrong):
        AlignOptions(align_model=align_model)


def test_the_weights_of_every_language_count(small_models: Path) -> None:
    """Wherever they lie."""
    both = AlignOptions(align_model=f"en={small_models}/align-tiny,ja={small_models}/align-ja").cache_inputs(CPU)
    assert both["align_model"].keys() == {"en", "ja"}
    assert len(set(both["align_model"].values())) == 2
    assert str(small_models) not in str(both)


@pytest.mark.parametrize("text", TEXTS)
def test_text_that_no_aligner_knows_is_kept(text: str, whisper: TranscribeOptions, small_models: Path) -> None:
    """Digits, another script, signs."""
    transcript = said((text, 0.0, 2.9))
    result = aligned(transcript, str(small_models / "align-tiny"), whisper)
    assert text_of(result) == "".join(text.split())
    assert [segment["start"] <= segment["end"] for segment in result.result["segments"]]


def test_a_segment_that_cannot_be_aligned_keeps_its_text(whisper: TranscribeOptions, small_models: Path) -> None:
    """More letters than the sound has room for; no sound at all. WhisperX's srt takes words, so it is lost there."""
    long = " supercalifragilistic" * 20
    result = aligned(said((long, 0.0, 1.0), (" late", 5.0, 6.0)), str(small_models / "align-tiny"), whisper)
    assert [segment["text"] for segment in result.result["segments"]] == [long, " late"]
    assert [segment["words"] for segment in result.result["segments"]] == [[], []]
    assert whisperx_srt(result).strip() == ""


def whisperx_srt(transcript: Transcript) -> str:
    """Return what WhisperX's writer makes of it."""
    import io

    from whisperx.utils import WriteSRT

    file, layout = io.StringIO(), {"max_line_width": None, "max_line_count": None, "highlight_words": False}
    WriteSRT(".").write_result({**transcript.result, "language": transcript.language}, file, layout)
    return file.getvalue()


def test_where_nothing_can_be_loaded_the_text_keeps_its_segments_times(
    whisper: TranscribeOptions, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said what was tried, and srt has the text."""
    transcript = said((" Un dau tri.", 0.5, 2.5), language="cy")
    gone = whisper.model_copy(update={"model": "/no/such/folder"})
    with caplog.at_level(logging.WARNING, "tasks"):
        result = aligned(transcript, "cy=nobody/aligner", gone)
    assert (result.result, result.aligned_by, result.provisional) == (transcript.result, "segments", True)
    assert "Un dau tri." in whisperx_srt(result)
    messages = [record.getMessage() for record in caplog.records if record.name == "tasks.align"]
    assert len(messages) == 2
    assert "nobody/aligner: OSError" in messages[0]
    assert "whisper: " in messages[1]


def test_a_language_without_an_aligner_is_timed_by_whisper(
    whisper: TranscribeOptions, caplog: pytest.LogCaptureFixture
) -> None:
    """And that is kept as its result: there is nothing better."""
    with caplog.at_level(logging.WARNING, "tasks"):
        result = aligned(said((" One two three.", 0.0, 2.9), language="cy"), None, whisper)
    assert (result.aligned_by, result.provisional) == ("whisper", False)
    assert [word["word"] for word in result.result["word_segments"]] == ["One", "two", "three."]
    assert "WhisperX has no aligner of 'cy'" in caplog.text


def test_a_makeshift_is_not_kept_for_the_next_run(
    whisper: TranscribeOptions, small_models: Path, tmp_path: Path, api_url: str
) -> None:
    """Prefect stores what the best aligner made, and not what was made because that could not be loaded."""
    from prefect import flow

    from tasks.align import align
    from tasks.audio.types import Audio, AudioFile
    from tasks.storage.results import result_key

    def stored(align_model: str) -> tuple[Any, bool]:
        key = result_key("align", Path(align_model).name, "0")
        file = AudioFile("x.wav", "x.wav", keys={"align": key})

        @flow
        def once() -> Any:
            task = align.with_options(result_storage=tmp_path)
            audio = Audio(decode(str(SAMPLES / "en" / "counting.wav")))
            said_ = said((" One two three.", 0.0, 2.9), language="cy")
            return task(file, said_, audio, AlignOptions(align_model=f"cy={align_model}"), whisper, CPU).aligned_by

        return once(), (tmp_path / key).exists()

    assert stored(str(small_models / "align-tiny")) == (str(small_models / "align-tiny"), True)
    assert stored("nobody/aligner") == ("whisper", False)
