"""Options that say which sound of a recording is transcribed."""

import re
from typing import Annotated

from pydantic import Field, field_validator

from tasks.audio.tracks import AudioTrack
from tasks.audio.types import ChannelMode
from tasks.errors import one_name
from tasks.options import NotInKey, Options

CHANNEL = re.compile(r"CHANNEL_\d+")
"""The name of a channel that is given none."""


class SoundOptions(Options):
    """The track of a recording, and its channels.

    They count in the key of the content, and not in that of the options: see AudioFile.key_mark.
    """

    audio_track: Annotated[AudioTrack, NotInKey()] = Field(
        None,
        description="audio track of files that have several: its number, from 1, or its language (default: the one "
        "tagged with --language, else the ffmpeg program's choice)",
    )
    channels: Annotated[ChannelMode, NotInKey()] = Field(
        "mix",
        description="mix: as whisperx does; split: each channel is transcribed alone, and is a speaker; auto: split "
        "files whose channels are different people",
    )
    channel_names: Annotated[str | None, NotInKey()] = Field(
        None, description="who speaks in the channels, in their order: Agent,Customer (default: CHANNEL_0 and so on)"
    )

    skip_bad_tracks: Annotated[bool, NotInKey()] = Field(
        False, description="of a manifest's groups, leave out tracks that cannot be read (default: the group fails)"
    )

    @field_validator("channel_names")
    @classmethod
    def _named_once(cls, channel_names: str | None) -> str | None:
        names = _separated(channel_names)
        default = {name for number, name in enumerate(names) if CHANNEL.fullmatch(name) and name != f"CHANNEL_{number}"}
        if names and (not all(names) or len(set(names)) < len(names) or default):
            raise ValueError(f"{channel_names!r}: give each channel a name of its own, separated by commas")
        return ",".join(names) or None

    @property
    def names_of_channels(self) -> tuple[str, ...]:
        """The names of the channels."""
        return _separated(self.channel_names)


def _separated(names: str | None) -> tuple[str, ...]:
    return tuple(one_name(name.strip()) for name in names.split(",")) if names else ()
