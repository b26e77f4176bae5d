"""Results of a stage for the tracks of a group, under the keys that they have as files of their own.

So a track that is added, or another that has changed, is all that has to be done again before they are merged.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

from prefect.context import TaskRunContext

from tasks.audio.types import Audio, AudioFile
from tasks.storage.results import result_store, stored_result


class PartResult(Protocol):
    """A result, which is not stored if it is `provisional`."""

    @property
    def provisional(self) -> bool:
        """Whether a later run may do better."""


R = TypeVar("R", bound=PartResult)


def for_each_part(file: AudioFile, audio: Audio, make: Callable[[int], R]) -> list[R]:
    """Return what `make` returns for each part of a file, by its number from 0; for a track what is stored, if any is.

    Of a track that was left out, which has no samples, nothing is stored.
    """
    return [_of_part(file, audio, number, make) for number in range(len(audio.parts))]


def _of_part(file: AudioFile, audio: Audio, number: int, make: Callable[[int], R]) -> R:
    context, place = TaskRunContext.get(), None
    if context and file.tracks and len(audio.parts[number]):
        place = stored_result(context.task, {"file": file.tracks[number].file})
        if place and not context.task.refresh_cache and place.exists():
            return place.read()  # type: ignore[no-any-return]
    result = make(number)
    if place and not result.provisional:
        store = result_store(place.folder)
        store.persist_result_record(store.create_result_record(result, key=place.key))
    return result
