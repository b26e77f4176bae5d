"""Stage load audio: any container and codec of recordings, to 16 kHz mono int16."""

import logging

import numpy as np

from tasks.audio.container import UnreadableAudio
from tasks.audio.decoding import decode_audio, decode_channels
from tasks.audio.loudness import loud_seconds
from tasks.audio.types import Audio, AudioFile, Samples
from tasks.channels.parties import two_parties
from tasks.storage import io
from tasks.storage.results import stage_task

logger = logging.getLogger(__name__)

NO_SAMPLES = np.empty(0, np.int16)


@stage_task("load audio", kept=False)  # decoding again is cheaper than storing it
def load_audio(file: AudioFile) -> Audio:
    """Decode one file, once, for every later stage; of a group, all tracks."""
    audio = _decoded_tracks(file) if file.tracks else _decoded(file)
    file.check_unchanged()  # its results are stored under the keys of the planned content
    return audio


def _decoded(file: AudioFile) -> Audio:
    with io.local_copy(file.path) as path:
        if file.parts:
            channels = decode_channels(path, file.duration_s, file.track_number)
            if file.channel_mode == "split" or two_parties(channels):
                return Audio(NO_SAMPLES, _silent(channels), tuple(channels), file.offsets_s)
        return decode_audio(path, file.duration_s, file.track_number)


def _silent(channels: list[Samples]) -> str | None:
    """Return which channels are silent while others are not: a party of a call is missing."""
    silent = [str(number) for number, samples in enumerate(channels, 1) if not loud_seconds(samples)]
    if not silent or len(silent) == len(channels):
        return None
    return f"channel {' and '.join(silent)} of its {len(channels)} {'is' if len(silent) == 1 else 'are'} silent"


def _decoded_tracks(file: AudioFile) -> Audio:
    """Return the tracks of a group; one that holds no audio is empty, if such are to be left out, unless all do.

    One that cannot be opened now is not left out: the result would be kept for the content that it has.
    """
    parts: list[Samples] = []
    left_out, faults = list(file.left_out), []
    for track in file.tracks:
        try:
            audio = _decoded(track.file)
        except UnreadableAudio as error:
            if not (file.skip_bad_tracks and error.lasting):
                raise type(error)(f"{track.file.name}: {error}") from error
            logger.warning("track %s is left out: %s", track.file.name, error)
            left_out.append(f"{track.file.name}: {error}")
            audio = Audio(NO_SAMPLES)
        parts.append(audio.samples)
        faults += [f"{track.file.name}: {audio.fault}"] if audio.fault else []
    if left_out and not any(map(len, parts)):
        raise UnreadableAudio(f"no track can be read: {'; '.join(left_out)}")
    faults = [*(f"left out: {reason}" for reason in left_out), *faults]
    return Audio(NO_SAMPLES, "; ".join(faults) or None, tuple(parts), file.offsets_s)
