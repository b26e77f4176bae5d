"""Of several audio tracks the one that is asked for, or is in the language, is read."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from batches import batch_of, do, missing, planned, with_manifest
from conftest import QUICK_BROWN_FOX, SAMPLES
from pydantic import ValidationError
from sound_files import ffmpeg, two_tracks

from flows.state.folder import OutputFolder
from tasks.audio.container import UnreadableAudio
from tasks.audio.decoding import decode, probe
from tasks.audio.tracks import TrackChoice
from tasks.languages import code_of_tag
from tasks.load_audio import load_audio
from tasks.transcribe import TranscribeOptions

HELLO = SAMPLES / "en" / "hello_world.wav"
ENGLISH = {"model": "tiny", "language": "en"}


@pytest.fixture(name="film", scope="module")
def _film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film with German 5.1 and English stereo."""
    return two_tracks(tmp_path_factory.mktemp("film") / "film.mkv", QUICK_BROWN_FOX, HELLO, "ger", "eng")


@pytest.mark.parametrize(
    ("choice", "number", "described"),
    [
        (TrackChoice(), 0, "aac, track 1 of 2: ger"),
        (TrackChoice(language="de"), 0, "aac, track 1 of 2: ger"),
        (TrackChoice(language="en"), 2, "aac, track 2 of 2: eng"),
        (TrackChoice(language="fr"), 0, "aac, track 1 of 2: ger"),
        (TrackChoice(track="2"), 2, "aac, track 2 of 2: eng"),
        (TrackChoice(track="1", language="en"), 0, "aac, track 1 of 2: ger"),
        (TrackChoice(track="en", language="de"), 2, "aac, track 2 of 2: eng"),
    ],
)
def test_the_track_that_is_asked_for_is_read(film: Path, choice: TrackChoice, number: int, described: str) -> None:
    """By number, by its language, by the language that is spoken; else the one that the ffmpeg program takes."""
    probed = probe(str(film), choice)
    assert (probed.track_number, probed.track) == (number, described)
    expected = ffmpeg_track(film, 1 if "2 of" in described else 0)
    found = decode(str(film), probed.duration_s, probed.track_number)
    shared = min(len(expected), len(found))
    np.testing.assert_array_equal(found[:shared], expected[:shared])


def ffmpeg_track(film: Path, index: int) -> Any:
    """Return the samples of a track that the ffmpeg program decodes."""
    out = film.with_suffix(f".{index}.raw")
    ffmpeg(out, "-i", film, "-map", f"0:a:{index}", "-f", "s16le", "-ac", "1", "-ar", "16000")
    return np.frombuffer(out.read_bytes(), np.int16)


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [("a.mp4", "deu", "eng"), ("a.mkv", "ger", "eng"), ("a.mkv", "de", "en"), ("a.ts", "ger", "eng")],
)
def test_tags_of_two_and_three_letters_are_languages(tmp_path: Path, name: str, first: str, second: str) -> None:
    """However the container writes them; without a tag there is no language."""
    film = two_tracks(tmp_path / name, HELLO, QUICK_BROWN_FOX, first, second)
    assert probe(str(film), TrackChoice(language="en")).track_number == 2
    untagged = two_tracks(tmp_path / f"no {name}", HELLO, QUICK_BROWN_FOX)
    assert probe(str(untagged), TrackChoice(language="en")).track_number == 0


def test_a_commentary_is_not_taken_for_the_film(tmp_path: Path) -> None:
    """Nor the version for the blind, though it comes first and is in the language asked for."""
    film = two_tracks(tmp_path / "a.mkv", HELLO, QUICK_BROWN_FOX, "eng", "eng")
    marked = ffmpeg(tmp_path / "b.mkv", "-i", film, "-map", "0", "-c", "copy", "-disposition:a:0", "visual_impaired")
    assert probe(str(marked), TrackChoice(language="en")).track == "aac, track 2 of 2: eng"


@pytest.mark.parametrize(
    ("track", "reason"),
    [("3", r"no audio track 3: it has 1 \(ger\), 2 \(eng\)"), ("fr", "no audio track is tagged as fr: it has 1")],
)
def test_a_track_that_is_not_there_is_a_failure_of_the_file(film: Path, track: str, reason: str) -> None:
    """Which names those that are, and the option."""
    with pytest.raises(UnreadableAudio, match=f"{reason}.*--audio_track"):
        probe(str(film), TrackChoice(track))


