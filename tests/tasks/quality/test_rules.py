"""tasks/check.py and tasks/quality: each fault is found where it is, and real speech, transcribed well, is good.

The transcript is Whisper's own of half a minute of a telephone call, timed by its attention; each fault is put into it.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import TWO_SPEAKERS
from encoding import encode
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.audio.decoding import decode, decode_audio, probe
from tasks.audio.types import SAMPLE_RATE, Audio, AudioFile, Samples, Track
from tasks.check import check_transcript
from tasks.diarize import Diarization
from tasks.load_audio import NO_SAMPLES
from tasks.quality.options import CheckOptions
from tasks.quality.sound import with_damage
from tasks.quality.spans import seconds, union, within, without
from tasks.quality.verdict import Quality
from tasks.storage.results import StoredResult, result_store
from tasks.transcribe import TranscribeOptions, Transcript

Result = dict[str, Any]
UNCOMMON = (
    "quartz jumbled vexing fjord pickle dwarf sphinx glyph banjo zephyr oxygen walnut kayak umbrella thyme rhubarb "
    "mosquito hammock lynx voyage"
)
NOISE_S = 6
DATA = Path(__file__).parents[2] / "data" / "quality"
"""call.json: the segments of tests/conftest.py's TWO_SPEAKERS, a recording in pyannote.audio (MIT licence)."""


@pytest.fixture(scope="module", name="call")
def _call() -> Samples:
    """The call: 30 s."""
    return decode(str(TWO_SPEAKERS))


@pytest.fixture(name="result")
def _result() -> Result:
    """What Whisper tiny.en hears in it, to put a fault into."""
    return {"segments": json.loads((DATA / "call.json").read_text())}


def checked(
    result: Result,
    samples: Samples,
    *,
    fault: str | None = None,
    language: str = "en",
    aligned_by: str = "whisper",
    turns: list[tuple[float, float, str]] | None = None,
    speakers: int = 1,
    vad: str = "pyannote",
    task: str = "transcribe",
) -> Quality:
    """Return the verdict with the default limits."""
    diarization = None if turns is None else Diarization(turns)
    transcript = Transcript(language, result, aligned_by)
    transcribe = TranscribeOptions.model_validate({"vad_method": vad, "task": task})
    return check_transcript(transcript, Audio(samples, fault), diarization, CheckOptions(), transcribe, speakers)


def reason(quality: Quality, kind: str, *words: str) -> tuple[float | None, float | None]:
    """Return the times of the finding of this kind whose reason has these words."""
    found = [each for each in quality.findings if each.kind == kind and all(word in each.why for word in words)]
    assert len(found) == 1, quality
    return found[0].start, found[0].end


def segment(start: float, end: float, text: str, **more: Any) -> dict[str, Any]:
    """Return a segment with its words spread evenly."""
    words = text.split()
    step = (end - start) / len(words)
    timed = [
        {"word": word, "start": start + i * step, "end": start + (i + 1) * step, "score": 0.9}
        for i, word in enumerate(words)
    ]
    return {"start": start, "end": end, "text": text, "words": timed, "avg_logprob": -0.2} | more


def noise(seconds: float) -> Samples:
    """Return white noise, 20 dB below full scale."""
    return (np.random.default_rng(1).standard_normal(int(seconds * SAMPLE_RATE)) * 3000).astype(np.int16)


def test_real_speech_that_is_transcribed_well_is_good(result: Result, call: Samples) -> None:
    """All of it is within words, and nothing is in doubt."""
    quality = checked(result, call)
    assert (quality.verdict, quality.reasons) == ("good", [])
    assert 20 < quality.speech_s < 25
    assert quality.covered_s == pytest.approx(quality.speech_s, abs=0.5)


def test_a_passage_that_is_missing_in_the_text_is_found(result: Result, call: Samples) -> None:
    """Also if the aligner gives its time to the word before it."""
    gone = [each for each in result["segments"] if 14 < each["start"] < 20]
    assert gone
    begin, end = gone[0]["start"], gone[-1]["end"]
    kept = [each for each in result["segments"] if each not in gone]
    before = max((each for each in kept if each["start"] < begin), key=lambda each: each["start"])
    before["end"] = before["words"][-1]["end"] = end
    quality = checked({"segments": kept}, call)
    found = [each for each in quality.findings if each.kind == "missing"]
    assert found
    assert all(begin - 2 < (each.start or 0) < (each.end or 0) < end + 1 for each in found)
    assert quality.verdict == "check"


