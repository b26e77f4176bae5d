"""Probing and decoding recordings of any container and codec, to 16 kHz mono int16."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from math import inf

import av
import numpy as np

from tasks.audio.container import IGNORE_LENGTH, UnreadableAudio, fault, open_container
from tasks.audio.duration import extent_of, longest_s, said_duration_s
from tasks.audio.mono import check_rate, frames_of, resampled
from tasks.audio.phase import STEREO, Phase
from tasks.audio.timeline import TimeLine, end_in_header_s, time_line
from tasks.audio.tracks import ANY_TRACK, TrackChoice, choose
from tasks.audio.types import BYTES_PER_SECOND, MOST_CHANNELS, SAMPLE_RATE, Audio, Samples

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Probed:
    """What a file says of its audio.

    `duration_s` is where its sound ends on the container's time line. `track` names the codec and, if there are
    several, which track is read; `track_number` is its number, from 1, if it is not the ffmpeg program's choice.
    `retimed`: the sound begins later, or is longer, than the ffmpeg program has it.
    """

    duration_s: float
    track: str
    track_number: int = 0
    retimed: bool = False
    channels: int = 1


def probe(path: str, choice: TrackChoice = ANY_TRACK) -> Probed:
    """Look at the file's header, and if that has no duration at its packets, without decoding.

    Raises UnreadableAudio, also if there is no such track.
    """
    with open_container(path) as container:
        track = choose(container, choice)
        check_rate(track.stream.sample_rate or SAMPLE_RATE)  # 0: not known before some of it is decoded
        extent = extent_of(container, track.stream)
        retimed = extent.late or IGNORE_LENGTH in container.options
        number = 0 if track.is_default else track.number
        return Probed(extent.end_s, track.description, number, retimed, track.stream.channels)


def checked_channels(channels: int) -> int:
    """Return how many channels to decode apart, at least 1. Raises UnreadableAudio."""
    if channels > MOST_CHANNELS:
        raise UnreadableAudio(
            f"it has {channels} channels, more than the {MOST_CHANNELS} that can be split: set --channels mix"
        )
    return max(channels, 1)


def decode(path: str, duration_s: float | None = None, track_number: int = 0) -> Samples:
    """Return the samples of an audio track, int16 at 16 kHz, mono, shape (samples,): see `decode_audio`."""
    return decode_audio(path, duration_s, track_number).samples


def decode_audio(path: str, duration_s: float | None = None, track_number: int = 0) -> Audio:
    """Decode an audio track to 16 kHz mono, and note what is wrong with its channels.

    The samples are those of `ffmpeg -ac 1 -ar 16000 -f s16le`, which WhisperX runs, with silence where the container's
    time line has none. `track_number` 0 is the ffmpeg program's choice. Stereo whose channels cancel each other gives
    the louder one. Raises UnreadableAudio, also if it is far more than is planned for, which is `duration_s`.
    """
    samples, phase = _decode(path, duration_s, track_number)
    fault, lone, dead = None, phase.lone_channel(), phase.dead_channel()
    if lone is not None:
        fault = f"its two channels cancel each other when they are mixed: channel {lone + 1} is used"
        logger.warning("%s", fault)
        del samples
        samples, _ = _decode(path, duration_s, track_number, only=lone)
    elif dead is not None:
        fault = f"channel {dead + 1} of its two is silent"
    return Audio(np.frombuffer(samples[0], np.int16), fault)


def decode_channels(path: str, duration_s: float | None = None, track_number: int = 0) -> list[Samples]:
    """Decode an audio track in one pass, each of its channels to samples as `decode` returns those of a mono file.

    All have the same length. Stretches with another number of channels, as in broadcasts, are mixed, and each channel
    has the mix. Raises as `decode_audio`.
    """
    samples, _ = _decode(path, duration_s, track_number, apart=True)
    return [np.frombuffer(each, np.int16) for each in samples]


def _decode(
    path: str, duration_s: float | None, track_number: int, *, apart: bool = False, only: int | None = None
) -> tuple[list[bytearray], Phase]:
    """Return the samples of all channels mixed, of each, or of `only` one of two, and how the channels compare."""
    longest = inf if duration_s is None else longest_s(duration_s) * BYTES_PER_SECOND
    with open_container(path) as container:
        stream = choose(container, TrackChoice(str(track_number) if track_number else None)).stream
        line = time_line(container, said_duration_s(container, stream) or duration_s or inf)
        channels = checked_channels(stream.channels) if apart else 1
        if only is not None:
            channels = STEREO  # whatever the header says: streams that were pieced together begin otherwise
        kept = list(range(channels)) if only is None else [only]
        samples = [bytearray() for _ in kept]  # they grow in place, where to join arrays would take twice the memory
        phase = Phase()
        try:
            for piece in resampled(frames_of(container, stream), line, phase, channels):
                for channel, grown in zip(kept, samples, strict=True):
                    grown.extend(np.ascontiguousarray(piece[channel]).data)
                if len(samples[0]) > longest:
                    raise UnreadableAudio(
                        f"far more audio than the {timedelta(seconds=round(duration_s or 0))} that it says it has, or "
                        "that its size suggests; if that is wrong, `ffmpeg -i OLD -c copy NEW` mends it"
                    )
        except av.error.FFmpegError as error:
            raise fault(path, f"cannot be decoded ({_described(stream)})", error) from error
        if only is None:
            _warn(container, stream, line)
    return samples, phase


def _described(stream: av.AudioStream) -> str:
    return f"{stream.codec_context.name}, {stream.channels} channel{'' if stream.channels == 1 else 's'}"


def _warn(container: av.container.InputContainer, stream: av.AudioStream, line: TimeLine) -> None:
    if end_in_header_s(container, stream) < said_duration_s(container, stream) - 1:
        logger.warning("its WAV header counts less sound than there is: all of the file is read")
    if line.jumped:
        logger.warning("the timestamps of its audio jump: what follows a jump is taken to follow the sound before it")
    if line.silence_s:
        logger.info("%.1f s of silence where the time line of the file has no sound", line.silence_s)
