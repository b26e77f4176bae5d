"""Nothing but the file is opened, and no header is believed."""

import os
import shutil
import struct
import tarfile
import threading
import wave
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
from conftest import TWO_SPEAKERS

from tasks.audio.container import FORMATS, UnreadableAudio, open_container
from tasks.load_audio import SAMPLE_RATE, decode, probe

NO_RECORDING = "no recording: a playlist, text, pictures or another format that is not read"


class Canary:
    """What must not be touched: an address that is listened at, and a file whose last reading is known."""

    def __init__(self, secret: Path, server: HTTPServer, asked: list[str]) -> None:
        self.secret = secret
        self.url = f"http://127.0.0.1:{server.server_port}/secret.wav"
        self._asked = asked
        shutil.copy(TWO_SPEAKERS, secret)
        os.utime(secret, (0, os.stat(secret).st_mtime))  # a reading sets this time, also with the option relatime

    def touched(self) -> bool:
        """Tell whether somebody has been there."""
        return bool(self._asked) or os.stat(self.secret).st_atime != 0


@pytest.fixture(name="canary")
def _canary(tmp_path: Path) -> Iterator[Canary]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield Canary(tmp_path / "secret.wav", server, asked)
    server.shutdown()
    thread.join()
    server.server_close()


PLAYLISTS = {
    "hls.m3u8": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{0}\n#EXT-X-ENDLIST\n",
    "key.m3u8": '#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXT-X-KEY:METHOD=AES-128,URI="{0}"\n#EXTINF:9,\n{0}\n',
    "concat.txt": "ffconcat version 1.0\nfile '{0}'\n",
    "dash.mpd": """<?xml version="1.0"?>
        <MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:full:2011"
        type="static" mediaPresentationDuration="PT9S"><Period><AdaptationSet><Representation id="0"
        bandwidth="1"><BaseURL>{0}</BaseURL></Representation></AdaptationSet></Period></MPD>""",
    "session.sdp": "v=0\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\na=control:{0}\n",
    "shoutcast.pls": "[playlist]\nNumberOfEntries=1\nFile1={0}\n",
    "windows.asx": '<asx version="3.0"><entry><ref href="{0}"/></entry></asx>\n',
    "redirect.wma": "[Reference]\nRef1={0}\n",
    "real.ram": "{0}\n",
    "subtitles.srt": "1\n00:00:00,000 --> 00:00:09,000\n{0}\n",
    "vobsub.idx": "# VobSub index file, v7\nid: en, index: 0\ntimestamp: 00:00:00:000, filepos: 0\n",
    "script.vpy": 'import vapoursynth\nvapoursynth.core.ffms2.Source("{0}").set_output()\n',
    "avisynth.avs": 'WavSource("{0}")\n',
    "filter.lavfi": "amovie={0}\n",
    "metadata.txt": ";FFMETADATA1\ntitle={0}\n",
    "svg.svg": '<svg xmlns="http://www.w3.org/2000/svg"><image href="{0}"/></svg>\n',
    "imf.xml": '<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2013"/>\n',
    "torrent.ts": "{0}",
}
"""Files that name others, by what they are; {0} is the canary."""


@pytest.mark.parametrize(
    "scheme", ["{secret}", "file:{secret}", "{url}", "concat:{secret}|{secret}", "subfile,,:{secret}"]
)
@pytest.mark.parametrize("extension", ["own", ".wav", ".mp4"])
def test_follows_no_playlist_to_other_files_or_addresses(
    tmp_path: Path, canary: Canary, scheme: str, extension: str
) -> None:
    """Nor a script, nor a subtitle, under their own names or with that of a recording."""
    target = scheme.format(secret=canary.secret, url=canary.url)
    for name, content in PLAYLISTS.items():
        path = tmp_path / (name if extension == "own" else Path(name).stem + extension)
        path.write_text(content.format(target))
        for read in (probe, decode):
            with pytest.raises(UnreadableAudio, match=f"{NO_RECORDING}|not audio that FFmpeg reads"):
                read(str(path))
    assert not canary.touched()