def test_a_passage_whose_time_was_given_to_the_words_around_it_is_found(result: Result, call: Samples) -> None:
    """Aligners spread the words that are there over all of the speech; so are those of a chunk that are not timed."""
    kept = [each for each in result["segments"] if each["start"] < 12]
    thin = {"segments": [*kept, segment(12.7, 24.0, "Well, there is not much difference.")]}
    start, end = reason(checked(thin, call[: 24 * SAMPLE_RATE]), "missing", "hardly any text")
    assert 10 < (start or 0) < 15
    assert 20 < (end or 0) < 27
    del thin["segments"][-1]["words"]
    assert reason(checked(thin, call[: 24 * SAMPLE_RATE]), "missing", "hardly any text")[0] == pytest.approx(
        start, abs=1
    )


def test_a_file_that_lacks_most_of_its_speech_is_bad(result: Result, call: Samples) -> None:
    """From 0.7 of the speech on, and ten seconds of it."""
    quality = checked({"segments": result["segments"][:2]}, call)
    assert reason(quality, "missing", "only", "of the speech has text") == (None, None)
    assert quality.verdict == "bad"
    assert reason(checked({"segments": []}, call), "missing", "only 0%") == (None, None)
    assert checked({"segments": []}, call[7 * SAMPLE_RATE : 15 * SAMPLE_RATE]).verdict == "bad"
    assert checked({"segments": []}, noise(9)).verdict == "good"


def test_text_over_noise_is_found(result: Result, call: Samples) -> None:
    """What Whisper writes where nobody speaks; the rest of the file is not in doubt."""
    result["segments"].append(segment(31.0, 35.0, "Thank you."))
    quality = checked(result, np.concatenate([call, noise(NOISE_S)]))
    assert reason(quality, "invented", "no speech") == (31.0, 35.0)
    assert quality.verdict == "check"
    assert checked({"segments": [segment(0.0, NOISE_S, "Thank you.")]}, noise(NOISE_S)).verdict == "bad"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Untertitel im Auftrag des ZDF für funk, 2017", "known to invent"),
        ("Thank you very much for watching!", "known to invent"),
        ("I am happy that " * 6, "different words"),
        ("a cat sat down by our warm fire last night " * 4 + UNCOMMON, "the same 10 words 4 times"),
        ("We went to Donaudampfschifffahrtsgesellschaft", "a word of"),
        ("one two three four five six seven eight nine ten " * 3, "characters in"),
    ],
)  # fmt: skip
def test_text_that_nobody_says_is_found(result: Result, call: Samples, text: str, why: str) -> None:
    """Credits of subtitles, loops, words that are none, more words than can be said; even where somebody speaks."""
    result["segments"][2:] = [segment(12.0, 16.0, text)]
    assert reason(checked(result, call), "invented", why)[1] == 16.0


@pytest.mark.parametrize(
    "text",
    [
        "Write to katherine.williamson@outlook.com",
        "That is W-I-L-L-I-A-M-S-O-N-S-M-I-T-H,",
        "It is on https://www.example.com/support/returns",
    ],
)
def test_an_address_is_no_word_that_nobody_says(result: Result, call: Samples, text: str) -> None:
    """Nor is a name that is spelled."""
    result["segments"][2:] = [segment(12.0, 16.0, text)]
    assert not [each for each in checked(result, call).findings if "a word of" in each.why]


def test_a_loop_in_a_language_without_spaces_is_found(call: Samples) -> None:
    """By its compression: its characters say nothing."""
    result = {"segments": [{"start": 8.0, "end": 28.0, "text": "ありがとうございました" * 9}]}
    assert reason(checked(result, call, language="ja"), "invented", "compresses") == (8.0, 28.0)


def test_text_that_whisper_was_unsure_of_is_found(result: Result, call: Samples) -> None:
    """A segment, or the whole file, of which each segment is a little above the limit."""
    doubtful = result["segments"][8]
    doubtful["avg_logprob"] = -1.1
    start, end = reason(checked(result, call), "invented", "mean log probability -1.10")
    assert (start, end) == pytest.approx((doubtful["start"], doubtful["end"]), abs=0.01)
    for each in result["segments"]:
        each["avg_logprob"] = -0.7
    quality = checked(result, call)
    assert reason(quality, "invented", "throughout") == (None, None)
    assert quality.verdict == "check"


def test_times_that_cannot_be_are_found(result: Result, call: Samples) -> None:
    """Words without length; words that fit the sound badly; no times at all."""
    wrong = result["segments"][-1]
    assert len(wrong["words"]) >= 5
    for word in wrong["words"]:
        word["score"] = 0.01
    assert reason(checked(result, call), "timing", "score 0.01")[1] == pytest.approx(wrong["end"], abs=0.01)
    for word in wrong["words"]:
        word["end"] = word["start"]
    reason(checked(result, call), "timing", "length that cannot be")
    untimed = {"segments": [{**each, "words": []} for each in result["segments"]]}
    quality = checked(untimed, call, aligned_by="segments")
    assert (quality.verdict, quality.reasons) == ("check", ["nothing could time its words"])


