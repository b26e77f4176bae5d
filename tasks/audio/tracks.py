"""Choosing the audio track of a file."""

from dataclasses import dataclass
from typing import Annotated, Any

import av
from av.stream import Disposition
from pydantic import BeforeValidator

from tasks.audio.container import UnreadableAudio
from tasks.audio.timeline import format_name
from tasks.languages import code_of_tag, language_code

HEADERLESS = frozenset(("mpeg", "mpegts"))
"""Formats whose tracks FFmpeg finds by looking at the first seconds."""

OF_SEVERAL = ", track "
"""What stands before the number in the description of a track that is not the only one."""

FOR_SOME_LISTENERS = Disposition.comment | Disposition.visual_impaired | Disposition.hearing_impaired
"""What marks a track as a commentary, or as a version for the blind or the hard of hearing."""


def _number_or_language(value: Any) -> Any:
    """Return a number from 1 as digits, or a language as Whisper's code. Raises ValueError."""
    text = str(value).strip().lower() if value is not None else ""
    if not text:
        return None
    if text.isdecimal() and int(text) > 0:
        return str(int(text))
    try:
        return code_of_tag(text) or language_code(text)
    except ValueError:
        raise ValueError(f"{value!r} is no track: give its number, from 1, or its language, such as 'en'") from None


AudioTrack = Annotated[str | None, BeforeValidator(_number_or_language)]
"""A track: its number from 1, or its language."""


@dataclass(frozen=True)
class TrackChoice:
    """What is asked for: a track (a number, or a language that it must have), and the language that is spoken."""

    track: str | None = None
    language: str | None = None

    def key(self) -> str:
        """Return the same as text, by which an earlier choice is recognised."""
        return f"{self.track or ''}/{self.language or ''}" if self.track or self.language else ""

    def may_change(self, earlier: str, described: str) -> bool:
        """Return whether this may choose another track than an earlier key did, whose track was described so."""
        return self.key() != earlier and (self.track is not None or OF_SEVERAL in described)


ANY_TRACK = TrackChoice()


@dataclass(frozen=True)
class ChosenTrack:
    """A track. `number` counts from 1; `is_default`: it is the ffmpeg program's choice."""

    stream: av.AudioStream
    number: int
    is_default: bool
    description: str


def choose(container: av.container.InputContainer, choice: TrackChoice) -> ChosenTrack:
    """Return the track that is asked for, else the one whose tag is the language, else the ffmpeg program's choice.

    Raises UnreadableAudio if there is no audio, or no such track.
    """
    tracks = list(container.streams.audio)
    default = _default(container, tracks)
    stream = _asked_for(tracks, default, choice)
    if not stream.codec_context:
        raise UnreadableAudio("no decoder for its audio: an unknown codec, or encrypted")
    number = tracks.index(stream) + 1
    description = stream.codec_context.codec.canonical_name
    if len(tracks) > 1:
        description += f"{OF_SEVERAL}{number} of {len(tracks)}"
        description += f": {_tag(stream)}" if _tag(stream) else ""
    return ChosenTrack(stream, number, stream.index == default.index, description)


def _default(container: av.container.InputContainer, tracks: list[av.AudioStream]) -> av.AudioStream:
    """Return the track that the ffmpeg program takes; of MPEG, which has no header, also one that begins late."""
    best = container.streams.best("audio")
    if best is None and format_name(container) in HEADERLESS:
        best = next((track for track in tracks if track.codec_context), None)
    if not isinstance(best, av.AudioStream):
        raise UnreadableAudio("no audio track")
    return best


def _asked_for(tracks: list[av.AudioStream], default: av.AudioStream, choice: TrackChoice) -> av.AudioStream:
    if choice.track and choice.track.isdecimal():
        if int(choice.track) > len(tracks):
            raise UnreadableAudio(f"no audio track {choice.track}: {_listed(tracks)}")
        return tracks[int(choice.track) - 1]
    language = choice.track or choice.language
    spoken = [track for track in tracks if language and track.codec_context and code_of_tag(_tag(track)) == language]
    if choice.track and not spoken:
        raise UnreadableAudio(f"no audio track is tagged as {choice.track}: {_listed(tracks)}")
    # The first for everybody; among those the one that the ffmpeg program would take.
    spoken.sort(key=lambda track: (bool(track.disposition & FOR_SOME_LISTENERS), track.index != default.index))
    return spoken[0] if spoken else default


def _tag(track: av.AudioStream) -> str:
    tag = track.metadata.get("language", "")
    return "" if tag == "und" else tag


def _listed(tracks: list[av.AudioStream]) -> str:
    listed = ", ".join(f"{number} ({_tag(track) or 'no language'})" for number, track in enumerate(tracks, 1))
    return f"it has {listed}; choose another with --audio_track"