@pytest.mark.parametrize(
    ("name", "target", "options"),
    [
        ("concat.txt", "{secret}", {"safe": "0"}),
        ("hls.m3u8", "{url}", {"protocol_whitelist": "file,http,tcp", "extension_picky": "0"}),
        ("film.mov", "{secret}", {"enable_drefs": "1", "use_absolute_path": "1"}),
    ],
)
def test_the_canary_is_touched_where_nothing_forbids_it(
    tmp_path: Path, canary: Canary, name: str, target: str, options: dict[str, str]
) -> None:
    """Without this the other tests could not fail."""
    path, names = tmp_path / name, target.format(secret=canary.secret, url=canary.url)
    if name in PLAYLISTS:
        path.write_text(PLAYLISTS[name].format(names))
    else:
        quicktime(path, refers_to=names)
    with suppress(av.error.FFmpegError):
        av.open(str(path), options=options)
    assert canary.touched()


def box(kind: bytes, *content: bytes) -> bytes:
    """Return a box of an mp4 or mov file."""
    return struct.pack(">I4s", 8 + sum(map(len, content)), kind) + b"".join(content)


def full_box(kind: bytes, *content: bytes) -> bytes:
    """Return one with version 0 and no flags."""
    return box(kind, bytes(4), *content)


def alias(path: str) -> bytes:
    """Return a reference to a file as QuickTime writes it."""
    name = path.replace("/", ":").encode()
    name += bytes(len(name) % 2)
    return full_box(b"alis", bytes(10 + 28 + 12 + 64 + 36), struct.pack(">HH", 2, len(name)), name, b"\xff\xff\0\0")


def quicktime(
    path: Path, *, refers_to: str | None = None, says: int = 16_000, codec: bytes = b"sowt", samples: int = 16_000
) -> None:
    """Write a mov of 16-bit samples, a second of them; its header may lie about how many, or where, or what."""
    reference = alias(refers_to) if refers_to else struct.pack(">I4sI", 12, b"url ", 1)
    sound = box(codec, bytes(6), struct.pack(">H8xHHHHI", 1, 1, 16, 0, 0, 16_000 << 16))
    table = box(
        b"stbl",
        full_box(b"stsd", struct.pack(">I", 1), sound),
        full_box(b"stts", struct.pack(">III", 1, samples, 1)),
        full_box(b"stsc", struct.pack(">IIII", 1, 1, samples, 1)),
        full_box(b"stsz", struct.pack(">II", 2, samples)),
        full_box(b"stco", struct.pack(">II", 1, 8)),
    )
    data = box(b"dinf", full_box(b"dref", struct.pack(">I", 1), reference))
    media = box(
        b"mdia",
        full_box(b"mdhd", struct.pack(">IIIII", 0, 0, 16_000, says, 0)),
        full_box(b"hdlr", b"mhlrsoun", bytes(13)),
        box(b"minf", full_box(b"smhd", bytes(4)), data, table),
    )
    header = full_box(b"mvhd", struct.pack(">IIIIIH70xI", 0, 0, 16_000, says, 1 << 16, 256, 2))
    track = full_box(b"tkhd", struct.pack(">IIIII60x", 0, 0, 1, 0, says))
    path.write_bytes(box(b"mdat", bytes(32_000)) + box(b"moov", header, box(b"trak", track, media)))


def test_a_header_that_counts_millions_of_samples_takes_no_gigabytes(tmp_path: Path) -> None:
    """FFmpeg makes an index of them when it opens a file; ours is bounded, and such a file has no audio."""
    quicktime(tmp_path / "bomb.m4a", codec=b"mp4a", samples=60_000_000)
    before = psutil.Process().memory_info().rss
    with open_container(str(tmp_path / "bomb.m4a")):
        assert psutil.Process().memory_info().rss - before < 300_000_000
    with pytest.raises(UnreadableAudio):
        decode(str(tmp_path / "bomb.m4a"))


