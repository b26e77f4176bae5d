"""Opening a recording: which files and FFmpeg demuxers are allowed, and the errors of those that are not."""

import ctypes
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import av

from tasks.audio.riff import has_uncounted_sound
from tasks.errors import LASTING_ERRNOS, FileFault, message_of
from tasks.storage import filesystems, io, urls

FORMATS = (
    # of flows.planning.patterns.AUDIO_EXTENSIONS
    "aac ac3 aiff amr ape asf au avi caf dts dtshd eac3 flac flv gsm loas matroska mov mp3 mpeg mpegts mxf ogg rm tta "
    "voc w64 wav wv "
    # of telephones, dictaphones, corpora of speech, recorded television
    "alaw dss g722 g729 mulaw nistsphere qcp sln wtv"
).split()
"""FFmpeg's names of the demuxers that may read a file: those of recordings, which read that one file alone.

FFmpeg has 360 and takes the one that the content fits best, whatever the file is called. Some open other files and
addresses that the content names (hls, dash, concat, sdp, rtsp, vobsub) or that lie beside it (image2), lavfi runs what
it reads, many read text and pictures, and those of old games have been looked after by few. mov belongs here: it opens
what a file refers to (`dref`) only if it is told to (`enable_drefs`)."""

PASSING_ERRNOS = frozenset({errno.EAGAIN, errno.EHOSTDOWN, errno.EIO, errno.EMFILE, errno.ESTALE, errno.ETIMEDOUT})
"""Errors of a network share or a busy machine."""


class UnreadableAudio(FileFault):
    """The file holds no audio that can be decoded."""

    lasting = True


class CannotBeOpened(UnreadableAudio):
    """There is no file, or it may not be opened; its content is unknown."""

    lasting = False


def _decodes_audio(codec: str) -> bool:
    try:
        return av.Codec(codec, "r").type == "audio"
    except ValueError:  # it only encodes
        return False


HEADER_BYTES = 1 << 20
"""Block size for objects in a store while their header is read."""
LARGEST_ALLOCATION = 128 << 20
"""In bytes, of anything that FFmpeg's libraries hold in one piece. A header of 2 kB that counts 60 million samples
would make them take 2 GB for an index; that of 24 hours of AAC takes 100 MB."""


def _bound_allocations() -> None:
    """Set it, with FFmpeg's own `av_max_alloc`, which PyAV does not pass on, in the library that its wheels bring."""
    for library in (Path(av.__file__).parent.parent / "av.libs").glob("libavutil-*"):
        ctypes.CDLL(str(library)).av_max_alloc(ctypes.c_size_t(LARGEST_ALLOCATION))


_bound_allocations()
OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": ",".join(FORMATS),
    # Opening a file decodes some of each of its tracks; pictures are nothing to us, and their decoders much to attack.
    "codec_whitelist": ",".join(filter(_decodes_audio, av.codecs_available)),
}


IGNORE_LENGTH = "ignore_length"
"""FFmpeg's option that reads a WAV file to its end, whatever its header says."""


@contextmanager
def open_container(location: str) -> Iterator[av.container.InputContainer]:
    """Open a recording. Raises UnreadableAudio, and OSError for faults of the storage that may pass."""
    size, _ = check_regular(location)
    if not size:
        raise UnreadableAudio("the file is empty")
    with ExitStack() as opened:
        try:
            file = opened.enter_context(io.open_location(location, HEADER_BYTES))
            options = OPTIONS | ({IGNORE_LENGTH: "1"} if has_uncounted_sound(file, size) else {})
        except OSError as error:
            if urls.is_url(location):
                raise
            raise fault(location, "cannot be read", error) from error
        # The path is absolute, or a name like "concat:…" or "-" would mean something else than a file.
        source = file if urls.is_url(location) else os.path.abspath(location)
        opened.enter_context(container := _open(source, location, options))
        yield container


def _open(source: str | BinaryIO, location: str, options: dict[str, str]) -> av.container.InputContainer:
    try:
        return av.open(source, "r", options=options, metadata_errors="replace")
    except av.error.ArgumentError as error:  # FFmpeg's error for a format that is not whitelisted
        raise UnreadableAudio("no recording: a playlist, text, pictures or another format that is not read") from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise fault(location, "not audio that FFmpeg reads", error) from error


def check_regular(path: str) -> filesystems.FileVersion:
    """Return the version of a file that may be opened: a FIFO or a device could block for ever. Raises UnreadableAudio.

    Other faults of the file system, or of the store, which may pass, are raised as OSError.
    """
    try:
        found, regular = _looked_at(path)
    except OSError as error:
        if error.errno in {*LASTING_ERRNOS, errno.ELOOP}:
            raise CannotBeOpened(f"cannot be opened: {error.strerror}") from None
        raise
    if found is None:
        raise CannotBeOpened("no such file")
    if not regular:
        raise CannotBeOpened("not a regular file")
    return found


def _looked_at(path: str) -> tuple[filesystems.FileVersion | None, bool]:
    """Return the version of a file or object, None if there is none, and whether it is a regular one."""
    if urls.is_url(path):
        return io.version_of(path), True
    try:
        status = os.stat(path)  # once: a network share answers each with a delay
    except (FileNotFoundError, NotADirectoryError):
        return None, False
    return (status.st_size, status.st_mtime_ns), stat.S_ISREG(status.st_mode)


def fault(path: str, what: str, error: Exception) -> Exception:
    """Return the error to raise: an OSError for faults of the storage, where a retry may help, else UnreadableAudio.

    CannotBeOpened if it may not be read: permission changes without the file's time, so a later run must try again.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number in PASSING_ERRNOS and not (number == errno.EIO and _reads_to_its_end(path)):
        return OSError(number, f"{what}: {message_of(error)}")
    kind = CannotBeOpened if number in (errno.EACCES, errno.EPERM) else UnreadableAudio
    return kind(f"{what}: {message_of(error)}")


def _reads_to_its_end(path: str) -> bool:
    """Return whether the storage can read the whole file: FFmpeg reports EIO for truncated files too."""
    try:
        io.digest_of(path)
    except (OSError, filesystems.UnsupportedLocation):
        return False
    return True
