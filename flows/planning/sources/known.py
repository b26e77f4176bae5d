"""What is known of an input before it is decoded: from the ledger, from its header, by its content."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace

from flows.state.ledger import Ledger
from flows.state.ledger_rows import Row
from tasks.audio.container import CannotBeOpened, UnreadableAudio, check_regular
from tasks.audio.decoding import Probed, checked_channels, probe
from tasks.audio.types import AudioFile, Track
from tasks.errors import FileFault
from tasks.storage.filesystems import FileVersion
from tasks.storage.results import result_key
from tasks.transcribe import TranscribeOptions

PROBED = Probed.__dataclass_fields__
GONE = "an earlier run has read it: bring it back, or take its row out of the manifest"


class TrackGone(FileFault):
    """A track is not there any more: left out, it would be missing from a transcript that has it."""


def recalled(source: AudioFile, ledger: Ledger, asked: TranscribeOptions) -> tuple[AudioFile, bool]:
    """Return an input as the ledger knows it, with the size and time that it has now, and whether it must be opened.

    Raises OSError, UnreadableAudio, TrackGone.
    """
    if source.tracks:
        unopened = []

        def recall(file: AudioFile) -> AudioFile:
            try:
                found, new = recalled(file, ledger, _mixing(asked))
            except CannotBeOpened as error:
                if "digest" in ledger.row(file.path):
                    raise TrackGone(f"{error}; {GONE}") from error
                raise
            unopened.append(new)
            return found

        return _of_tracks(source, recall, asked), any(unopened)
    size, mtime_ns = check_regular(source.path)
    row = ledger.row(source.path) if ledger.remembers(source.path, (size, mtime_ns)) else Row()
    other_track = asked.track_choice.may_change(row.get("track_choice", ""), row.get("track", ""))
    found = replace(
        source,
        size=size,
        mtime_ns=mtime_ns,
        duration_s=row.get("duration_s") or 0.0,
        track=row.get("track", ""),
        track_number=row.get("track_number", 0),
        retimed=row.get("retimed", False),
        channels=1 if other_track else row.get("channels", 1),
        channel_mode=asked.channels,
        speakers=asked.names_of_channels,
    )
    uncounted = asked.channels != "mix" and "channels" not in row
    return found, row.get("duration_s") is None or uncounted or other_track


def probed(source: AudioFile, asked: TranscribeOptions) -> AudioFile:
    """Return an input as its header says that it is. Raises OSError, UnreadableAudio."""
    if source.tracks:
        return replace(_of_tracks(source, lambda file: probed(file, _mixing(asked)), asked), keys={})
    return replace(source, keys={}, **asdict(probe(source.path, asked.track_choice)))


def note_probed(source: AudioFile, ledger: Ledger, asked: TranscribeOptions) -> None:
    """Note what its header says, so that a later run need not open it."""
    for track in source.tracks:
        note_probed(track.file, ledger, _mixing(asked))
    said = {name: getattr(source, name) for name in PROBED}
    ledger.note(source.path, track_choice=asked.track_choice.key(), **said)


def identified(
    source: AudioFile,
    ledger: Ledger,
    stop: threading.Event,
    options: Mapping[str, str],
    version: FileVersion | None = None,
) -> tuple[AudioFile, str]:
    """Return an input with the keys of its results, and the digest of its content, read unless it is remembered.

    `options` are the digests of the options by stage; `version` is a file's, if it has just been looked at. The content
    of a group is that of its tracks, in their order, and when they begin; tracks have the keys of files of their own.
    Raises OSError, UnreadableAudio if it has changed since it was planned, Stopped.
    """
    if source.tracks:
        found, digest = _identified_group(source, ledger, stop, options)
    else:
        checked_channels(source.parts)
        found, digest = _identified_file(source, ledger, stop, version or check_regular(source.path))
    keys = {stage: result_key(stage, digest, each + source.key_mark) for stage, each in options.items()}
    return replace(found, keys=keys), digest


def _identified_file(
    source: AudioFile, ledger: Ledger, stop: threading.Event, version: FileVersion
) -> tuple[AudioFile, str]:
    known = ledger.remembers(source.path, version)
    digest = ledger.digest(source.path, version, stop)["digest"]
    as_found = (source.size, source.mtime_ns) == version
    found = source if as_found else replace(source, size=version[0], mtime_ns=version[1])
    if not known:
        found.check_unchanged()
    return found, digest


def _identified_group(
    source: AudioFile, ledger: Ledger, stop: threading.Event, options: Mapping[str, str]
) -> tuple[AudioFile, str]:
    tracks, contents = [], []
    for track in source.tracks:
        with _naming(track):
            own, content = identified(track.file, ledger, stop, options)
        tracks.append(replace(track, file=own))
        contents.append((content + own.key_mark, track.offset_s))
    digest = hashlib.blake2b(json.dumps(contents).encode(), digest_size=16).hexdigest()
    ledger.note(source.path, size=source.size or 0, mtime_ns=source.mtime_ns, digest=digest)
    return replace(source, tracks=tuple(tracks)), digest


def _mixing(asked: TranscribeOptions) -> TranscribeOptions:
    """Return the options of a track, which is one speaker."""
    return asked.model_copy(update={"channels": "mix", "channel_names": None})


def _of_tracks(source: AudioFile, look: Callable[[AudioFile], AudioFile], asked: TranscribeOptions) -> AudioFile:
    """Return a group after a look at each of its tracks; those that cannot be read are left out, if that is asked for.

    Its version changes if that of any of its tracks does.
    """
    tracks, left_out = [], list(source.left_out)
    for track in source.tracks:
        try:
            with _naming(track):
                tracks.append(replace(track, file=look(track.file)))
        except UnreadableAudio as error:
            if not asked.skip_bad_tracks:
                raise
            left_out.append(str(error))
    if not tracks:
        raise UnreadableAudio(f"no track can be read: {'; '.join(left_out)}")
    versions = [(each.file.path, each.file.size, each.file.mtime_ns, each.offset_s) for each in tracks]
    mark = hashlib.blake2b(json.dumps(versions).encode(), digest_size=6).hexdigest()
    return replace(
        source,
        tracks=tuple(tracks),
        speakers=tuple(track.speaker for track in tracks),
        size=sum(track.file.size or 0 for track in tracks),
        mtime_ns=int(mark, 16),
        duration_s=max(track.offset_s + track.file.duration_s for track in tracks),
        track=f"{len(tracks)} tracks",
        skip_bad_tracks=asked.skip_bad_tracks,
        left_out=tuple(left_out),
    )


@contextmanager
def _naming(track: Track) -> Iterator[None]:
    """Let a fault of a track say which one it is."""
    try:
        yield
    except FileFault as error:
        raise type(error)(f"{track.file.name}: {error}") from error