def test_a_film_whose_sound_lies_in_another_file_does_not_open_that(tmp_path: Path, canary: Canary) -> None:
    """It is no silent film either, but one that is not whole."""
    quicktime(tmp_path / "whole.mov")
    assert len(decode(str(tmp_path / "whole.mov"))) == SAMPLE_RATE
    quicktime(tmp_path / "refers.mov", refers_to=str(canary.secret))
    with pytest.raises(UnreadableAudio, match="promises audio, and there is none: cut off, or it lies in another file"):
        decode(str(tmp_path / "refers.mov"))
    assert not canary.touched()


@pytest.mark.parametrize(
    "name",
    [
        "100%.wav",
        "%d.wav",
        "-i.wav",
        "concat:a|b.wav",
        "http:",
        "file:x.wav",
        "pipe:0",
        "*.wav",
        "[a].wav",
        "a#b?c.wav",
    ],
)
def test_a_name_is_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Whatever else it could mean to FFmpeg; also when the file is named from the folder that it is in."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(TWO_SPEAKERS, name)
    assert len(decode(name)) == 30 * SAMPLE_RATE
    (tmp_path / "link").symlink_to(name)
    assert probe("link").duration_s == pytest.approx(30)


def test_pictures_and_archives_are_no_recordings(tmp_path: Path) -> None:
    """A picture of a sequence, with the others beside it; a recording in an archive."""
    picture = av.VideoFrame.from_ndarray(np.zeros((8, 8, 3), np.uint8))
    for i in range(3):
        with av.open(str(tmp_path / f"{i}.png"), "w", format="image2", options={"update": "1"}) as container:
            stream = container.add_stream("png", rate=1)
            stream.width, stream.height, stream.pix_fmt = 8, 8, "rgb24"
            container.mux([*stream.encode(picture), *stream.encode(None)])
    shutil.copy(tmp_path / "0.png", tmp_path / "%d.png")
    with tarfile.open(tmp_path / "a.tar", "w") as tar, zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        tar.add(TWO_SPEAKERS, "talk.wav")
        packed.write(TWO_SPEAKERS, "talk.wav")
    for name in ("0.png", "%d.png", "a.tar", "a.zip"):
        for extension in ("", ".wav", ".mp3"):
            shutil.copy(tmp_path / name, tmp_path / f"{name}{extension}.copy")
            (tmp_path / f"{name}{extension}.copy").rename(tmp_path / f"{name}{extension}")
            with pytest.raises(UnreadableAudio, match=f"{NO_RECORDING}|not audio that FFmpeg reads|no audio track"):
                decode(str(tmp_path / f"{name}{extension}"))


def test_every_format_that_is_allowed_is_there_and_none_that_opens_other_files() -> None:
    """By the names that FFmpeg gives them; recordings of each are in test_audio_formats.py."""
    names = {name for each in FORMATS for name in av.ContainerFormat(each, "r").name.split(",")}
    assert set(FORMATS) <= names
    assert not names & {
        "hls",
        "dash",
        "concat",
        "concatf",
        "sdp",
        "rtsp",
        "rtp",
        "sap",
        "image2",
        "image2pipe",
        "lavfi",
    }
    assert not names & {
        "vobsub",
        "imf",
        "tty",
        "data",
        "webm_dash_manifest",
        "avisynth",
        "vapoursynth",
        "alsa",
        "fbdev",
    }


@pytest.mark.parametrize("rate", [1, 10, 999, 768_001, 99_999_989, 2**31 - 1])
def test_a_rate_that_no_recording_has_is_refused(tmp_path: Path, rate: int) -> None:
    """FFmpeg would make 16,000 samples of each, or take a gigabyte for a filter."""
    path = tmp_path / "a.wav"
    header = struct.pack(
        "<4sI8sIHHIIHH4sI", b"RIFF", 32036, b"WAVEfmt ", 16, 1, 1, rate, rate * 2 % 2**32, 2, 16, b"data", 32_000
    )
    path.write_bytes(header + bytes(32_000))
    for read in (probe, decode):
        with pytest.raises(UnreadableAudio, match="its sampling rate cannot be"):
            read(str(path))