@pytest.mark.parametrize(
    ("language", "text", "why"),
    [
        ("en", "Продолжение разговора на русском", "written in Cyrillic letters"),
        ("hi", "اونٹ کے مون میں جیرا", "written in Arabic letters"),
        ("en", "Ich weiß nicht, ob das der richtige Weg ist und wie es mit uns weitergeht.", "reads like 'de'"),
        ("fr", "I do not know what they want and this is not the way that we have it.", "reads like 'en'"),
    ],
)
def test_text_in_another_language_is_found(call: Samples, language: str, text: str, why: str) -> None:
    """By its script, or by its commonest words; the same text is right in its own language."""
    result = {"segments": [segment(10.0, 15.0, text)]}
    assert reason(checked(result, call, language=language), "language", why) == (10.0, 15.0)
    own = {"Cyrillic": "ru", "Arabic": "ur", "'de'": "de", "'en'": "en"}[next(w for w in why.split() if w[0] in "CA'")]
    assert "language" not in {each.kind for each in checked(result, call, language=own).findings}


def test_a_translation_is_read_as_english(result: Result, call: Samples) -> None:
    """Its language is that which is spoken."""
    for language in ("ja", "ru", "de"):
        quality = checked(result, call, language=language, task="translate")
        assert (quality.verdict, quality.reasons) == ("good", [])
        assert checked(result, call, language=language).verdict != "good"


def test_sound_that_is_hard_to_transcribe_is_found(result: Result, call: Samples) -> None:
    """Clipped, hardly there, cut off where somebody speaks, or of one channel alone."""
    dead = checked(result, call, fault="channel 1 of its two is silent")
    assert (dead.verdict, dead.reasons) == ("check", ["channel 1 of its two is silent"])
    clipped = np.clip(call.astype(np.int32) * 40, -32768, 32767).astype(np.int16)
    assert reason(checked(result, clipped), "sound", "clipped") == (None, None)
    soft = (call * (20 / np.abs(call).max())).astype(np.int16)
    assert reason(checked({"segments": []}, soft), "sound", "silent") == (None, None)
    cut = max(
        range(20 * SAMPLE_RATE, 28 * SAMPLE_RATE, 800),
        key=lambda end: float(np.square(call[end - 800 : end].astype(float)).sum()),
    )
    assert reason(checked(result, call[:cut]), "sound", "ends in the middle")[1] == pytest.approx(
        cut / SAMPLE_RATE, abs=0.1
    )


