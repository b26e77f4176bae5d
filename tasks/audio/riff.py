"""WAV files whose header counts less sound than the file holds, as a recorder that crashed leaves them."""

import struct
from typing import BinaryIO

FORMS = {b"RIFF": "<", b"RF64": "<", b"BW64": "<", b"RIFX": ">"}
"""How a file begins, and the byte order of its numbers."""

AFTER_SOUND = frozenset(
    f"{name:4}".encode()
    for name in (
        "LIST INFO id3 ID3 TAG bext cue data fact smpl inst plst note labl JUNK junk PAD FLLR PEAK iXML axml aXML chna "
        "_PMX afsp acid SAUR DISP minf elm1 regn umid link levl strc ResU LGWV cart mext"
    ).split()
)
"""Ids of chunks that programs write behind the sound."""

TAGS = (b"ID3", b"TAG", b"APET")
"""How tags of other formats begin."""

MOST_CHUNKS = 1_000
"""The most chunks that are looked at before the sound, or after it."""

UNKNOWN = (0, 0xFFFFFFFF)
"""Sizes that programs write while they do not know the real one."""


def has_uncounted_sound(file: BinaryIO, size: int) -> bool:
    """Return whether a file of this size is a WAV with at least a second of sound that its header does not count.

    What follows the counted sound is sound too unless it is a list of chunks, such as LIST or id3. The file is left at
    its beginning.
    """
    try:
        return _uncounted(file, size)
    except struct.error:  # it ends in the middle of a header: FFmpeg says what is wrong
        return False
    finally:
        file.seek(0)


def _uncounted(file: BinaryIO, size: int) -> bool:
    head = _read(file, 0, 12)
    order = FORMS.get(head[:4])
    if order is None or head[8:12] != b"WAVE":
        return False
    place, bytes_per_s, long_size = 12, 0, None
    for _ in range(MOST_CHUNKS):
        kind, length = struct.unpack(f"{order}4sI", _read(file, place, 8))
        if kind == b"fmt ":
            (bytes_per_s,) = struct.unpack(f"{order}I", _read(file, place + 16, 4))
        elif kind == b"ds64":
            (long_size,) = struct.unpack("<Q", _read(file, place + 16, 8))
        elif kind == b"data":
            counted = long_size if long_size is not None and length == UNKNOWN[1] else length
            return _goes_on(file, size, place + 8, counted, bytes_per_s, order)
        place += 8 + length + length % 2
    return False


def _goes_on(file: BinaryIO, size: int, begin: int, counted: int, bytes_per_s: int, order: str) -> bool:
    end = begin + (0 if counted in UNKNOWN else counted)
    return 0 < bytes_per_s <= size - end and not _are_chunks(file, end, size, order)


def _are_chunks(file: BinaryIO, place: int, size: int, order: str) -> bool:
    """Return whether the rest of the file is a list of chunks; the last may be truncated."""
    for pad in {0, place % 2}:
        at = place + pad
        for _ in range(MOST_CHUNKS):
            kind, length = struct.unpack(f"{order}4sI", _read(file, at, 8))
            if kind in AFTER_SOUND or kind.startswith(TAGS):
                return True
            at += 8 + length + length % 2
            if not (kind.isascii() and kind.decode().isprintable()) or at > size + 1:
                break
            if at >= size - 8:
                return True
    return False


def _read(file: BinaryIO, place: int, length: int) -> bytes:
    file.seek(place)
    return file.read(length)