@pytest.mark.parametrize(
    ("value", "track"), [("2", "2"), (2, "2"), ("ger", "de"), ("German", "de"), ("en-GB", "en"), ("", None)]
)
def test_a_track_is_a_number_or_a_language(value: Any, track: str | None) -> None:
    """As a code, a tag, a name; on the command line, in a settings file, in a manifest."""
    assert TranscribeOptions(audio_track=value).audio_track == track


@pytest.mark.parametrize("value", ["0", "-1", "klingon", 1.5])
def test_what_is_no_track_is_refused(value: Any) -> None:
    """Before anything starts."""
    with pytest.raises(ValidationError, match="is no track: give its number, from 1, or its language"):
        TranscribeOptions(audio_track=value)


def test_every_language_of_whisper_is_found_by_its_tag() -> None:
    """Codes are tags of themselves."""
    from whisperx.utils import LANGUAGES

    assert {code_of_tag(code) for code in LANGUAGES} == set(LANGUAGES)
    assert [code_of_tag(tag) for tag in ("cmn", "nob", "fre", "zxx", "und", None)] == [
        "zh",
        "no",
        "fr",
        None,
        None,
        None,
    ]


def test_another_track_is_another_content_and_the_default_one_is_as_before(film: Path, tmp_path: Path) -> None:
    """Transcript and speakers of one track are not taken for those of the other; no option redoes what is the same."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "film.mkv").write_bytes(film.read_bytes())
    (tmp_path / "in" / "fox.wav").write_bytes(QUICK_BROWN_FOX.read_bytes())
    german = batch_of(tmp_path / "in", transcribe={"model": "tiny", "language": "de"}, diarize={})
    do(german, "transcribe", "align", "diarize", "write")
    assert missing(german) == {}
    # Named by its number it is the same track.
    assert (
        missing(batch_of(tmp_path / "in", transcribe={"model": "tiny", "language": "de", "audio_track": 1}, diarize={}))
        == {}
    )
    english = batch_of(tmp_path / "in", transcribe=ENGLISH, diarize={})
    # The fox has one track, and another language: its speakers are known. Those of the film are of the German track.
    assert missing(english)["fox.wav"] == {"load audio", "transcribe", "align", "check", "write"}
    assert missing(english)["film.mkv"] == {"load audio", "transcribe", "align", "diarize", "check", "write"}
    assert planned(english)["film.mkv"].source.track == "aac, track 2 of 2: eng"


def test_the_plan_of_a_known_film_shows_the_track_of_this_run(film: Path) -> None:
    """Of a file that an earlier run has seen with other options, or a program that knew of no choice."""
    batch = batch_of(film.parent, inputs={"inputs": [str(film)]}, write={"output_dir": str(film.parent / "out")})
    first = planned(batch)["film.mkv"].source
    assert (first.track, first.track_number) == ("aac, track 2 of 2: eng", 2)
    german = batch.model_copy(update={"transcribe": TranscribeOptions(model="tiny", language="de")})
    assert planned(german)["film.mkv"].source.track == "aac, track 1 of 2: ger"
    ledger = OutputFolder.of(batch).ledger()
    for row in ledger.rows.values():
        row.pop("track_choice", None)
        row.pop("track_number", None)
    ledger.begin({})
    assert planned(batch)["film.mkv"].source.track_number == 2


def test_a_manifest_chooses_a_track_for_each_file(film: Path, tmp_path: Path) -> None:
    """The batch's choice holds for the others; a track that is not there fails its file alone."""
    (tmp_path / "speech").mkdir()
    rows = [
        {"path": str(film), "audio_track": 1},
        {"path": str(HELLO), "audio_track": "2"},
        {"path": str(QUICK_BROWN_FOX)},
    ]
    files = planned(with_manifest(tmp_path / "speech", rows, transcribe=ENGLISH))
    tracks = {name.rsplit("/", 1)[-1]: (file.source.track, file.error) for name, file in files.items()}
    assert tracks["film.mkv"] == ("aac, track 1 of 2: ger", None)
    assert tracks["quick_brown_fox.wav"] == ("pcm_f32le", None)
    assert "no audio track 2: it has 1 (no language)" in str(tracks["hello_world.wav"][1])


def test_the_stage_decodes_the_track_of_the_plan(film: Path, tmp_path: Path) -> None:
    """Also by a path that only FFmpeg's choice would be read of."""
    planned_file = planned(batch_of(film.parent, inputs={"inputs": [str(film)]}, write={"output_dir": str(tmp_path)}))
    source = replace(planned_file["film.mkv"].source, keys={})
    np.testing.assert_array_equal(load_audio.fn(source).samples, decode(str(film), None, 2))
