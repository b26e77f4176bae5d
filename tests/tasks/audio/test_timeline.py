"""tasks/audio/timeline.py: sound is where a player has it, in every container; odd timestamps make no silence."""

import logging
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from batches import batch_of, do, missing, planned
from conftest import QUICK_BROWN_FOX, TWO_SPEAKERS
from sound_files import ffmpeg, late_film

from flows.state.folder import OutputFolder
from tasks.audio.decoding import decode, probe
from tasks.audio.timeline import TimeLine
from tasks.audio.types import SAMPLE_RATE, Samples

SECONDS = 2.889
FIRST_WORD_S = 0.03
"""When it is loud in the fox's recording for the first time."""

FILMS = {
    "film.mp4": "libx264 -preset ultrafast -c:a aac",
    "apple.m4v": "libx264 -preset ultrafast -c:a aac -f mp4",
    "film.mov": "libx264 -preset ultrafast -c:a pcm_s16le",
    "phone.3gp": "libx264 -preset ultrafast -c:a libopencore_amrnb -ar 8000",
    "film.mkv": "libx264 -preset ultrafast -c:a flac",
    "film.webm": "libvpx -c:a libopus",
    "film.ogv": "libtheora -c:a libvorbis",
    "film.flv": "flv1 -c:a aac -ar 44100",
    "film.wmv": "wmv2 -c:a wmav2",
    "film.ts": "mpeg2video -r 25 -c:a mp2",
    "camera.m2ts": "libx264 -preset ultrafast -c:a ac3 -mpegts_m2ts_mode 1 -f mpegts",
    "film.mpg": "mpeg1video -r 25 -c:a mp2",
}
"""Films with a picture from the beginning, and what codes their sound, which begins at 5 s."""

ALONE = {"a.m4a": "aac", "a.mka": "libmp3lame", "a.webm": "libopus", "a.flv": "aac -ar 44100", "a.wma": "wmav2"}


def loud_from(samples: Samples) -> float:
    """Return the second at which it is loud for the first time."""
    return float(np.flatnonzero(np.abs(samples.astype(int)) > 1_000)[0]) / SAMPLE_RATE


def remux(source: Path, target: Path, change: Callable[[av.Packet], av.Packet | None]) -> Path:
    """Copy the packets of the audio, each as it is changed; None leaves it out."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = new.add_stream_from_template(old.streams.audio[0])
        for packet in old.demux(old.streams.audio[0]):
            if packet.size and (changed := change(packet)):
                changed.stream = stream
                new.mux(changed)
    return target


def seconds(packet: av.Packet) -> float:
    """Return a packet's timestamp."""
    assert packet.pts is not None
    assert packet.time_base
    return float(packet.pts * packet.time_base)


def later(packet: av.Packet, by_s: float) -> av.Packet:
    """Return a packet with a timestamp that is so much later."""
    assert packet.pts is not None
    assert packet.time_base
    packet.pts = packet.dts = packet.pts + round(by_s / packet.time_base)
    return packet


