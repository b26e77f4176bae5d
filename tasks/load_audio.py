"""Stage load audio: any container and codec of recordings, to 16 kHz mono int16."""

from tasks.audio.decoding import decode_audio
from tasks.audio.types import Audio, AudioFile
from tasks.storage import io
from tasks.storage.results import stage_task


@stage_task("load audio", kept=False)  # decoding again is cheaper than storing it
def load_audio(file: AudioFile) -> Audio:
    """Decode one file, once, for every later stage."""
    with io.local_copy(file.path) as path:
        audio = decode_audio(path, file.duration_s, file.track_number)
    file.check_unchanged()  # its results are stored under the keys of the planned content
    return audio
