"""Recordings of every kind that people have, made from one wav with the ffmpeg program."""

import subprocess
import wave
from pathlib import Path

import numpy as np

from tasks.audio.types import SAMPLE_RATE, Samples

LOSSLESS = {
    **{f"{rate} hz.wav": f"-c:a pcm_s16le -ar {rate}" for rate in (16_000, 44_100, 48_000, 192_000)},
    "8 bit.wav": "-c:a pcm_u8 -ar 44100",
    "24 bit.wav": "-c:a pcm_s24le -ar 48000",
    "32 bit.wav": "-c:a pcm_s32le -ar 48000",
    "float32.wav": "-c:a pcm_f32le -ar 48000",
    "float64.wav": "-c:a pcm_f64le -ar 48000",
    "stereo.wav": "-c:a pcm_s16le -ac 2",
    "quad.wav": "-c:a pcm_s16le -ac 4",
    "5.1.wav": "-c:a pcm_s16le -ac 6 -ar 48000",
    "7.1.wav": "-c:a pcm_s24le -ac 8 -ar 48000",
    "rf64.wav": "-c:a pcm_s16le -rf64 always",
    "wave64.w64": "-c:a pcm_s16le",
    "big endian.aiff": "-c:a pcm_s16be -ar 44100",
    "aifc.aifc": "-c:a pcm_s16le -f aiff",
    "sun.au": "-c:a pcm_s16be",
    "creative.voc": "-c:a pcm_s16le",
    "apple.caf": "-c:a alac",
    "free.flac": "-c:a flac -ar 44100",
    "true audio.tta": "-c:a tta",
    "wavpack.wv": "-c:a wavpack",
    "lossless.m4a": "-c:a alac",
    "pcm.mov": "-c:a pcm_s16be",
    "flac.mka": "-c:a flac",
    "apple.aif": "-c:a pcm_s24be -ar 48000",
    "next.snd": "-c:a pcm_s16be -f au",
}
"""Names with what the program encodes them from: nothing, or a rounding, is lost."""

PICTURE = "-f lavfi -i color=s=64x64:r=5:d=3 -map 1:v -map 0:a -c:v"

LOSSY = {
    "telephone.wav": "-c:a pcm_mulaw -ar 8000",
    "europe.wav": "-c:a pcm_alaw -ar 8000",
    "8000 hz.wav": "-c:a pcm_s16le -ar 8000",
    "adpcm.wav": "-c:a adpcm_ima_wav",
    "microsoft.wav": "-c:a adpcm_ms",
    "constant.mp3": "-c:a libmp3lame -b:a 64k -ar 44100",
    "variable.mp3": "-c:a libmp3lame -q:a 4 -ar 44100 -ac 2",
    "no xing.mp3": "-c:a libmp3lame -q:a 4 -write_xing 0 -id3v2_version 0",
    "layer 2.mp2": "-c:a mp2 -ar 48000",
    "phone.m4a": "-c:a aac -ar 44100",
    "book.m4b": "-c:a aac -f mp4",
    "adts.aac": "-c:a aac -ar 44100",
    "vorbis.ogg": "-c:a libvorbis",
    "message.opus": "-c:a libopus -b:a 16k",
    "opus.ogg": "-c:a libopus -b:a 24k",
    "meeting.webm": "-c:a libopus",
    "film.webm": f"{PICTURE} libvpx -c:a libvorbis",
    "film.mp4": f"{PICTURE} libx264 -preset ultrafast -c:a aac",
    "film.mkv": f"{PICTURE} libx264 -preset ultrafast -c:a ac3",
    "film.avi": f"{PICTURE} mpeg4 -c:a libmp3lame",
    "film.flv": f"{PICTURE} flv1 -c:a aac -ar 44100",
    "film.wmv": f"{PICTURE} wmv2 -c:a wmav2",
    "film.mpg": f"{PICTURE} mpeg1video -r 25 -c:a mp2",
    "film.ts": f"{PICTURE} mpeg2video -r 25 -c:a mp2",
    "film.mxf": f"{PICTURE} mpeg2video -r 25 -c:a pcm_s16le -ar 48000",
    "film.mpeg": f"{PICTURE} mpeg2video -r 25 -c:a ac3",
    "film.vob": f"{PICTURE} mpeg2video -r 25 -c:a ac3",
    "camera.mts": f"{PICTURE} libx264 -preset ultrafast -c:a ac3 -f mpegts",
    "camera.m2ts": f"{PICTURE} libx264 -preset ultrafast -c:a ac3 -mpegts_m2ts_mode 1 -f mpegts",
    "apple.m4v": f"{PICTURE} libx264 -preset ultrafast -c:a aac -f mp4",
    "free.ogv": f"{PICTURE} libtheora -c:a libvorbis -f ogg",
    "free.oga": "-c:a libvorbis -f ogg",
    "windows.asf": "-c:a wmav1 -ar 44100",
    "real.ra": "-c:a real_144 -ar 8000 -ac 1 -f rm",
    "voice.amr": "-c:a libopencore_amrnb -ar 8000",
    "phone.3gp": "-c:a libopencore_amrnb -ar 8000",
    "windows.wma": "-c:a wmav2 -ar 44100",
    "dolby.ac3": "-c:a ac3 -ar 48000",
    "dolby plus.ac3": "-c:a eac3 -ar 48000 -f eac3",
    "surround.dts": "-c:a dca -strict -2 -ar 48000 -ac 2",
    "real.rm": "-c:a real_144 -ar 8000 -ac 1",
}