@pytest.fixture(name="call", scope="module")
def _call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 s of a call, in packets of 36 ms with timestamps of milliseconds."""
    return ffmpeg(tmp_path_factory.mktemp("call") / "call.mka", "-i", TWO_SPEAKERS, "-c:a", "libmp3lame")


@pytest.mark.parametrize("name", FILMS)
def test_sound_that_begins_late_in_a_film_has_the_times_of_the_film(tmp_path: Path, name: str) -> None:
    """The words are at 5 s, where a player has them; the plan knows that the file is so long."""
    path = late_film(tmp_path / name, QUICK_BROWN_FOX, FILMS[name])
    assert loud_from(decode(str(path))) == pytest.approx(5 + FIRST_WORD_S, abs=0.1)
    assert probe(str(path)).duration_s == pytest.approx(5 + SECONDS, abs=1.3)  # some say how long the picture is


@pytest.mark.parametrize("name", ALONE)
def test_a_time_line_begins_at_zero_also_where_no_track_does(tmp_path: Path, name: str) -> None:
    """An mp4 or mkv with nothing but sound that begins at 5 s."""
    path = ffmpeg(tmp_path / name, "-itsoffset", "5", "-i", QUICK_BROWN_FOX, "-c:a", *ALONE[name].split())
    assert loud_from(decode(str(path))) == pytest.approx(5 + FIRST_WORD_S, abs=0.1)
    assert probe(str(path)).duration_s == pytest.approx(5 + SECONDS, abs=0.1)


def test_an_avi_tells_when_its_sound_begins(recordings: dict[str, Path], tmp_path: Path) -> None:
    """In the header of the stream, counted in its units."""
    content = bytearray(recordings["film.avi"].read_bytes())
    header = content.index(b"auds")
    scale, rate = struct.unpack("<II", content[header + 20 : header + 28])
    content[header + 28 : header + 32] = struct.pack("<I", 5 * rate // scale)
    (tmp_path / "film.avi").write_bytes(content)
    assert loud_from(decode(str(tmp_path / "film.avi"))) == pytest.approx(
        5 + loud_from(decode(str(recordings["film.avi"]))), abs=0.05
    )


@pytest.mark.parametrize(("name", "offset"), [("a.ts", 0), ("a.ts", 36_000), ("a.ts", 95_440), ("a.ogg", 36_000)])
def test_broadcasts_and_captured_streams_begin_with_their_first_packet(tmp_path: Path, name: str, offset: int) -> None:
    """At any timestamp; that of MPEG-TS starts anew after 26.5 hours, here in the middle of the file."""
    codec = "mp2" if name == "a.ts" else "libvorbis"
    path = ffmpeg(tmp_path / name, "-i", TWO_SPEAKERS, "-c:a", codec, "-output_ts_offset", str(offset))
    assert len(decode(str(path))) == pytest.approx(30 * SAMPLE_RATE, rel=0.01)


@pytest.mark.parametrize("name", ["a.mka", "a.ts", "a.mp4"])
def test_packets_that_are_missing_are_silence(call: Path, tmp_path: Path, name: str) -> None:
    """What follows them is where it was."""
    whole = decode(str(remux(call, tmp_path / f"whole {name}", lambda packet: packet)))
    path = remux(call, tmp_path / name, lambda packet: None if 10 <= seconds(packet) < 17 else packet)
    found = decode(str(path))
    assert len(found) == pytest.approx(len(whole), abs=0.1 * SAMPLE_RATE)
    assert not found[round(10.2 * SAMPLE_RATE) : round(16.8 * SAMPLE_RATE)].any()
    shifts = [
        np.corrcoef(whole[18 * SAMPLE_RATE : 29 * SAMPLE_RATE], found[n : n + 11 * SAMPLE_RATE])[0, 1]
        for n in range(18 * SAMPLE_RATE - 32, 18 * SAMPLE_RATE + 32)
    ]
    assert max(shifts) > 0.99  # within two milliseconds, for Matroska's timestamps are of one


def test_many_packets_that_are_missing_one_by_one_shift_nothing(call: Path, tmp_path: Path) -> None:
    """As of a call over a bad network: each is short, together they would be five seconds."""
    whole, heard = decode(str(call)), np.arange(1_000) % 6 != 0
    packets = iter(heard)
    found = decode(str(remux(call, tmp_path / "a.mka", lambda packet: packet if next(packets) else None)))
    assert len(found) == pytest.approx(len(whole), abs=0.1 * SAMPLE_RATE)
    assert probe(str(tmp_path / "a.mka")).duration_s == pytest.approx(30, abs=0.2)


@pytest.mark.parametrize("late_s", [0.03, 0.09])
def test_less_than_a_tenth_of_a_second_stays_as_ffmpeg_has_it(call: Path, tmp_path: Path, late_s: float) -> None:
    """At the beginning, and in the middle: the samples are those of the file without it."""
    path = remux(call, tmp_path / "start.mka", lambda packet: later(packet, late_s))
    np.testing.assert_array_equal(decode(str(path)), decode(str(call)))
    path = remux(call, tmp_path / "gap.mka", lambda packet: later(packet, late_s) if seconds(packet) > 12 else packet)
    np.testing.assert_array_equal(decode(str(path)), decode(str(call)))


@pytest.mark.parametrize("by_s", [7_200, -8, -0.5])
def test_timestamps_that_jump_make_no_silence(
    call: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, by_s: float
) -> None:
    """Two hours ahead in half a minute, where the header says no more than that, or back: all sound is there, in a row.

    Two files of broadcasts that were joined are such a file.
    """
    plain = ffmpeg(tmp_path / "plain.mpg", "-i", TWO_SPEAKERS, "-c:a", "mp2", "-f", "mpegts").read_bytes()
    shift = ("-output_ts_offset", str(30 + by_s), "-f", "mpegts")
    moved = ffmpeg(tmp_path / "moved.mpg", "-i", TWO_SPEAKERS, "-c:a", "mp2", *shift).read_bytes()
    (tmp_path / "joined.ts").write_bytes(plain + moved)
    with caplog.at_level(logging.WARNING, "tasks"):
        found = decode(str(tmp_path / "joined.ts"), probe(str(tmp_path / "joined.ts")).duration_s)
    assert len(found) == pytest.approx(60 * SAMPLE_RATE, rel=0.01)
    assert caplog.text.count("the timestamps of its audio jump") == 1


def test_a_timestamp_beyond_the_end_that_the_header_says_is_not_believed(call: Path, tmp_path: Path) -> None:
    """A mkv of 30 s with a packet at two hours; the next ones are where they were."""
    path = remux(call, tmp_path / "a.mka", lambda packet: later(packet, 7_200) if seconds(packet) > 29 else packet)
    content = path.read_bytes()
    place = content.index(b"\x44\x89\x88") + 3  # Duration, as a float of 8 bytes
    path.write_bytes(content[:place] + struct.pack(">d", 30_000) + content[place + 8 :])
    assert probe(str(path)).duration_s == pytest.approx(30, abs=0.1)
    np.testing.assert_array_equal(decode(str(path), 30), decode(str(call)))


def test_a_file_without_a_duration_is_as_long_as_its_time_line(call: Path, tmp_path: Path) -> None:
    """What a browser records has none in its header; hours of silence are not believed of seconds of sound."""
    for name, by_s, expected in (("gap.mka", 40, 70), ("hours.mka", 7_200, 30)):
        path = remux(
            call, tmp_path / name, lambda packet, by_s=by_s: later(packet, by_s) if seconds(packet) > 20 else packet
        )
        content = path.read_bytes()
        path.write_bytes(content.replace(b"\x44\x89\x88", b"\xec\x80\x88", 1))  # a void in place of the Duration
        duration_s = probe(str(path)).duration_s
        assert duration_s == pytest.approx(expected, abs=0.2)
        assert len(decode(str(path), duration_s)) == pytest.approx(expected * SAMPLE_RATE, rel=0.01)


def test_a_clock_that_runs_slow_is_no_missing_sound() -> None:
    """Timestamps in steps of 24 ms for pieces of 23.2 ms, as some cameras write them."""
    line = TimeLine(timed=True, zero=0.0)
    assert sum(line.silence_before(0.024 * number, 0.0232) for number in range(10_000)) == 0


def test_times_that_are_rounded_are_no_missing_sound() -> None:
    """Also after hours."""
    line = TimeLine(timed=True, zero=0.0)
    length = 1152 / 44_100
    assert sum(line.silence_before(round(number * length, 3), length) for number in range(500_000)) == 0
    assert not line.jumped


def test_a_header_cannot_ask_for_more_silence_than_four_hours() -> None:
    """It costs nothing to write, and memory to believe."""
    line = TimeLine(timed=True, zero=0.0, end_s=24 * 3600)
    assert line.silence_before(23 * 3600.0, 1.0) == 0
    assert line.jumped


def test_packets_without_a_length_are_as_long_as_their_timestamps_are_apart() -> None:
    """Else such a file would have no length, no share of the memory, and no more than ten minutes."""
    line = TimeLine(timed=True, zero=0.0)
    for number in range(100_000):
        line.silence_before(number * 0.02, 0.0)
    assert line.position_s == pytest.approx(2_000, abs=0.2)


def test_results_of_an_earlier_version_are_not_mixed_with_samples_of_this_one(tmp_path: Path) -> None:
    """Of a film whose sound begins late its transcript is early, and new speakers would not fit it.

    Ordinary files keep all that they have, and what is done stays done: nothing is opened.
    """
    (tmp_path / "in").mkdir()
    late_film(tmp_path / "in" / "late.mp4", QUICK_BROWN_FOX, FILMS["film.mp4"])
    shutil.copy(TWO_SPEAKERS, tmp_path / "in" / "call.wav")
    batch = batch_of(tmp_path / "in")
    with pytest.MonkeyPatch.context() as earlier_version:
        earlier_version.setattr("tasks.audio.types.AudioFile.key_mark", "")
        do(batch, "transcribe", "align", "write")
    ledger = OutputFolder.of(batch).ledger()
    for row in ledger.rows.values():
        del row["retimed"]
    ledger.begin({})
    assert missing(batch) == {}
    diarized = batch_of(tmp_path / "in", diarize={})
    assert missing(diarized) == {
        "late.mp4": {"load audio", "transcribe", "align", "diarize", "check", "write"},
        "call.wav": {"load audio", "diarize", "check", "write"},
    }
    assert planned(diarized)["late.mp4"].source.keys["transcribe"].endswith("-retimed")
