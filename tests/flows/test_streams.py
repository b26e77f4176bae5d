"""flows/streams.py, admission.py, shards.py: files go on when they are ready, and enter when there is room for them."""

import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from fastapi.encoders import jsonable_encoder

from flows.admission import Admission
from flows.planning.file_run import FileRun
from flows.reporting.shards import Shard, divided
from flows.reporting.tracker import Tracker
from flows.shards import Admitted, Intake
from flows.streams import Stream
from tasks.audio.types import AudioFile
from tasks.storage.outputs import OutputPath


def files(count: int, seconds: float = 1.0) -> list[FileRun]:
    """Return planned files of equal length."""
    return [
        FileRun(i, AudioFile(f"/{i}.wav", f"{i}.wav", seconds), OutputPath("/out", "", f"{i}.{{format}}"))
        for i in range(count)
    ]


@dataclass
class Room:
    """A cluster that stays as it is."""

    audio_budget_bytes: int
    largest_audio_bytes: int
    max_in_flight: int = 99


def admitting(files: list[FileRun], budget_bytes: int, largest_bytes: int) -> Admission:
    """Return the admission of these files, which refuses to their tracker."""
    return Admission(files, Room(budget_bytes, largest_bytes), refuse=Tracker(files).failed)


def test_a_file_goes_on_when_all_feeders_have_put_it() -> None:
    """The join of transcription and diarization: in the order in which files become complete."""
    stream, (a, b) = Stream("align", "diarize"), files(2)
    for file in (a, b, b, a):
        stream.put(file)
    stream.close("align")
    stream.close("align")
    assert not stream.closed_by("diarize")
    stream.close("diarize")
    assert list(stream.drain()) == [b, a]
    assert list(stream.drain()) == []


def test_a_file_that_one_feeder_lost_does_not_go_on() -> None:
    """It has failed in the other branch."""
    stream, (a, b) = Stream("align", "diarize"), files(2)
    for file in (a, b, b):
        stream.put(file)
    stream.close("align")
    stream.close("align")
    assert not stream.closed_by("diarize")
    stream.close("diarize")
    assert list(stream.drain()) == [b]


def test_a_stream_travels_as_an_empty_one() -> None:
    """As Prefect sends it: pickled with the flow's parameters, and encoded for the API, without being drained."""
    stream, (file,) = Stream("load audio"), files(1)
    stream.put(file)
    stream.close("load audio")
    assert isinstance(pickle.loads(pickle.dumps(stream)), Stream)
    with suppress(TypeError, ValueError):
        jsonable_encoder(stream)
    assert list(stream.drain()) == [file]


def test_admission_keeps_decoded_audio_within_the_budget() -> None:
    """Ten files of 32 kB each and room for 100 kB: never more than three at a time, and all of them in the end."""
    planned = files(10)
    admission = admitting(planned, budget_bytes=100_000, largest_bytes=100_000)
    most, admitted = 0, []
    in_flight: set[FileRun] = set()

    def finish_some() -> None:
        while len(admitted) < len(planned):
            time.sleep(0.01)
            if in_flight:
                admission.release(in_flight.pop())

    finishing = threading.Thread(target=finish_some)
    finishing.start()
    for file in admission.drain():
        in_flight.add(file)
        admitted.append(file)
        most = max(most, len(in_flight))
    finishing.join()
    assert admitted == planned
    assert most == 3


def test_a_file_larger_than_the_budget_is_admitted_alone() -> None:
    """Rather than never."""
    large, small = files(2, seconds=10)
    admission = admitting([large, small], budget_bytes=1, largest_bytes=1_000_000)
    draining = admission.drain()
    assert next(draining) is large
    threading.Timer(0.05, admission.release, [large]).start()
    assert next(draining) is small


def test_a_stopped_admission_admits_no_more() -> None:
    """Not even those that wait for room."""
    planned = files(3)
    admission = admitting(planned, budget_bytes=40_000, largest_bytes=40_000)
    threading.Timer(0.05, admission.stop).start()
    assert list(admission.drain()) == planned[:1]
    assert [file.begun for file in planned] == [True, False, False]


def test_a_stopped_admission_fails_no_file_for_its_size() -> None:
    """It is the next run's."""
    admission = admitting(files(1, seconds=100 * 3600), budget_bytes=1, largest_bytes=1)
    admission.stop()
    assert list(admission.drain()) == []
    assert admission._pending[0].status == "waiting"  # type: ignore[index]


def test_a_file_that_no_room_is_large_enough_for_fails_and_the_others_go_on() -> None:
    """It says by how much, and what to do."""
    planned = [*files(1, seconds=100 * 3600), *files(1)]
    assert list(admitting(planned, budget_bytes=1_000_000, largest_bytes=3_000_000).drain()) == planned[1:]
    assert planned[0].status == "failed"
    assert planned[0].error == (
        "its 4 days, 4:00:00 of audio take 11,520 MB decoded, and Ray's object store holds 3 MB: cut it, or raise "
        "--audio_budget"
    )


def intakes(shards: list[Shard], admission: Admission) -> list[Intake]:
    """Return the first streams of these shards."""
    admitted, before, made = Admitted(admission.drain()), threading.Event(), []
    before.set()
    statuses = Tracker([file for shard in shards for file in shard.files]).statuses
    for shard in shards:
        made.append(Intake(shard, admitted, before, statuses))
        before = made[-1].ended
    return made


def test_shards_take_their_files_in_turn_from_one_admission() -> None:
    """The second waits for the first, and takes none of the third's, even if nothing is left for itself."""
    planned = files(6)
    first, second, third = divided(planned, 2)
    admission = admitting([file for file in planned if file not in second.files], 1_000_000, 1_000_000)
    one, two, three = intakes([first, second, third], admission)
    with ThreadPoolExecutor() as threads:
        later = [threads.submit(list, each.drain()) for each in (three, two)]
        time.sleep(0.1)
        assert not any(each.done() for each in later)
        assert list(one.drain()) == first.files
        assert [each.result(5) for each in later] == [third.files, []]


def test_the_next_shard_starts_a_minute_before_the_last_files_of_one_are_admitted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not at its beginning, when it would wait for hours, and not after its end, when pools would run dry."""
    planned, in_flight, now = files(200), 20, 0.0
    tracker = Tracker(planned)
    intake = Intake(*divided(planned, 1000), Admitted(iter(planned)), before := threading.Event(), tracker.statuses)
    before.set()
    monkeypatch.setattr("flows.reporting.shards.time", SimpleNamespace(monotonic=lambda: now))
    begun = []
    for place, _ in enumerate(intake.drain()):
        begun.append(intake.next_may_start.is_set())
        if place >= in_flight:  # those before at once, these one a second, as others end
            tracker.failed(planned[place - in_flight], "an outcome")
            now += 1
    assert begun == [False] * 141 + [True] * 59
    assert intake.ended.is_set()


def test_a_stopped_admission_ends_all_shards() -> None:
    """Also one that waits for its turn."""
    planned = files(4)
    one, two = intakes(divided(planned, 2), admission := admitting(planned, 40_000, 40_000))
    threading.Timer(0.05, admission.stop).start()
    assert list(one.drain()) == planned[:1]
    assert list(two.drain()) == []
    assert admission.stopped
