"""WhisperX's result, its options of subtitles, and its writers of the formats that are not subtitles."""

from io import StringIO
from typing import Any, Literal, NotRequired, TypedDict

from whisperx.utils import LANGUAGES_WITHOUT_SPACES, get_writer

WITHOUT_SPACES = frozenset((*LANGUAGES_WITHOUT_SPACES, "yue"))
"""Languages written without spaces between words: those that WhisperX knows of, and Cantonese."""
Result = dict[str, Any]
"""WhisperX's: `segments`, each with `start`, `end` and `text`, once aligned `words`, maybe a `speaker`; `language`."""


class Layout(TypedDict):
    """How outputs are laid out: WhisperX's options of subtitles, and ours where they are set."""

    max_line_width: int | None
    max_line_count: int | None
    highlight_words: bool
    readable: NotRequired[dict[str, float]]
    """The rules that were named for readable subtitles; see subtitles/rules.py."""
    speaker_labels: NotRequired[Literal["voice", "none"]]
    provenance: NotRequired[Literal[True]]
    """Whether formats that have room for it say where the transcript comes from."""


def as_written(result: Result) -> Result:
    """Return a transcript with the language that it is written in.

    A translation has the language of its original. It matters where that has no spaces between words: the translation,
    which is English and is not aligned, would lose its own.
    """
    segments = result["segments"]
    if result["language"] not in WITHOUT_SPACES or any(segment.get("words") for segment in segments):
        return result
    letters = [character for segment in segments for character in segment["text"] if character.isalpha()]
    english = sum(character.isascii() for character in letters) > len(letters) / 2
    return {**result, "language": "en"} if english else result


def as_whisperx(extension: str, result: Result) -> bytes:
    """Return the bytes of one of WhisperX's formats that has no layout, by its extension."""
    written = StringIO()
    writer: Any = get_writer(extension, "")
    writer.write_result(result, file=written, options={})
    return written.getvalue().encode()