@pytest.mark.parametrize("rate", [1_000, 767_999])
def test_a_rate_at_the_edge_is_none_too_many(tmp_path: Path, rate: int) -> None:
    """One second of each is one second."""
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, rate, rate, "NONE", ""))
        file.writeframes(bytes(2 * rate))
    assert len(decode(str(tmp_path / "a.wav"))) == pytest.approx(SAMPLE_RATE, abs=2)


@pytest.mark.parametrize("channels", [8, 16, 24, 32, 64, 65, 1_000])
def test_many_channels_are_mixed_or_refused(tmp_path: Path, channels: int) -> None:
    """Refused, as by ffmpeg, where nobody knows where they stand."""
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((channels, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(2 * channels * SAMPLE_RATE))
    if channels <= 24:
        assert len(decode(str(tmp_path / "a.wav"))) == SAMPLE_RATE
    else:
        with pytest.raises(UnreadableAudio, match=f"{channels} channels|no audio track"):
            decode(str(tmp_path / "a.wav"))


@pytest.mark.parametrize("said", [0, 0x7FFFF000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_wav_that_was_not_closed_is_as_long_as_it_is(tmp_path: Path, said: int) -> None:
    """Programs that write to a pipe, and recorders that lost power, leave such sizes."""
    content = bytearray(TWO_SPEAKERS.read_bytes())
    place = content.index(b"data") + 4
    content[place : place + 4] = struct.pack("<I", said)
    (tmp_path / "a.wav").write_bytes(content)
    assert probe(str(tmp_path / "a.wav")).duration_s == pytest.approx(30, abs=0.1)
    assert len(decode(str(tmp_path / "a.wav"), 30)) == pytest.approx(30 * SAMPLE_RATE, abs=SAMPLE_RATE / 10)


def test_a_header_that_claims_years_is_not_believed(tmp_path: Path) -> None:
    """The packets are counted: what is there counts against the budget."""
    quicktime(tmp_path / "a.mov", says=2**32 - 1)
    assert probe(str(tmp_path / "a.mov")).duration_s == pytest.approx(1)


def day_of_silence(path: Path, hours: float = 24) -> Path:
    """Write an mp3 of so many hours, of digital silence at the least bit rate, from one frame of it."""
    with av.open(str(path), "w", options={"write_xing": "0", "id3v2_version": "0"}) as container:
        stream = container.add_stream("libmp3lame", rate=8_000, layout="mono", bit_rate=8_000)
        for _ in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, stream.frame_size or 576), np.int16), "s16p", "mono")
            frame.sample_rate = 8_000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    second = path.read_bytes()[-72 * 14 :]  # 14 frames of 72 ms
    path.write_bytes(second * int(hours * 3600 / 14 / 0.072))
    return path


def test_a_day_of_silence_in_a_small_file_is_planned_as_a_day(tmp_path: Path) -> None:
    """So the budget decides."""
    path = day_of_silence(tmp_path / "a.mp3")
    assert probe(str(path)).duration_s == pytest.approx(24 * 3600, rel=0.01)


def test_a_file_that_goes_on_far_beyond_what_it_said_is_stopped(tmp_path: Path) -> None:
    """One that says a second and has hours; a guess that was wrong by a factor of some is no reason."""
    path = day_of_silence(tmp_path / "a.mp3", hours=0.2)
    with pytest.raises(UnreadableAudio, match="far more audio than the 0:00:01 that it says"):
        decode(str(path), 1.0)
    assert len(decode(str(path), 100.0)) == pytest.approx(720 * SAMPLE_RATE, rel=0.01)
