"""WAV files whose header counts less sound than the file holds, as a recorder that crashed leaves them."""

import struct
from dataclasses import dataclass
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

MOST_CHUNKS = 1_000
"""No more are looked at before the sound, or after it."""

SIZE_UNKNOWN = (0, 0xFFFFFFFF)
"""Sizes with which FFmpeg reads to the end of the file by itself."""


@dataclass(frozen=True)
class Uncounted:
    """Sound that the header of a WAV file does not count: its length with that which is counted, in seconds."""

    counted_s: float
    there_s: float


def uncounted_sound(file: BinaryIO, size: int) -> Uncounted | None:
    """Return the sound of a WAV file of this size if at least a second of it is not counted, else None.

    What follows the counted sound is sound too unless it is a list of chunks, such as LIST or id3. The file is left at
    its beginning.
    """
    try:
        return _uncounted(file, size)
    except struct.error:  # it ends in the middle of a header: FFmpeg says what is wrong
        return None
    finally:
        file.seek(0)


def _uncounted(file: BinaryIO, size: int) -> Uncounted | None:
    head = _read(file, 0, 12)
    order = FORMS.get(head[:4])
    if order is None or head[8:12] != b"WAVE":
        return None
    place, bytes_per_s, long_size = 12, 0, None
    for _ in range(MOST_CHUNKS):
        kind, length = struct.unpack(f"{order}4sI", _read(file, place, 8))
        if kind == b"fmt ":
            (bytes_per_s,) = struct.unpack(f"{order}I", _read(file, place + 16, 4))
        elif kind == b"ds64":
            (long_size,) = struct.unpack("<Q", _read(file, place + 16, 8))
        elif kind == b"data":
            counted = long_size if long_size is not None and length == SIZE_UNKNOWN[1] else length
            return _behind(file, size, place + 8, counted, bytes_per_s, order)
        place += 8 + length + length % 2
    return None


def _behind(file: BinaryIO, size: int, begin: int, counted: int, bytes_per_s: int, order: str) -> Uncounted | None:
    if counted in SIZE_UNKNOWN or not bytes_per_s or size - begin - counted < bytes_per_s:
        return None
    if _are_chunks(file, begin + counted, size, order):
        return None
    return Uncounted(counted / bytes_per_s, (size - begin) / bytes_per_s)


def _are_chunks(file: BinaryIO, place: int, size: int, order: str) -> bool:
    """Tell whether there is a list of chunks to the end of the file; the last may be cut off."""
    for pad in {0, place % 2}:
        at = place + pad
        for _ in range(MOST_CHUNKS):
            kind, length = struct.unpack(f"{order}4sI", _read(file, at, 8))
            if kind in AFTER_SOUND:
                return True
            at += 8 + length + length % 2
            if not kind.decode("latin-1").isprintable() or at > size + 1:
                break
            if at >= size - 8:
                return True
    return False


def _read(file: BinaryIO, place: int, length: int) -> bytes:
    file.seek(place)
    return file.read(length)