def ffmpeg(target: Path, *arguments: str | Path) -> Path:
    """Run the ffmpeg program with these arguments, to write a file."""
    import imageio_ffmpeg

    line = f"{imageio_ffmpeg.get_ffmpeg_exe()} -nostdin -y -loglevel error -threads 1 -bitexact".split()
    subprocess.run([*line, *arguments, target], check=True)
    return target


def record(source: Path, folder: Path, names: dict[str, str] = LOSSLESS | LOSSY) -> list[Path]:
    """Encode a wav in each of these formats."""
    return [ffmpeg(folder / name, "-i", source, *options.split()) for name, options in names.items()]


def two_tracks(path: Path, first: Path, second: Path, *tags: str) -> Path:
    """Write a film with two audio tracks, the first of 5.1 channels, and their language tags, if any."""
    picture = "-f lavfi -i color=s=64x64:r=5:d=3".split()
    sounds = ["-i", first, "-i", second, "-map", "0:v", "-map", "1:a", "-map", "2:a"]
    codecs = "-c:v libx264 -preset ultrafast -c:a aac -ac:a:0 6 -ac:a:1 2 -ar 48000".split()
    tagged = [argument for n, tag in enumerate(tags) for argument in (f"-metadata:s:a:{n}", f"language={tag}")]
    return ffmpeg(path, *picture, *sounds, *codecs, *tagged)


def late_film(path: Path, sound: Path, codecs: str) -> Path:
    """Write eight seconds of picture, with the sound from the fifth on."""
    picture = "-f lavfi -i color=s=64x64:r=5:d=8".split()
    return ffmpeg(
        path, *picture, "-itsoffset", "5", "-i", sound, "-map", "0:v", "-map", "1:a", *f"-c:v {codecs}".split()
    )


def write_wav(path: Path, *channels: Samples) -> Path:
    """Write these channels, of equal length, as a recording."""
    with wave.open(str(path), "wb") as file:
        file.setparams((len(channels), 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes(np.stack(channels, axis=1).tobytes())
    return path


def placed(seconds: float, *speech: tuple[float, Samples]) -> Samples:
    """Return a recording of silence with speech from these seconds on."""
    samples = np.zeros(round(seconds * SAMPLE_RATE), np.int16)
    for start, spoken in speech:
        first = round(start * SAMPLE_RATE)
        samples[first : first + len(spoken)] = spoken[: len(samples) - first]
    return samples
