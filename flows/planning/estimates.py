"""Estimates of how long a recording is, by its size and kind, before it is opened."""

import os

LOSSLESS, COMPRESSED, SPEECH, VIDEO = 64_000, 16_000, 4_000, 250_000
BYTES_PER_SECOND = {
    LOSSLESS: ".aif .aifc .aiff .ape .au .caf .flac .rm .snd .tta .voc .w64 .wav .wv",
    SPEECH: ".amr .gsm .opus .spx",
    VIDEO: ".avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .ogv .ts .vob .webm .wmv",
}
"""Usual rates: between telephone and studio quality, 128 kbit/s, voice codecs, 2 Mbit/s. They only order the files."""
RATES = {extension: rate for rate, extensions in BYTES_PER_SECOND.items() for extension in extensions.split()}


def estimated_s(path: str, size: int) -> float:
    """Return about how many seconds of audio a file of so many bytes holds."""
    return size / RATES.get(os.path.splitext(path)[1].lower(), COMPRESSED)