@pytest.mark.parametrize(
    ("codec", "name", "whole", "damage"),
    [
        ("flac", "call.flac", True, None),
        ("flac", "call.flac", False, "0:00:05 of the 0:00:10 that its header says could be read: cut off, or damaged"),
        ("aac", "call.mkv", False, "0:00:05 of the 0:00:10 that its header says could be read: cut off, or damaged"),
        ("libmp3lame", "call.mp3", False, None),
    ],
)
def test_a_recording_that_is_cut_off_is_in_doubt(
    tmp_path: Path,
    codec: str,
    name: str,
    whole: bool,  # noqa: FBT001
    damage: str | None,
) -> None:
    """FFmpeg reads what is there and raises nothing; of an mp3 it may have guessed the length."""
    path = encode(tmp_path / name, codec, rate=16_000, layout="mono")
    content = path.read_bytes()
    path.write_bytes(content if whole else content[: len(content) // 2])
    duration_s = probe(str(path)).duration_s
    audio = decode_audio(str(path), duration_s)
    assert with_damage(audio, AudioFile(str(path), name, duration_s)).fault == damage
    signed = AudioFile(f"https://store/{name}?signature=a.b", name, duration_s)
    assert with_damage(audio, signed).fault == damage


def test_channels_and_tracks_that_are_cut_off_are_in_doubt(call: Samples) -> None:
    """Channels end together; of tracks each has a header of its own, and one that was left out has no sound."""
    damage = "0:00:10 of the 0:00:20 that its header says could be read: cut off, or damaged"
    half, file = call[: 10 * SAMPLE_RATE], AudioFile("/in/call.wav", "call.wav", 20.0)
    apart = Audio(NO_SAMPLES, "channel 2 of its 2 is silent", (half, np.zeros_like(half)), (0.0, 0.0))
    assert with_damage(apart, replace(file, channels=2, channel_mode="split")).fault == f"{damage}; {apart.fault}"
    tracks = tuple(Track(replace(file, name=name), name, 5.0) for name in ("a", "b", "c"))
    group = AudioFile("/in/group", "group", 25.0, tracks=tracks)
    parts = (call[: 20 * SAMPLE_RATE], half, NO_SAMPLES)
    assert with_damage(Audio(NO_SAMPLES, None, parts, group.offsets_s), group).fault == f"b: {damage}"


@pytest.mark.parametrize("of_tracks", [False, True])
def test_parts_that_are_cut_off_are_in_doubt(call: Samples, of_tracks: bool) -> None:  # noqa: FBT001
    """All channels together; of tracks the one that is, by its name, and none that was left out."""
    half, none = call[: len(call) // 2], call[:0]
    damage = "0:00:15 of the 0:00:30 that its header says could be read: cut off, or damaged"
    if of_tracks:
        tracks = tuple(Track(AudioFile(f"/{name}.wav", f"{name}.wav", 30.0), name) for name in ("a", "b", "c"))
        audio = with_damage(
            Audio(none, "left out: c.wav", (call, half, none)), AudioFile("/t", "t", 30.0, tracks=tracks)
        )
        assert audio.fault == f"b.wav: {damage}; left out: c.wav"
    else:
        assert with_damage(Audio(none, None, (half, half)), AudioFile("/a.wav", "a.wav", 30.0)).fault == damage


def test_speakers_that_are_not_told_apart_are_found(result: Result, call: Samples) -> None:
    """A segment that no turn touches; one speaker for nearly all where there are at least two."""
    last = result["segments"][-1]
    turns = [(0.0, last["start"] - 0.1, "A")]
    assert reason(checked(result, call, turns=turns), "speakers", "without a speaker")[0] == pytest.approx(
        last["start"], abs=0.01
    )
    one = [(0.0, 30.0, "A"), (29.8, 30.0, "B")]
    assert reason(checked(result, call, turns=one, speakers=2), "speakers", "one speaker") == (None, None)
    assert checked(result, call, turns=one).verdict == "good"


def test_after_silero_pyannote_listens_to_what_has_no_text(result: Result, call: Samples) -> None:
    """Of speech as soft as this only pyannote's detection hears any; where there is text it need not listen."""
    soft = (call * 0.002).astype(np.int16)
    assert checked({"segments": []}, soft, vad="pyannote").speech_s == 0
    assert checked({"segments": []}, soft, vad="silero").speech_s > 5
    assert checked(result, soft, vad="silero").speech_s < 1


def test_a_verdict_is_read_from_the_store_as_it_was(result: Result, call: Samples, tmp_path: Path) -> None:
    """With its findings, those of the whole file too."""
    quality = checked({"segments": result["segments"][:2]}, call)
    assert {each.start is None for each in quality.findings} == {True, False}
    store = result_store(str(tmp_path))
    store.persist_result_record(store.create_result_record(quality, key="check/v2/1-2"))
    stored = StoredResult(str(tmp_path), "check/v2/1-2")
    assert stored.exists()
    assert stored.read() == quality


TIMES = st.floats(0, 40) | st.none()
WORDS = st.lists(
    st.fixed_dictionaries(
        {"word": st.text(max_size=40)}, optional={"start": TIMES, "end": TIMES, "score": st.floats(0, 1)}
    ),
    max_size=12,
)
SEGMENTS = st.lists(
    st.fixed_dictionaries(
        {"start": st.floats(0, 40), "end": st.floats(0, 40), "text": st.text(max_size=200)},
        optional={"words": WORDS, "avg_logprob": st.floats(-5, 0)},
    ),
    max_size=6,
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(segments=SEGMENTS, language=st.sampled_from(["en", "ja", "de", "haw"]))
def test_no_transcript_is_too_odd_to_be_checked(segments: list[dict[str, Any]], language: str) -> None:
    """Whatever a model or an aligner makes of a file, its outputs must not be lost to the check."""
    assert checked({"segments": segments}, noise(0.5), language=language, turns=[]).verdict in {"good", "check", "bad"}


SPANS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)).map(lambda pair: (pair[0], pair[0] + pair[1])))


@given(spans=SPANS, others=SPANS)
def test_spans_are_sets_of_moments(spans: list[tuple[int, int]], others: list[tuple[int, int]]) -> None:
    """Union, difference and the time in common are those of sets of whole seconds."""
    one, other = ({second for span in each for second in range(*span)} for each in (spans, others))
    assert seconds(union(spans)) == len(one)
    assert {
        second for start, end in without(union(spans), union(others)) for second in range(int(start), int(end))
    } == one - other
    assert seconds(within(union(spans), 10, 30)) == len(one & set(range(10, 30)))
